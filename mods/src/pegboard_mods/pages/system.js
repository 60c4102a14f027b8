// The page of the system: asks every few seconds what runs, while somebody looks.

const PERIOD = 2_000; // milliseconds

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat();
const shown = new Map(); // what each part shows now, so that only what has changed is drawn

let timer = 0;
let state = null;

async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await (await fetch("overview")).json();
    if (answer.error !== "none") throw new Error(answer.info.help_text);
    state = answer.result.data;
    draw();
    say("Live", "good");
  } catch (error) {
    say(`No answer: ${error.message}`, "bad");
  }
  if (!document.hidden) timer = setTimeout(refresh, PERIOD);
}

function draw() {
  const { app, statistics, sockets } = state;
  update("tiles", [...tiles(app, statistics), ...socketTiles(sockets)].map(tile));
  update("plugins", state.plugins.map(({ name, state: is, version, summary, reason }) =>
    row([name, stateBadge(is), version || "–", reason || summary])));
  update("mods", state.mods.map(({ name, state: is, generation, calls, reason }) =>
    row([name, stateBadge(is), generation ?? "–", calls, reason ?? ""], [2, 3])));
  const wanted = $("filter").value.trim().toLowerCase();
  const exports = state.exports.filter(({ address, summary }) =>
    `${address} ${summary}`.toLowerCase().includes(wanted));
  update("exports", exports.map((each) =>
    row([code(each.address), audience(each), each.methods.join(", ") || "–", each.summary])));
  $("count").textContent = exports.length;
}

function tiles(app, statistics) {
  return [
    ["App", app.development ? `${app.name} (development)` : app.name],
    ["Pegboard", app.version],
    ["Python", app.python],
    ["Up for", duration(app.uptime)],
    ["Failed calls", number.format(statistics.calls_failed)],
    ["Background tasks", number.format(statistics.tasks_running)],
    ["Busy threads", number.format(statistics.threads_busy)],
  ];
}

function socketTiles(sockets) {
  if (sockets === null) return [];
  const { channels } = sockets; // their members by name, or for outsiders only how many there are
  const count = typeof channels === "number" ? channels : Object.keys(channels).length;
  return [
    ["Connections", number.format(sockets.connections)],
    ["Channels", number.format(count)],
    ["Messages sent", number.format(sockets.sent)],
    ["Messages received", number.format(sockets.received)],
    ["Messages waiting", number.format(sockets.queued)],
    ["Messages dropped", number.format(sockets.dropped)],
  ];
}

function tile([name, value]) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, value));
}

function row(cells, numbers = []) {
  return element("tr", {}, ...cells.map((each, index) =>
    element("td", { className: numbers.includes(index) ? "number" : "" }, each)));
}

function stateBadge(is) {
  const kind = { active: "good", off: "", failed: "bad", incompatible: "bad" }[is];
  return element("span", { className: `badge ${kind}` }, is);
}

function audience({ reachable, public: isPublic, level }) {
  if (!reachable) return "in process";
  return isPublic ? "anyone" : `level ${level}`;
}

function code(text) {
  return element("code", {}, text);
}

function duration(seconds) {
  const [minutes, hours, days] = [60, 3600, 86_400].map((each) => Math.floor(seconds / each));
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds)} s`;
}

// Draws only what differs: what somebody has selected or reads aloud stays where it is.
function update(id, rows) {
  const markup = rows.map((each) => each.outerHTML).join("");
  if (shown.get(id) === markup) return;
  shown.set(id, markup);
  $(id).replaceChildren(...rows);
}

function element(tag, attributes = {}, ...content) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...content);
  return made;
}

function say(text, kind = "") {
  if ($("status").textContent === text) return; // said once, not every two seconds
  $("status").textContent = text;
  $("status").className = `status ${kind}`;
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
$("filter").addEventListener("input", () => { if (state) draw(); });
refresh();
