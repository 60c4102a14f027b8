// From what was typed to a request. Nothing here touches the page.

export const JSON_TYPE = "application/json";
export const FORM_TYPE = "application/x-www-form-urlencoded";
export const MULTIPART_TYPE = "multipart/form-data";

/**
 * Read what was typed into a field.
 *
 * @param {string} editor What `editorOf` says of its schema.
 * @param {string} text
 * @param {boolean} required
 * @returns {unknown} undefined where nothing is to be sent.
 * @throws {SyntaxError} If it has to be JSON and is not.
 */
export function readField(editor, text, required) {
  if (text === "" && !(editor === "text" && required)) return undefined;
  switch (editor) {
    case "text":
      return text;
    case "number": {
      const number = Number(text);
      return Number.isFinite(number) && text.trim() ? number : text;
    }
    default:
      return JSON.parse(text);
  }
}

/**
 * Build a request.
 *
 * @param {{method: string, path: string}} operation
 * @param {{root?: string, query?: [string, unknown][], kind?: string|null, body?: unknown,
 *   token?: string, accept?: string}} parts `body` is a value for JSON, pairs for a form.
 * @returns {{url: string, init: RequestInit}}
 */
export function buildRequest(operation, parts) {
  const { root = "", query = [], kind = null, body, token = "", accept = "*/*" } = parts;
  const search = new URLSearchParams(query.flatMap(([name, value]) => pairs(name, value)));
  const url = root + operation.path + (search.size ? `?${search}` : "");
  const headers = { accept };
  if (token) headers.authorization = `Bearer ${token}`;
  const init = { method: operation.method, headers, redirect: "manual", cache: "no-store" };
  if (body !== undefined && kind === JSON_TYPE) {
    headers["content-type"] = JSON_TYPE;
    init.body = JSON.stringify(body);
  } else if (body !== undefined && kind === FORM_TYPE) {
    init.body = new URLSearchParams(body.flatMap(([name, value]) => pairs(name, value)));
  } else if (body !== undefined && kind === MULTIPART_TYPE) {
    init.body = new FormData();
    for (const [name, value] of body) {
      const files = [value].flat().filter((each) => each instanceof File);
      for (const file of files) init.body.append(name, file, file.name);
      if (!files.length) for (const [, text] of pairs(name, value)) init.body.append(name, text);
    }
  }
  return { url, init };
}

/** Return the pairs that a value is in a query or form: one for each item of a list. */
function pairs(name, value) {
  if (Array.isArray(value)) return value.map((each) => [name, text(each)]);
  return [[name, text(value)]];
}

function text(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Return the command that sends the same request from a shell. */
export function curlOf({ url, init }, origin) {
  const words = ["curl", "-i"];
  if (init.method !== "GET") words.push("-X", init.method);
  for (const [name, value] of Object.entries(init.headers)) {
    if (value !== "*/*") words.push("-H", quoted(`${name}: ${value}`));
  }
  if (typeof init.body === "string") words.push("--data-raw", quoted(init.body));
  else if (init.body instanceof URLSearchParams) words.push("--data", quoted(String(init.body)));
  else if (init.body instanceof FormData) {
    for (const [name, value] of init.body) {
      const sent = value instanceof File ? `${name}=@${value.name}` : `${name}=${value}`;
      words.push(value instanceof File ? "-F" : "--form-string", quoted(sent));
    }
  }
  return [...words, quoted(new URL(url, origin).href)].join(" ");
}

function quoted(word) {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
