// The page of the repository: who has which file, live; checks out, checks in, shows the past.

const FIRST_DELAY = 500; // milliseconds until the first attempt to come back
const LAST_DELAY = 15_000; // and at most, after many
const SHOWN = 100; // entries of the trail
const RENEWALS = 3; // of an own check-out within its lease
const DEEDS = {
  add: "added",
  adopt: "found changed",
  break: "broke the check-out",
  checkin: "checked in",
  expire: "ran out of time",
  release: "gave back",
  steal: "took over",
  take: "checked out",
};
const UNITS = ["B", "KiB", "MiB", "GiB"];

const $ = (id) => document.getElementById(id);
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const tokens = new Map(Object.entries(JSON.parse(localStorage.getItem("repository.tokens") ?? "{}")));

let me = { user: "", may_work: false, may_override: false };
let lease = 900;
let largest = Infinity;
let mine = [];
let shown = "";
let attempts = 0;
let waiting = null;

// -- who has what -------------------------------------------------------------------------------

function connect() {
  const address = new URL("../../ws/repository/live", location.href);
  address.protocol = location.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  socket.onopen = () => {
    attempts = 0;
    say("Live", "good");
  };
  socket.onmessage = ({ data }) => {
    const { event, done } = JSON.parse(data);
    if (event !== "held") return;
    for (const each of done) $("trail").prepend(trailRow(each));
    while ($("trail").rows.length > SHOWN) $("trail").lastElementChild.remove();
    refresh();
  };
  socket.onclose = () => {
    const longest = Math.min(LAST_DELAY, FIRST_DELAY * 2 ** attempts++);
    setTimeout(connect, longest * (0.5 + Math.random() / 2));
    say("Not live: trying again");
  };
}

// However many ask at once, the list is fetched once more and no more.
function refresh() {
  waiting ??= Promise.resolve().then(async () => {
    waiting = null;
    const answer = await call("list");
    if (!answer) return;
    ({ me, lease } = answer);
    largest = answer.max_file;
    mine = answer.files.filter(({ checkout }) => checkout && checkout.owner === me.user);
    $("files").replaceChildren(...answer.files.map(fileRow));
    $("count").textContent = answer.files.length;
    $("table").hidden = !answer.files.length;
    $("empty").hidden = Boolean(answer.files.length);
    $("adding").hidden = !me.may_work;
    $("me").textContent = me.user ? `You are ${me.user}` : "Sign in to check files out";
    if (shown) showPast(shown);
  });
  return waiting;
}

function fileRow({ name, size: bytes, checkout }) {
  const link = element("a", { href: `download?name=${encodeURIComponent(name)}`, dir: "auto" }, name);
  return element("tr", {},
    element("td", {}, link),
    element("td", { className: "number" }, size(bytes)),
    element("td", {}, ...holder(checkout)),
    element("td", {}, element("div", { className: "actions" },
      ...actions(name, checkout), button("Versions", () => showPast(name)))));
}

function holder(checkout) {
  if (!checkout) return [element("span", { className: "muted" }, "nobody")];
  const until = checkout.expires_at ? `until ${day.format(new Date(checkout.expires_at))}` : "";
  return [
    element("strong", { dir: "auto" }, checkout.owner),
    element("p", { className: "hint", dir: "auto" }, checkout.comment),
    element("p", { className: "hint" }, until),
  ];
}

function actions(name, checkout) {
  if (!me.may_work) return [];
  if (!checkout) return [button("Check out", () => checkOut(name))];
  if (checkout.owner === me.user) {
    return [
      button("Check in …", () => pick((file) => checkIn(name, checkout, file))),
      button("Give back", () => post("release", { name })),
    ];
  }
  if (!me.may_override) return [];
  return [
    button("Break", () => override("break_lock", name, "Why is it broken?")),
    button("Take over", () => override("steal", name, "Why is it taken over?")),
  ];
}

// -- working ------------------------------------------------------------------------------------

async function checkOut(name) {
  const message = await ask(`What will you do with ${name}?`);
  if (message === null) return;
  const held = await post("checkout", { name, message });
  if (!held) return;
  remember(name, held.token);
  say(`${name} is yours`, "good");
}

async function checkIn(name, checkout, file) {
  const comment = await ask(`What has changed in ${name}?`);
  if (comment === null) return;
  const fields = { name, comment, fence: checkout.fence, token: tokens.get(name) ?? "" };
  const version = await send("checkin", fields, file);
  if (version === undefined) return;
  remember(name, null);
  say(version ? `${name} is version ${version.number} now` : `${name} is as it was`, "good");
}

async function override(path, name, question) {
  const reason = await ask(question);
  if (!reason) return;
  const held = await post(path, { name, reason });
  if (held?.token) remember(name, held.token);
}

async function addFile(file) {
  const version = await send("add", {}, file);
  if (version) say(`${version.path} is added`, "good");
}

function remember(name, token) {
  if (token) tokens.set(name, token);
  else tokens.delete(name);
  localStorage.setItem("repository.tokens", JSON.stringify(Object.fromEntries(tokens)));
}

// A page that is open keeps what its user has; one that is closed lets the lease run out.
async function renew() {
  for (const { name, checkout } of mine) await post("renew", { name, fence: checkout.fence });
  setTimeout(renew, (lease * 1000) / RENEWALS);
}

// -- the past -----------------------------------------------------------------------------------

async function showPast(name) {
  const versions = await call(`history?name=${encodeURIComponent(name)}`);
  if (!versions) return;
  shown = name;
  $("past-name").textContent = name;
  $("versions").replaceChildren(...versions.map(versionRow));
  $("past").hidden = false;
}

function versionRow(version) {
  const query = `name=${encodeURIComponent(version.path)}&version=${version.number}`;
  return element("tr", {},
    element("td", { className: "number" }, element("a", { href: `download?${query}` }, version.number)),
    element("td", { className: "number" }, size(version.size)),
    element("td", { dir: "auto" }, version.author),
    element("td", {}, time(version.created_at)),
    element("td", { dir: "auto" }, version.comment));
}

async function showTrail() {
  const entries = await call("audit");
  if (entries) $("trail").replaceChildren(...entries.map(trailRow));
}

function trailRow({ at, who, action, path, owner, reason }) {
  const whose = owner && owner !== who ? ` (of ${owner})` : "";
  return element("tr", {},
    element("td", {}, time(at)),
    element("td", { dir: "auto" }, who),
    element("td", { dir: "auto" }, `${DEEDS[action] ?? action}${whose}`),
    element("td", { dir: "auto" }, path),
    element("td", { dir: "auto" }, reason));
}

// -- everything else ----------------------------------------------------------------------------

function ask(question) {
  $("question").textContent = question;
  $("answer").value = "";
  $("dialog").showModal();
  return new Promise((resolve) => {
    $("dialog").onclose = () => {
      resolve($("dialog").returnValue === "go" ? $("answer").value.trim() : null);
      $("dialog").returnValue = "";
    };
  });
}

function pick(use) {
  $("pick").onchange = () => {
    use($("pick").files[0]);
    $("pick").value = "";
  };
  $("pick").click();
}

async function post(path, body) {
  const headers = { "content-type": "application/json" };
  const data = await call(path, { method: "POST", headers, body: JSON.stringify(body) });
  await refresh();
  return data;
}

async function send(path, fields, file) {
  if (file.size > largest) {
    say(`${file.name} is larger than ${size(largest)}`, "bad");
    return undefined;
  }
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  body.append("file", file);
  const data = await call(path, { method: "POST", body });
  await refresh();
  return data;
}

// Returns the data of the envelope; undefined, and says why, if there is none.
async function call(path, options = {}) {
  try {
    const answer = await (await fetch(path, options)).json();
    if (answer.error === "none") return answer.result.data;
    say(answer.info.help_text, "bad");
  } catch {
    say("The server does not answer", "bad");
  }
  return undefined;
}

function button(text, act) {
  return element("button", { type: "button", onclick: act }, text);
}

function element(tag, attributes = {}, ...content) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...content);
  return made;
}

function time(text) {
  const when = new Date(text);
  return element("time", { dateTime: when.toISOString() }, day.format(when));
}

function size(bytes) {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${number.format(bytes / 1024 ** power)} ${UNITS[power]}`;
}

function say(text, kind = "") {
  $("status").textContent = text;
  $("status").className = `status ${kind}`;
}

$("adding").addEventListener("click", () => $("add").click());

$("add").addEventListener("change", () => {
  addFile($("add").files[0]);
  $("add").value = "";
});

await showTrail();
await refresh();
connect();
setTimeout(renew, (lease * 1000) / RENEWALS);
