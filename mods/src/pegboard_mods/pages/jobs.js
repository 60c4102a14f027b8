// The page of the jobs: one stream of events keeps list, tree, log and picture up to date.

const SVG = "http://www.w3.org/2000/svg";
const DELAY = 100; // milliseconds in which what changes is drawn once
const LINES = 500; // lines of a log that are shown

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat();

let jobs = []; // top jobs, the newest first
let chosen = null; // uuid of the job that is shown
let shown = []; // it and what is nested in it
const said = new Set(); // numbers of the events whose lines are shown
let source = null;
let last = null; // number of the last event that was seen
let timer = 0;

async function ask(name, values = {}, method = "GET") {
  const address = new URL(name, location.href);
  const options = { method };
  if (method === "GET") {
    for (const [key, value] of Object.entries(values)) address.searchParams.set(key, value);
  } else {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(values);
  }
  const answer = await (await fetch(address, options)).json();
  if (answer.error !== "none") throw new Error(answer.info.help_text);
  return answer.result.data;
}

async function load() {
  const answer = await ask("list_jobs", { text: $("search").value.trim() });
  jobs = answer.jobs;
  last ??= answer.last;
  $("more-row").hidden = jobs.length < 50;
  drawCounts(answer.counts);
  drawJobs();
}

async function more() {
  const before = jobs.at(-1).ordinal;
  const answer = await ask("list_jobs", { text: $("search").value.trim(), before });
  jobs.push(...answer.jobs);
  $("more-row").hidden = answer.jobs.length < 50;
  drawJobs();
}

async function choose(uuid) {
  const isNew = chosen !== uuid;
  chosen = uuid;
  const answer = await ask("show", { job: uuid });
  if (chosen !== uuid) return;
  shown = answer.jobs;
  if (isNew) {
    $("log").replaceChildren();
    said.clear();
  }
  answer.log.forEach(addLine); // also what a nested job said before this page knew of it
  $("detail").hidden = false;
  drawDetail();
  drawGraph(await ask("provenance", { job: uuid }));
}

function connect() {
  const address = new URL("../../sse/jobs/follow", location.href);
  address.searchParams.set("after", last ?? 0);
  source = new EventSource(address); // comes back by itself, and says what it has seen
  source.onopen = () => say("Live", "good");
  source.onerror = () => say("Connection lost: the browser tries again");
  source.addEventListener("job", ({ data, lastEventId }) => {
    last = Number(lastEventId);
    heard(JSON.parse(data));
  });
}

function heard(event) {
  const { job, kind, data } = event;
  const own = shown.find((each) => each.uuid === job);
  for (const each of [...jobs, ...shown].filter((known) => known.uuid === job)) {
    if (kind === "progress") each.progress = data;
    if (kind === "status") each.status_name = data.status_name;
  }
  if (kind === "log" && own) addLine(event);
  // what is new, and ends, bring more than the event tells: files, counts, nested jobs
  if (kind === "progress") drawLater();
  else if (kind !== "log" || !own) reloadLater();
}

function drawLater() {
  timer ||= setTimeout(() => { timer = 0; drawJobs(); drawDetail(); }, DELAY);
}

function reloadLater() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    timer = 0;
    try {
      await load();
      if (chosen) await choose(chosen);
    } catch (error) {
      say(error.message, "bad");
    }
  }, DELAY);
}

function drawCounts(counts) {
  $("tiles").replaceChildren(...Object.entries(counts).map(([name, count]) =>
    element("div", {}, element("dt", {}, readable(name)), element("dd", {}, number.format(count)))));
}

function drawJobs() {
  $("jobs").replaceChildren(...jobs.map((job) => {
    const link = element("button", { className: "link", type: "button" }, job.title);
    link.addEventListener("click", () => choose(job.uuid).catch(tell));
    const cells = [job.number, link, statusBadge(job), progressOf(job)];
    return element("tr", {}, ...cells.map((each) => element("td", {}, each)));
  }));
}

function drawDetail() {
  const [top] = shown;
  if (!top) return;
  $("detail-title").textContent = `${top.number} ${top.title}`;
  $("cancel").disabled = !["QUEUED", "PENDING", "RUNNING", "RUNNING_REMOTELY"].includes(top.status_name);
  $("retry").disabled = !top.is_durable || !["FAILED", "INTERRUPTED", "UNSATISFACTORY"].includes(top.status_name);
  $("why").textContent = top.failure ? `${top.failure.type} ${top.failure.message}`.trim() : "";
  $("why").hidden = !$("why").textContent;
  $("tree").replaceChildren(...shown.map((job) => {
    const item = element("li", {}, element("span", { className: "digits small" }, job.number), " ",
      job.title, " ", statusBadge(job), progressOf(job));
    item.dataset.depth = Math.min(job.number.split(".").length - top.number.split(".").length, 8);
    return item;
  }));
}

function statusBadge({ status_name: name }) {
  const kind = { FINISHED: "good", FAILED: "bad", UNSATISFACTORY: "bad", INTERRUPTED: "bad" }[name] ?? "";
  return element("span", { className: `badge ${kind}` }, readable(name));
}

function progressOf({ progress, status_name: name, title }) {
  if (!progress) return "";
  const text = progress.message || (progress.total ? `${progress.done} of ${progress.total}` : "");
  if (progress.fraction === null || name !== "RUNNING") return element("span", { className: "muted" }, text);
  const bar = element("progress", { max: 1, value: progress.fraction });
  bar.setAttribute("aria-label", `Progress of ${title}`);
  return element("span", {}, bar, element("span", { className: "muted" }, text));
}

function addLine({ seq, data, time }) {
  if (said.has(seq)) return;
  said.add(seq);
  const clock = new Date(time).toLocaleTimeString();
  $("log").append(element("li", {}, element("time", {}, clock), " ", data.line));
  if ($("log").childElementCount > LINES) $("log").firstElementChild.remove();
}

// Columns by distance from where everything began; what was made stands right of what made it.
function drawGraph({ nodes, edges }) {
  const columns = new Map(nodes.map(({ id }) => [id, 0]));
  for (let round = 0; round < nodes.length; round++) {
    for (const { source: from, target } of edges) {
      columns.set(target, Math.max(columns.get(target), Math.min(columns.get(from) + 1, nodes.length)));
    }
  }
  const used = new Map();
  const places = new Map(nodes.map(({ id }) => {
    const column = columns.get(id);
    const row = used.get(column) ?? 0;
    used.set(column, row + 1);
    return [id, { x: 10 + column * 190, y: 10 + row * 56 }];
  }));
  const width = 190 * (Math.max(0, ...columns.values()) + 1) + 10;
  const height = 56 * Math.max(1, ...used.values()) + 10;
  $("graph").setAttribute("viewBox", `0 0 ${width} ${height}`);
  $("graph").setAttribute("width", width);
  $("graph").setAttribute("height", height);
  $("graph").replaceChildren(...edges.map((edge) => arrow(places.get(edge.source), places.get(edge.target))),
    ...nodes.map((node) => box(node, places.get(node.id))));
}

function arrow(from, to) {
  const middle = (from.x + 150 + to.x) / 2;
  const d = `M${from.x + 150} ${from.y + 20}C${middle} ${from.y + 20} ${middle} ${to.y + 20} ${to.x} ${to.y + 20}`;
  return drawn("path", { d, class: "edge" });
}

function box({ kind, label, status }, { x, y }) {
  const group = drawn("g", { class: `node ${kind} ${status.toLowerCase()}` });
  const text = drawn("text", { x: x + 10, y: y + 25 });
  text.textContent = label.length > 20 ? `${label.slice(0, 19)}…` : label;
  const title = drawn("title", {});
  title.textContent = label;
  group.append(drawn("rect", { x, y, width: 150, height: 40, rx: kind === "job" ? 8 : 0 }), text, title);
  return group;
}

function drawn(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function readable(name) {
  const text = name.toLowerCase().replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}

function element(tag, attributes = {}, ...content) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...content);
  return made;
}

function say(text, kind = "") {
  if ($("status").textContent === text) return;
  $("status").textContent = text;
  $("status").className = `status ${kind}`;
}

function tell(error) {
  say(error.message, "bad");
}

$("search").addEventListener("input", () => load().catch(tell));
$("more").addEventListener("click", () => more().catch(tell));
$("start").addEventListener("click", async () => {
  try {
    const job = await ask("start", {}, "POST");
    await choose(job.uuid);
  } catch (error) {
    tell(error);
  }
});
for (const action of ["cancel", "retry"]) {
  $(action).addEventListener("click", () => ask(action, { job: chosen }, "POST").catch(tell));
}

// A browser may keep a page that was left, to show it again: nobody watches meanwhile.
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", ({ persisted }) => { if (persisted) connect(); });

load().then(connect).catch(tell);
