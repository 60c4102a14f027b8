// The page of the files: uploads one after the other, each with its progress.

const SURE = 4_000; // milliseconds in which a second click deletes
const SURE_TEXT = "Really?";
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

const $ = (id) => document.getElementById(id);
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

let limits = null;
let queue = Promise.resolve();

// -- uploading ----------------------------------------------------------------------------------

function add(files) {
  for (const file of files) {
    const row = uploadRow(file.name);
    queue = queue.then(() => upload(file, row)).then(refresh);
  }
}

function uploadRow(name) {
  const label = element("span", { className: "name", dir: "auto" }, name);
  const bar = element("progress", { max: 1, value: 0, ariaLabel: `Upload of ${name}` });
  const note = element("span", { className: "muted" }, "waits");
  const stop = element("button", { type: "button", ariaLabel: `Stop the upload of ${name}` }, "Stop");
  const item = element("li", {}, label, bar, note, stop);
  const row = { item, bar, note, stop, isStopped: false };
  stop.onclick = () => {
    row.isStopped = true;
    row.request?.abort();
    item.remove();
  };
  $("uploads").append(item);
  return row;
}

// Unlike `fetch`, an XMLHttpRequest says how much of the body has left.
function upload(file, row) {
  if (row.isStopped) return null;
  if (limits && file.size > limits.file_bytes) {
    return fail(row, `larger than ${size(limits.file_bytes)}`);
  }
  return new Promise((resolve) => {
    const request = row.request = new XMLHttpRequest();
    request.upload.onprogress = ({ loaded, total }) => {
      row.bar.value = loaded / total;
      row.note.textContent = `${Math.floor((100 * loaded) / total)} %`;
    };
    request.onload = () => resolve(finish(request, row));
    request.onerror = () => resolve(fail(row, "the connection broke"));
    request.onabort = () => resolve();
    request.open("POST", "upload");
    request.responseType = "json";
    const form = new FormData();
    form.append("file", file);
    request.send(form);
  });
}

function finish({ status, response }, row) {
  if (status !== 200) return fail(row, response?.info?.help_text ?? `error ${status}`);
  row.item.remove();
  return say(`${response.result.data.name} is stored`, "good");
}

function fail(row, reason) {
  row.item.className = "bad";
  row.bar.remove();
  row.note.textContent = reason;
  row.stop.textContent = "Dismiss";
  say(`${row.item.querySelector(".name").textContent}: ${reason}`, "bad");
}

// -- the list -----------------------------------------------------------------------------------

async function refresh() {
  const answer = await call("list");
  if (!answer) return;
  limits = answer.limits;
  const { files } = answer;
  $("files").replaceChildren(...files.map(fileRow));
  $("count").textContent = files.length;
  $("table").hidden = !files.length;
  $("empty").hidden = Boolean(files.length);
  $("limits").textContent = `${size(limits.file_bytes)} each, ${size(limits.total_bytes)} in all`;
}

function fileRow(file) {
  const link = element("a", { href: `download?name=${encodeURIComponent(file.name)}`, dir: "auto" },
    file.name);
  const remove = element("button", { type: "button", ariaLabel: `Delete ${file.name}` }, "Delete");
  remove.onclick = () => {
    if (remove.textContent === SURE_TEXT) return erase(file.name);
    remove.textContent = SURE_TEXT;
    setTimeout(() => { remove.textContent = "Delete"; }, SURE);
    return null;
  };
  const time = new Date(file.modified * 1000);
  return element("tr", {},
    element("td", {}, link),
    element("td", { className: "number" }, size(file.size)),
    element("td", {}, element("time", { dateTime: time.toISOString() }, day.format(time))),
    element("td", {}, remove));
}

async function erase(name) {
  if (await call(`delete?name=${encodeURIComponent(name)}`, "DELETE") !== undefined) {
    say(`${name} is deleted`);
  }
  await refresh();
}

// -- everything else ----------------------------------------------------------------------------

// Returns the data of the envelope; undefined, and says why, if there is none.
async function call(path, method = "GET") {
  try {
    const answer = await (await fetch(path, { method })).json();
    if (answer.error === "none") return answer.result.data;
    say(answer.info.help_text, "bad");
  } catch {
    say("The server does not answer", "bad");
  }
  return undefined;
}

function element(tag, attributes = {}, ...content) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...content);
  return made;
}

function size(bytes) {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${number.format(bytes / 1024 ** power)} ${UNITS[power]}`;
}

function say(text, kind = "") {
  $("status").textContent = text;
  $("status").className = `status ${kind}`;
}

$("pick").addEventListener("change", () => {
  add($("pick").files);
  $("pick").value = "";
});

addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});

addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) $("drop").classList.remove("over");
});

addEventListener("drop", (event) => {
  event.preventDefault(); // or the browser would open the file in place of this page
  $("drop").classList.remove("over");
  add(event.dataTransfer.files);
});

refresh();
