// The API explorer: a list of exports, a form for the chosen one, and what it answers.

import {
  choicesOf,
  editorOf,
  exportsOf,
  levelText,
  sampleOf,
  typeText,
} from "./description.js";
import { EventReader } from "./events.js";
import { buildRequest, curlOf, FORM_TYPE, JSON_TYPE, MULTIPART_TYPE, readField } from "./request.js";
import { h, showJson } from "./view.js";

const KEPT_EVENTS = 500;
const SHOWN_TEXT = 500_000; // characters

const KINDS = { [JSON_TYPE]: "JSON", [FORM_TYPE]: "Form", [MULTIPART_TYPE]: "Form with files" };

const root = document.documentElement.dataset.root;
const main = document.getElementById("main");
const list = document.getElementById("exports");
const find = document.getElementById("find");

let description = { paths: {} };
let exported = [];
let token = "";
let running = null;

start();

async function start() {
  try {
    const response = await fetch(`${root}/openapi.json`);
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    description = await response.json();
  } catch (error) {
    main.replaceChildren(h("p.wrong", { role: "alert" }, `The description cannot be read: ${error.message}`));
    return;
  }
  exported = exportsOf(description);
  find.addEventListener("input", drawList);
  addEventListener("hashchange", () => choose(true));
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.matches("input, textarea, select")) {
      event.preventDefault();
      find.focus();
    }
  });
  drawList();
  choose(false);
}

// -- the list -------------------------------------------------------------------------------

function drawList() {
  const wanted = find.value.trim().toLowerCase();
  const shown = exported.filter((each) =>
    `${each.address} ${each.summary}`.toLowerCase().includes(wanted),
  );
  const groups = Map.groupBy ? Map.groupBy(shown, (each) => each.mod) : grouped(shown);
  list.replaceChildren(
    ...[...groups].flatMap(([mod, members]) => [
      h("h2", {}, mod),
      h("ul", {}, ...members.map((each) => h("li", {}, linkTo(each)))),
    ]),
  );
  if (!shown.length) {
    list.append(h("p.hint", { role: "status" }, exported.length ? "Nothing is called that." : "No export can be called from outside yet."));
  }
  markCurrent();
}

function grouped(members) {
  const groups = new Map();
  for (const each of members) groups.set(each.mod, [...(groups.get(each.mod) ?? []), each]);
  return groups;
}

function linkTo(each) {
  const level = levelText(each.level);
  return h(
    "a",
    { href: `#${encodeURIComponent(each.address)}`, "data-address": each.address },
    each.name,
    level && h("span.mark", {}, level),
  );
}

function markCurrent() {
  for (const link of list.querySelectorAll("a")) {
    if (link.dataset.address === chosenAddress()) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function chosenAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function choose(moveFocus) {
  running?.abort();
  const chosen = exported.find((each) => each.address === chosenAddress());
  markCurrent();
  document.title = `${chosen?.address ?? "API explorer"}: ${description.info.title}`;
  main.replaceChildren(...(chosen ? drawExport(chosen) : drawOverview()));
  if (moveFocus) {
    main.focus({ preventScroll: true });
    main.scrollIntoView({ block: "start" });
  }
}

// -- without a choice -----------------------------------------------------------------------

function drawOverview() {
  const mods = new Set(exported.map((each) => each.mod));
  const models = Object.entries(description.components?.schemas ?? {});
  return [
    h("h1", {}, "API explorer"),
    h("p.lead", {}, `${count(exported.length, "function")} of ${count(mods.size, "mod")} can be called here. Choose one to see what it takes, and try it.`),
    h("p.prose", {}, h("kbd", {}, "/"), " finds a function, ", h("kbd", {}, "Ctrl Enter"), " sends. ",
      h("a", { href: `${root}/openapi.json` }, "openapi.json"), " describes the same for machines."),
    accessBox(),
    h("h2", {}, "Types"),
    ...models.map(([name, schema]) =>
      h("details", {}, h("summary", {}, h("code", {}, name)), showJson(schema))),
  ];
}

function accessBox() {
  const field = h("input", {
    id: "token",
    type: "password",
    autocomplete: "off",
    value: token,
    input: (event) => { token = event.target.value.trim(); },
  });
  return h("details", { open: Boolean(token) },
    h("summary", {}, "Access"),
    h("label", { for: "token" }, "Bearer token"),
    field,
    h("p.hint", {}, "Sent with each call until you leave this page; kept nowhere. Cookies of this site are sent anyway."));
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

// -- one export -----------------------------------------------------------------------------

function drawExport(chosen) {
  const place = h("div");
  const answer = h("section.answer", { "aria-label": "Answer" });
  const level = levelText(chosen.level);
  const draw = (operation) => {
    running?.abort();
    answer.replaceChildren();
    place.replaceChildren(drawOperation(chosen, operation, answer));
  };
  draw(chosen.operations[0]);
  return [
    h("h1", {}, h("code", {}, h("small", {}, `${chosen.mod}.`), chosen.name)),
    chosen.summary !== chosen.name && h("p.lead", {}, chosen.summary),
    ...paragraphs(chosen.description).map((each) => h("p.prose", {}, each)),
    h("div.facts", {},
      methodChoice(chosen.operations, draw),
      h("code.path", {}, root + chosen.operations[0].path),
      level
        ? h("span.level", {}, `needs level ${chosen.level}: ${level}`)
        : h("span.level.open", {}, "open to everyone")),
    place,
    answer,
  ].filter(Boolean);
}

/** Join the lines of each paragraph, but not those of lists and of indented text. */
function paragraphs(text) {
  const joined = text.replace(/(\S)\n(?=[^\s*+-])/g, "$1 ");
  return joined.split(/\n{2,}/).filter((each) => each.trim());
}

function methodChoice(operations, draw) {
  return h("fieldset.methods", {}, h("legend.unseen", {}, "Method"),
    ...operations.map((each, index) =>
      h("label", {},
        h("input", { type: "radio", name: "method", value: each.method, checked: index === 0, change: () => draw(each) }),
        each.method)));
}

function drawOperation(chosen, operation, answer) {
  const query = operation.query.map(drawField);
  const body = operation.body && drawBody(operation.body);
  const read = () => ({
    query: valuesOf(query),
    kind: body?.kind(),
    body: body?.read(),
    token,
  });
  const events = chosen.events.find((each) => each.method === operation.method);
  const command = h("code");
  const form = h("form", {
    novalidate: true,
    submit: (event) => {
      event.preventDefault();
      send(operation, read, answer);
    },
    keydown: (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    },
  },
  h("div.fields", {}, ...query.map((each) => each.element), ...(body?.elements ?? [])),
  !query.length && !body && h("p.prose", {}, "It takes no arguments."),
  h("div.actions", {},
    h("button", { type: "submit" }, "Send"),
    events && h("button", { type: "button", click: () => send(events, read, answer, true) }, "Stream"),
    h("kbd", {}, "Ctrl Enter")),
  accessBox(),
  h("details", { toggle: () => { command.textContent = shellCommand(operation, read); } },
    h("summary", {}, "As a command"), h("pre", { tabindex: 0 }, command)),
  h("details", {}, h("summary", {}, "What it may answer"),
    h("table", {}, h("tbody", {}, ...operation.responses.map((each) =>
      h("tr", {}, h("th", { scope: "row" }, each.status), h("td", {}, each.description)))))));
  return form;
}

function shellCommand(operation, read) {
  try {
    return curlOf(buildRequest(operation, { ...read(), root }), location.origin);
  } catch (error) {
    return error.message;
  }
}

// -- fields ---------------------------------------------------------------------------------

let fields = 0;

/** Draw one argument; `read` gives its value, undefined for none, and marks what is not JSON. */
function drawField(argument) {
  const id = `field-${++fields}`;
  const editor = editorOf(description, argument.schema);
  const wrong = h("p.wrong", { id: `${id}-wrong` });
  const input = inputFor(editor, argument, id);
  const read = () => {
    try {
      if (editor === "file") return input.files.length ? [...input.files] : undefined;
      const value = readField(editor, input.value, argument.required);
      mark(input, wrong, "");
      return value;
    } catch (error) {
      mark(input, wrong, `This has to be JSON: ${error.message}`);
      input.focus();
      throw error;
    }
  };
  const element = h("div.field", {},
    h("div", {},
      h("label", { for: id }, argument.name),
      h("span.type", {}, typeText(argument.schema)),
      argument.required && h("span.required", {}, "required")),
    h("div", {}, input, argument.description && h("p.hint", { id: `${id}-hint` }, argument.description), wrong));
  return { name: argument.name, element, read, isFile: editor === "file" };
}

function mark(input, wrong, text) {
  wrong.textContent = text;
  if (text) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

function inputFor(editor, argument, id) {
  const { schema, required } = argument;
  const common = {
    id,
    "aria-describedby": `${argument.description ? `${id}-hint ` : ""}${id}-wrong`,
    "aria-required": required ? "true" : null,
  };
  if (editor === "enum" || editor === "boolean") {
    const values = editor === "enum" ? choicesOf(description, schema) : [true, false];
    const none = required ? [] : [h("option", { value: "" }, defaultText(schema))];
    return h("select", common, ...none, ...values.map((each) =>
      h("option", { value: JSON.stringify(each) }, typeof each === "string" ? each : JSON.stringify(each))));
  }
  if (editor === "json") {
    const area = h("textarea", { ...common, rows: 4, spellcheck: "false", placeholder: defaultText(schema) });
    if (required) area.value = JSON.stringify(sampleOf(description, schema), null, 2);
    return area;
  }
  if (editor === "file") {
    return h("input", { ...common, type: "file", multiple: typeText(schema).startsWith("list") });
  }
  return h("input", {
    ...common,
    type: "text",
    inputmode: editor === "number" ? "decimal" : null,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: schema.default === undefined ? null : defaultText(schema),
  });
}

function defaultText(schema) {
  if (schema.default === undefined) return "";
  const value = schema.default;
  return `${typeof value === "string" && value ? value : JSON.stringify(value)} (default)`;
}

function valuesOf(drawn) {
  return drawn.map((each) => [each.name, each.read()]).filter(([, value]) => value !== undefined);
}

/** Draw a body: the fields of an object, rows of a free form, or one JSON value. */
function drawBody(body) {
  const kinds = h("select", { id: "kind" }, ...body.kinds.map((each) => h("option", { value: each }, KINDS[each] ?? each)));
  const kind = () => kinds.value;
  const choice = body.kinds.length > 1 &&
    h("div.field", {}, h("div", {}, h("label", { for: "kind" }, "Send as")), h("div", {}, kinds));
  if (body.fields) {
    const drawn = body.fields.map(drawField);
    const read = () => (kind() === JSON_TYPE
      ? Object.fromEntries(valuesOf(drawn.filter((each) => !each.isFile)))
      : valuesOf(drawn));
    return { kind, read, elements: [...drawn.map((each) => each.element), choice].filter(Boolean) };
  }
  if (body.kinds[0] !== JSON_TYPE) {
    const rows = drawRows(kinds);
    return { kind, read: rows.read, elements: [rows.element, choice].filter(Boolean) };
  }
  const whole = drawField({ name: "Body", schema: body.schema, required: body.required, description: "" });
  return { kind, read: whole.read, elements: [whole.element] };
}

/** Draw rows of a form that takes any fields; a file in it makes it multipart. */
function drawRows(kinds) {
  const rows = h("div.rows");
  const add = (input) => {
    const name = h("input", { type: "text", "aria-label": "Name", placeholder: "name", autocomplete: "off" });
    const row = h("div.row", {}, name, input,
      h("button.small", { type: "button", click: () => { row.remove(); } }, "Remove"));
    rows.append(row);
    return name;
  };
  const addText = () => add(h("input", { type: "text", "aria-label": "Value", placeholder: "value", autocomplete: "off" }));
  const addFile = () => {
    const name = add(h("input", { type: "file", "aria-label": "File" }));
    name.value = "file";
    kinds.value = MULTIPART_TYPE;
    return name;
  };
  addText();
  const read = () => [...rows.children].flatMap((row) => {
    const [name, value] = row.querySelectorAll("input");
    if (!name.value) return [];
    if (value.type !== "file") return [[name.value, value.value]];
    return [...value.files].map((file) => [name.value, file]);
  });
  const element = h("fieldset.rows", {}, h("legend", {}, "Form"), rows,
    h("div.actions", {},
      h("button.small", { type: "button", click: () => addText().focus() }, "Add a field"),
      h("button.small", { type: "button", click: () => addFile().focus() }, "Add a file")));
  return { element, read };
}

// -- sending --------------------------------------------------------------------------------

async function send(operation, read, answer, asEvents = false) {
  let request;
  try {
    request = buildRequest(operation, { ...read(), root, accept: asEvents ? "text/event-stream" : "*/*" });
  } catch {
    return; // the field says what is wrong
  }
  running?.abort();
  const control = (running = new AbortController());
  answer.replaceChildren(h("p", { role: "status" }, "Waiting"), stopButton(control));
  const began = performance.now();
  try {
    const response = await fetch(request.url, { ...request.init, signal: control.signal });
    await showResponse(response, answer, { began, control, request });
  } catch (error) {
    if (control.signal.aborted) {
      if (running === control) answer.replaceChildren(h("p", { role: "status" }, "Stopped"));
    } else {
      answer.replaceChildren(h("p.wrong", { role: "alert" }, `No answer: ${error.message}`));
    }
  }
}

function stopButton(control) {
  return h("button.small", { type: "button", click: () => control.abort() }, "Stop");
}

async function showResponse(response, answer, { began, control, request }) {
  const type = (response.headers.get("content-type") ?? "").split(";")[0].trim();
  if (response.type === "opaqueredirect") {
    answer.replaceChildren(
      h("p.outcome", { role: "status" }, h("span.status.elsewhere", {}, "Redirect")),
      h("p", {}, "It sends the browser elsewhere: ", openLink(request, "go there")));
  } else if (type === "text/event-stream") {
    await showEvents(response, answer, control);
  } else {
    const content = await response.blob();
    const facts = [`${Math.round(performance.now() - began)} ms`, sizeText(content.size), type];
    answer.replaceChildren(outcome(response, facts), await bodyView(content, type, request), headersOf(response));
  }
}

function outcome(response, facts) {
  const kind = response.ok ? "" : ".bad";
  return h("p.outcome", { role: "status" },
    h(`span.status${kind}`, {}, `${response.status} ${response.statusText}`.trim()),
    ...facts.filter(Boolean).map((each) => h("span", {}, each)));
}

async function bodyView(content, type, request) {
  if (!content.size) return h("p.hint", {}, "The answer has no body.");
  if (type === "application/json" || type.endsWith("+json")) {
    const text = await content.text();
    try {
      return showJson(JSON.parse(text));
    } catch {
      return h("pre", { tabindex: 0 }, text.slice(0, SHOWN_TEXT));
    }
  }
  if (type.startsWith("image/")) {
    return h("p", {}, h("img", { src: URL.createObjectURL(content), alt: "The image that was answered" }));
  }
  if (type.startsWith("text/") || /[/+](xml|yaml|javascript)$/.test(type)) {
    const text = await content.text();
    return h("div", {},
      type === "text/html" && request.init.method === "GET" && h("p", {}, openLink(request, "Open the page")),
      h("pre", { tabindex: 0 }, text.slice(0, SHOWN_TEXT)));
  }
  return h("p", {}, h("a", { href: URL.createObjectURL(content), download: "answer" }, `Save ${sizeText(content.size)}`));
}

function openLink(request, text) {
  return h("a", { href: request.url, target: "_blank", rel: "noopener" }, text);
}

function headersOf(response) {
  return h("details", {}, h("summary", {}, "Headers"),
    h("table", {}, h("tbody", {}, ...[...response.headers].map(([name, value]) =>
      h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value))))));
}

async function showEvents(response, answer, control) {
  const seen = h("p.outcome", { role: "status" });
  const events = h("ol.events", { tabindex: 0, "aria-label": "Events" });
  const stop = stopButton(control);
  const reader = new EventReader();
  let number = 0;
  const say = (state) => {
    seen.replaceChildren(h("span.status", {}, String(response.status)), h("span", {}, `${count(number, "event")}, ${state}`));
  };
  answer.replaceChildren(seen, events, h("div.actions", {}, stop));
  say("open");
  try {
    const decoder = new TextDecoder();
    const body = response.body.getReader();
    for (let part = await body.read(); !part.done; part = await body.read()) {
      const found = reader.feed(decoder.decode(part.value, { stream: true }));
      number += found.length;
      appendEvents(events, found);
      say("open");
    }
    say("ended");
  } catch (error) {
    if (!control.signal.aborted) throw error;
    say("stopped");
  }
  stop.remove();
}

function appendEvents(events, found) {
  const isAtEnd = events.scrollHeight - events.scrollTop - events.clientHeight < 40;
  events.append(...found.slice(-KEPT_EVENTS).map((each) =>
    h("li", {}, h("span.method", {}, each.event), h("code", {}, each.data))));
  while (events.children.length > KEPT_EVENTS) events.firstElementChild.remove();
  if (isAtEnd) events.scrollTop = events.scrollHeight;
}

function sizeText(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
