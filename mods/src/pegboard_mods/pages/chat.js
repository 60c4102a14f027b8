// The page of the chat: talks over one WebSocket, and comes back by itself when it breaks.

const FIRST_DELAY = 500; // milliseconds until the first attempt to come back
const LAST_DELAY = 15_000; // and at most, after many
const SHOWN = 500; // messages that the page keeps

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

let socket = null;
let attempts = 0;
let timer = 0;
let name = localStorage.getItem("chat.name") ?? "";
let self = "";
const here = new Set();

// -- the connection -----------------------------------------------------------------------------

function connect() {
  clearTimeout(timer);
  const address = new URL("../../ws/chat/public_room", location.href);
  address.protocol = location.protocol.replace("http", "ws");
  address.searchParams.set("name", name);
  socket = new WebSocket(address);
  socket.onmessage = ({ data }) => {
    const { event, ...rest } = JSON.parse(data);
    handlers[event]?.(rest);
  };
  socket.onclose = ({ reason }) => comeBackLater(reason);
  say("Connecting …");
}

function comeBackLater(reason) {
  const longest = Math.min(LAST_DELAY, FIRST_DELAY * 2 ** attempts++);
  const delay = longest * (0.5 + Math.random() / 2); // so that not everybody comes back at once
  timer = setTimeout(connect, delay);
  $("send").disabled = true;
  say(`Not connected${reason ? ` (${reason})` : ""}: trying again in ${Math.ceil(delay / 1000)} s`);
}

addEventListener("online", () => {
  if (socket?.readyState === WebSocket.CLOSED) connect();
});

// A browser may keep a page that was left, to show it again: nobody is here meanwhile. Shown
// again, the page finds its connection closed and comes back.
addEventListener("pagehide", () => socket?.close());

const handlers = {
  welcome({ user, here: names, history }) {
    attempts = 0;
    self = user;
    here.clear();
    names.forEach((each) => here.add(each));
    $("messages").replaceChildren(...history.map(messageItem));
    $("send").disabled = false;
    say(`You are ${user}`, "good");
    showHere();
    scrollDown();
  },
  user_joined({ data, user }) {
    here.add(user);
    showHere();
    append(noteItem(data));
  },
  user_left({ data, user }) {
    here.delete(user);
    showHere();
    append(noteItem(data));
  },
  new_message: ({ data }) => append(messageItem(data)),
  error: ({ data }) => append(noteItem(data, "bad")),
};

// -- what is shown: always as text, never as HTML -----------------------------------------------

function element(tag, attributes = {}, ...content) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...content);
  return made;
}

function messageItem({ user, text, time }) {
  const head = element("p", { className: "by" },
    element("b", { dir: "auto" }, user), " ",
    element("time", { dateTime: time }, clock.format(new Date(time))));
  const item = element("li", { className: user === self ? "mine" : "" },
    head, element("p", { className: "text", dir: "auto" }, text));
  item.style.setProperty("--hue", hue(user));
  return item;
}

function noteItem(text, kind = "") {
  return element("li", { className: `note ${kind}` }, text);
}

function append(item) {
  const log = $("log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const messages = $("messages");
  messages.append(item);
  while (messages.childElementCount > SHOWN) messages.firstElementChild.remove();
  if (isAtEnd) scrollDown(); // one who reads further up is left in peace
}

function scrollDown() {
  $("log").scrollTop = $("log").scrollHeight;
}

function showHere() {
  const names = [...here].sort((a, b) => a.localeCompare(b));
  $("here").replaceChildren(...names.map((each) => {
    const item = element("li", {}, element("span", { dir: "auto" }, each));
    if (each === self) item.append(" ", element("span", { className: "muted" }, "(you)"));
    item.style.setProperty("--hue", hue(each));
    return item;
  }));
  $("count").textContent = names.length;
}

function say(text, kind = "") {
  $("status").textContent = text;
  $("status").className = `status ${kind}`;
}

function hue(text) {
  return [...text].reduce((sum, each) => (sum * 31 + each.codePointAt(0)) % 360, 7);
}

// -- what the visitor does ----------------------------------------------------------------------

$("name").value = name;

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  name = $("name").value.trim();
  localStorage.setItem("chat.name", name);
  $("join").hidden = true;
  $("composer").hidden = false;
  $("text").focus();
  connect();
});

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const message = $("text").value.trim();
  if (!message || socket?.readyState !== WebSocket.OPEN) return; // what was typed stays there
  socket.send(JSON.stringify({ event: "chat_message", data: { message } }));
  $("text").value = "";
});

$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
