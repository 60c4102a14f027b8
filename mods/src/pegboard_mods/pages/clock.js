// The page of the clock: shows each second that the server streams, and those missed in between.

const SHOWN = 60;
const SVG = "http://www.w3.org/2000/svg";

const $ = (id) => document.getElementById(id);
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });

let source = null;
let last = null; // number of the last tick, from which to go on
let youngest = Infinity; // seconds that a tick is old when it comes: not 0 if the clocks differ

function connect() {
  const address = new URL("../../sse/clock/ticks", location.href);
  if (last !== null) address.searchParams.set("after", last);
  source = new EventSource(address); // comes back by itself, and says what it has seen
  source.onopen = () => say("Connected", "good");
  source.onerror = () => say("Connection lost: the browser tries again");
  source.addEventListener("tick", ({ lastEventId, data }) => {
    const age = Date.now() / 1000 - lastEventId;
    youngest = Math.min(youngest, age);
    last = Number(lastEventId);
    tick(new Date(JSON.parse(data).time), age > youngest + 1);
  });
}

function disconnect() {
  source.close();
  source = null;
  say("Stream broken, as you wished");
}

function tick(now, isLate) {
  $("time").textContent = time.format(now);
  $("date").textContent = date.format(now);
  turn("seconds", now.getSeconds() * 6);
  turn("minutes", now.getMinutes() * 6 + now.getSeconds() / 10);
  turn("hours", (now.getHours() % 12) * 30 + now.getMinutes() / 2);
  const item = document.createElement("li");
  item.append(time.format(now));
  if (isLate) item.append(badge("afterwards"));
  $("ticks").prepend(item);
  if ($("ticks").childElementCount > SHOWN) $("ticks").lastElementChild.remove();
}

function turn(hand, degrees) {
  $(hand).setAttribute("transform", `rotate(${degrees})`);
}

function badge(text) {
  const made = document.createElement("span");
  made.className = "badge";
  made.textContent = text;
  return made;
}

function say(text, kind = "") {
  $("status").textContent = text;
  $("status").className = `status ${kind}`;
}

for (let minute = 0; minute < 60; minute++) {
  const mark = document.createElementNS(SVG, "line");
  mark.setAttribute("y1", minute % 5 ? -90 : -84);
  mark.setAttribute("y2", -92);
  mark.setAttribute("class", minute % 5 ? "mark" : "mark hour");
  mark.setAttribute("transform", `rotate(${minute * 6})`);
  $("marks").append(mark);
}

$("toggle").addEventListener("click", () => {
  if (source) disconnect();
  else connect();
  $("toggle").textContent = source ? "Break the stream" : "Go on";
});

// A browser may keep a page that was left, to show it again: nobody watches meanwhile.
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", ({ persisted }) => {
  if (persisted && source) connect();
});

connect();
