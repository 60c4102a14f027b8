// pegboard.js: calls, event streams, sockets, events and state for pages of a Pegboard server.
//
// One ES module without dependencies; `pegboard.classic.js` is the same for pages without modules.

const DEFAULTS = {
  base: "", // where the server is mounted, such as "/tools" or "https://example.org"; "" for here
  timeout: 30_000, // milliseconds that a call may take; 0 for no limit
  firstDelay: 500, // milliseconds until a lost connection is tried again
  lastDelay: 30_000, // and at most, after many tries
  queue: 1_000, // messages that wait for a socket; more are refused
};

const STORE_PREFIX = "tbjs_app_state_";
const STABLE = 5_000; // milliseconds that a connection must hold before delays start small again
const BODILESS = new Set(["GET", "HEAD", "DELETE"]);

const config = { ...DEFAULTS };

/** What a call answers: the envelope of the server, or what went wrong on the way to it. */
class Result {
  constructor({ origin = [], error = "none", result = null, info = null } = {}) {
    this.origin = origin;
    this.error = error;
    this.result = {
      data_to: result?.data_to ?? "NATIVE",
      data_info: result?.data_info ?? "",
      data: result?.data ?? null,
      data_type: result?.data_type ?? null,
    };
    this.info = { exec_code: info?.exec_code ?? 0, help_text: info?.help_text ?? "" };
  }

  /** Make a success of data that did not come as an envelope. */
  static wrap(data, dataType = null) {
    return new Result({
      result: { data_to: "NATIVE", data_info: "Direct data", data, data_type: dataType },
      info: { exec_code: 0, help_text: "Data wrapped by client" },
    });
  }

  /** Make an error. */
  static failure(error, code, text) {
    return new Result({ error, info: { exec_code: code, help_text: text } });
  }

  isOk() {
    return this.error === "none";
  }

  isError() {
    return !this.isOk();
  }

  /** Return the data, or `fallback` where there is none. */
  get(fallback = null) {
    return this.result.data ?? fallback;
  }

  /** Print it on the console, and return it. */
  log() {
    const say = this.isOk() ? console.info : console.warn;
    say.call(console, `${this.origin.join?.(".") ?? this.origin}: ${this.error}`, this.result.data,
      this.info.help_text);
    return this;
  }

  /** Return it as HTML: HTML that the server has sent as it is, everything else as escaped text. */
  html() {
    if (this.isError()) return `<p class="tb-error" role="alert">${escaped(this.info.help_text)}</p>`;
    const { data, data_type: type } = this.result;
    if (type === "html" || type === "special_html") return String(data ?? "");
    if (typeof data === "string") return escaped(data);
    return `<pre>${escaped(JSON.stringify(data, null, 2))}</pre>`;
  }
}

function escaped(text) {
  const known = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return String(text ?? "").replace(/[&<>"']/g, (each) => known[each]);
}

function isEnvelope(value) {
  return value !== null && typeof value === "object" && "error" in value && "result" in value
    && "info" in value;
}

/** Make a `Result` of whatever was answered: an envelope stays what it is. */
function wrapApiResponse(value, dataType = null) {
  if (value instanceof Result) return value;
  return isEnvelope(value) ? new Result(value) : Result.wrap(value, dataType);
}

/** Who listens to what. A listener that raises keeps no other from hearing. */
class Events {
  #listeners = new Map();
  #lasting = new Map();

  /** Call `listener(payload)` at each event of that name; return what takes it off again. */
  on(name, listener, { once = false, signal = null } = {}) {
    if (signal?.aborted) return () => {};
    if (this.#lasting.has(name)) {
      queueMicrotask(() => call(listener, this.#lasting.get(name)));
      if (once) return () => {};
    }
    const entry = { listener, once };
    const off = () => this.#remove(name, entry);
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(entry);
    signal?.addEventListener("abort", off, { once: true });
    return off;
  }

  /** Call `listener` at the next event only. */
  once(name, listener, options = {}) {
    return this.on(name, listener, { ...options, once: true });
  }

  /** Take a listener off, or all of that name. */
  off(name, listener = null) {
    for (const entry of [...this.#listeners.get(name) ?? []]) {
      if (listener === null || entry.listener === listener) this.#remove(name, entry);
    }
  }

  /** Tell everybody who listens; return how many did. */
  emit(name, payload) {
    const entries = [...this.#listeners.get(name) ?? []];
    for (const entry of entries) {
      if (entry.once) this.#remove(name, entry);
      call(entry.listener, payload);
    }
    return entries.length;
  }

  /** Emit an event that also reaches those who begin to listen later. */
  emitForEver(name, payload) {
    this.#lasting.set(name, payload);
    return this.emit(name, payload);
  }

  #remove(name, entry) {
    const entries = this.#listeners.get(name);
    entries?.delete(entry);
    if (entries?.size === 0) this.#listeners.delete(name);
  }
}

function call(listener, ...payload) {
  try {
    return listener?.(...payload);
  } catch (error) {
    reportError(error); // as an uncaught error: seen on the console and by `window.onerror`
    return undefined;
  }
}

const events = new Events();

/** Values by dotted keys, kept from one page to the next unless they are told not to be. */
class State {
  #values = {};

  /** Read what was kept, over `initial` values. */
  init(initial = {}) {
    this.#values = structuredClone(initial);
    for (const name of keptNames()) this.reload(name);
    return this;
  }

  /** Read one kept top-level key anew: another page may have changed it. */
  reload(name) {
    const text = stored()?.getItem(STORE_PREFIX + name);
    if (text === null || text === undefined) return;
    try {
      this.#values[name] = JSON.parse(text);
    } catch {
      stored().removeItem(STORE_PREFIX + name); // not ours: nothing that we write is malformed
    }
  }

  /** Return the value at `key`, or `fallback`; without a key, all of them. */
  get(key = "", fallback = undefined) {
    let value = this.#values;
    for (const name of parts(key)) {
      if (value === null || typeof value !== "object" || !Object.hasOwn(value, name)) return fallback;
      value = value[name];
    }
    return value;
  }

  /** Put `value` at `key`; what is between is made. */
  set(key, value, { persist = true } = {}) {
    const names = parts(key);
    if (!names.length) throw new TypeError("TB.state.set needs a key");
    let place = this.#values;
    for (const name of names.slice(0, -1)) {
      if (!Object.hasOwn(place, name) || place[name] === null || typeof place[name] !== "object") {
        place[name] = {};
      }
      place = place[name];
    }
    const before = place[names.at(-1)];
    place[names.at(-1)] = value;
    if (persist) this.#keep(names[0]);
    this.#tell(key, value, before);
  }

  /** Remove what is at `key`. */
  delete(key) {
    const names = parts(key);
    const place = this.get(names.slice(0, -1).join("."));
    if (place === null || typeof place !== "object" || !Object.hasOwn(place, names.at(-1))) return false;
    const before = place[names.at(-1)];
    delete place[names.at(-1)];
    if (stored()?.getItem(STORE_PREFIX + names[0]) != null) this.#keep(names[0]);
    this.#tell(key, undefined, before);
    return true;
  }

  #keep(name) {
    try {
      if (this.#values[name] === undefined) stored()?.removeItem(STORE_PREFIX + name);
      else stored()?.setItem(STORE_PREFIX + name, JSON.stringify(this.#values[name]));
    } catch (error) { // full, or forbidden: the page goes on with what it has in memory
      events.emit("state:notKept", { key: name, error });
    }
  }

  #tell(key, value, before) {
    events.emit("state:changed", { key, value, oldValue: before });
    events.emit(`state:changed:${key.replaceAll(".", ":")}`, { key, value, oldValue: before });
  }
}

function parts(key) {
  const names = String(key).split(".").filter(Boolean);
  if (names.includes("__proto__")) throw new TypeError("a key cannot contain __proto__");
  return names;
}

function stored() {
  try {
    return globalThis.localStorage;
  } catch { // the browser forbids it to this page
    return undefined;
  }
}

function keptNames() {
  const keys = Object.keys(stored() ?? {});
  return keys.filter((key) => key.startsWith(STORE_PREFIX)).map((key) => key.slice(STORE_PREFIX.length));
}

const state = new State();

function addressOf(path, protocol = null) {
  const base = new URL(config.base || "/", document.baseURI ?? location.href);
  // a path is one of this server whatever stands in it: "//" begins no other address
  const whole = path.startsWith("/") ? base.origin + base.pathname.replace(/\/$/, "") + path : path;
  const url = new URL(whole, base);
  if (protocol) url.protocol = url.protocol.replace(/^http/, protocol);
  return url;
}

function pathOf(module, name) {
  if (module.startsWith("/")) return module;
  return `/api/${encodeURIComponent(module)}/${encodeURIComponent(name)}`;
}

/** Delays that grow, each somewhere in its upper half, so that not everybody comes back at once. */
class Backoff {
  #tries = 0;

  constructor({ firstDelay = config.firstDelay, lastDelay = config.lastDelay } = {}) {
    this.first = firstDelay;
    this.last = lastDelay;
  }

  get tries() {
    return this.#tries;
  }

  next() {
    const longest = Math.min(this.last, this.first * 2 ** Math.min(this.#tries++, 30));
    return longest * (0.5 + Math.random() / 2);
  }

  reset() {
    this.#tries = 0;
  }
}

/** Calls exports over HTTP. */
class Api {
  #refreshing = null;

  /**
   * Call an export, or the path `module` where it begins with a slash.
   *
   * A payload is the query of a GET or DELETE; a form goes as it is, text with a `=` as a form, and
   * all else as JSON. `method` may be an object of options: method, headers, signal, timeout.
   * It never throws: what fails is an error `Result`.
   */
  async request(module, name = "", payload = null, method = "POST", useTauri = "never",
    isSpecialAuthRoute = false, retryCount = 0) {
    const options = typeof method === "string" ? { method } : { method: "POST", ...method };
    const answer = await this.#send(pathOf(module, name), payload, options);
    const isRefused = answer.status === 401 && !isSpecialAuthRoute && retryCount === 0;
    if (isRefused && await this.refresh()) {
      return this.request(module, name, payload, method, useTauri, isSpecialAuthRoute, 1);
    }
    return answer.result;
  }

  /**
   * Send a form with files, and hear how far it is: `onProgress({loaded, total, fraction})`.
   *
   * An `AbortSignal` in `signal` breaks it off.
   */
  async upload(module, name, form, options = {}) {
    const path = pathOf(module, name);
    let answer = await this.#upload(path, form, options);
    if (answer.status === 401 && await this.refresh()) answer = await this.#upload(path, form, options);
    return answer.result;
  }

  #upload(path, form, { onProgress = null, signal = null, headers = {} }) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      const url = addressOf(path);
      const fail = (text) => resolve({ status: -1, result: networkFailure(path, text) });
      request.open("POST", url);
      request.withCredentials = true;
      for (const [key, value] of Object.entries({ ...authorization(url), ...headers })) {
        request.setRequestHeader(key, value);
      }
      request.upload.onprogress = ({ loaded, total, lengthComputable }) => {
        call(onProgress, { loaded, total, fraction: lengthComputable ? loaded / total : null });
      };
      request.onload = () => {
        const type = request.getResponseHeader("content-type") ?? "";
        const result = resultOf(request.status, type, request.responseText);
        resolve({ status: request.status, result });
      };
      request.onerror = () => fail("the server cannot be reached");
      request.onabort = () => fail("the upload was broken off");
      signal?.addEventListener("abort", () => request.abort(), { once: true });
      if (signal?.aborted) fail("the upload was broken off");
      else request.send(form);
    });
  }

  /**
   * Exchange the refresh token in `user.refreshToken` for new tokens, once for all who ask.
   *
   * Pages of one browser take turns: a refresh token is good for one exchange.
   */
  refresh() {
    const used = state.get("user.refreshToken");
    if (!used) return Promise.resolve(false);
    const alone = navigator.locks
      ? (work) => navigator.locks.request("pegboard-refresh", work)
      : (work) => work();
    this.#refreshing ??= alone(() => this.#exchange(used)).finally(() => { this.#refreshing = null; });
    return this.#refreshing;
  }

  async #exchange(used) {
    state.reload("user");
    const token = state.get("user.refreshToken");
    if (token !== used) return Boolean(token); // another page has done it
    const options = { method: "POST", isAnonymous: true }; // the token that has ended says nothing
    const { result } = await this.#send("/auth/token", { refresh_token: token }, options);
    const tokens = result.get();
    if (result.isError() || !tokens?.access_token) {
      if (result.info.exec_code > 0) { // refused; without an answer nobody knows
        state.delete("user.token");
        state.delete("user.refreshToken");
        events.emit("api:signedOut", result);
      }
      return false;
    }
    state.set("user.refreshToken", tokens.refresh_token);
    state.set("user.token", tokens.access_token);
    return true;
  }

  async #send(path, payload, options) {
    const { method, headers = {}, signal = null, timeout = config.timeout, isAnonymous } = options;
    const url = addressOf(path);
    const init = { method: method.toUpperCase(), credentials: "include" };
    init.headers = { ...isAnonymous ? {} : authorization(url), ...headers };
    if (payload !== null && payload !== undefined) {
      if (BODILESS.has(init.method)) addQuery(url, payload);
      else addBody(init, payload);
    }
    const limits = [signal, timeout ? AbortSignal.timeout(timeout) : null].filter(Boolean);
    if (limits.length) init.signal = limits.length > 1 ? AbortSignal.any(limits) : limits[0];
    try {
      const response = await fetch(url, init);
      const type = response.headers.get("content-type") ?? "";
      const body = isText(type) ? await response.text() : await response.blob();
      return { status: response.status, result: resultOf(response.status, type, body) };
    } catch (error) {
      return { status: -1, result: networkFailure(path, reasonOf(error)) };
    }
  }
}

/** The token of the user, for our own server and for no other. */
function authorization(url) {
  const token = state.get("user.token");
  const isOurs = url.origin === addressOf("/").origin;
  return token && isOurs ? { Authorization: `Bearer ${token}` } : {};
}

function addQuery(url, payload) {
  const pairs = payload instanceof FormData || payload instanceof URLSearchParams
    || typeof payload === "string"
    ? [...new URLSearchParams(payload)]
    : Object.entries(payload).flatMap(([key, value]) => [value].flat().map((each) => [key, each]));
  for (const [key, value] of pairs) {
    if (value === null || value === undefined) continue;
    url.searchParams.append(key, typeof value === "object" ? JSON.stringify(value) : value);
  }
}

function addBody(init, payload) {
  if (payload instanceof FormData || payload instanceof URLSearchParams || payload instanceof Blob) {
    init.body = payload;
  } else if (typeof payload === "string" && payload.includes("=")) {
    init.body = new URLSearchParams(payload);
  } else {
    init.body = JSON.stringify(payload);
    init.headers["Content-Type"] = "application/json";
  }
}

function isText(type) {
  return /^text\/|[/+](json|xml|javascript)\b|^$/.test(type);
}

/** Make a result of a response: of an envelope, of bare data, or of a status that says it all. */
function resultOf(status, type, body) {
  if (status === 204 || status === 205) return Result.wrap({ success: true });
  let value = body;
  let kind = type.startsWith("text/html") ? "html" : null;
  if (/[/+]json\b/.test(type)) {
    try {
      value = JSON.parse(body);
    } catch {
      return Result.failure("InternalError", status, "the answer is not the JSON that it says it is");
    }
    kind = "json";
  }
  if (isEnvelope(value)) return new Result(value);
  if (status >= 200 && status < 300) return Result.wrap(value, kind);
  const text = typeof value === "string" && kind === null ? value.slice(0, 500) : "";
  return Result.failure("InternalError", status, text || `the server answered with status ${status}`);
}

function networkFailure(path, text) {
  const result = Result.failure("InternalError", -1, text);
  events.emit("api:networkError", { path, result });
  return result;
}

function reasonOf(error) {
  if (error?.name === "TimeoutError") return "the server did not answer in time";
  if (error?.name === "AbortError") return "the call was broken off";
  return "the server cannot be reached";
}

const api = new Api();

/** One WebSocket that comes back by itself; what is sent meanwhile waits. */
class Connection {
  #socket = null;
  #queue = [];
  #timer = 0;
  #backoff;
  #openedAt = 0;
  #wasOpen = false;
  #isWanted = true;

  constructor(url, options) {
    this.url = url;
    this.options = { reconnect: true, ...options };
    this.#backoff = new Backoff(options);
    this.#open();
    addEventListener("online", this.#retryNow);
  }

  /** Whether what is sent leaves at once. */
  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** How many messages wait. */
  get waiting() {
    return this.#queue.length;
  }

  /**
   * Send a message as JSON; bytes and text in a `String` object go as they are.
   *
   * Return whether it was sent or waits: false where the connection has ended, or too many wait.
   */
  send(payload, includeContext = false) {
    const isRaw = payload instanceof Blob || payload instanceof ArrayBuffer
      || ArrayBuffer.isView(payload) || payload instanceof String;
    const whole = includeContext && this.options.context !== undefined
      ? { ...payload, context: this.options.context }
      : payload;
    const message = isRaw ? payload.valueOf() : JSON.stringify(whole);
    if (this.isOpen) {
      this.#socket.send(message);
      return true;
    }
    if (!this.#isWanted || this.#queue.length >= config.queue) return false;
    this.#queue.push(message);
    return true;
  }

  /** End it; what waits is dropped. */
  close(code = 1000, reason = "") {
    this.#isWanted = false;
    clearTimeout(this.#timer);
    removeEventListener("online", this.#retryNow);
    this.#queue.length = 0;
    this.#socket?.close(code, reason);
    if (connections.get(this.url) === this) connections.delete(this.url);
  }

  #retryNow = () => {
    if (this.#isWanted && this.#socket?.readyState === WebSocket.CLOSED) this.#open();
  };

  #open() {
    clearTimeout(this.#timer);
    const socket = this.#socket = new WebSocket(addressOf(this.url, "ws"), this.options.protocols ?? []);
    socket.onopen = (event) => this.#opened(event);
    socket.onmessage = (event) => this.#received(event);
    socket.onerror = (event) => {
      call(this.options.onError, event);
      events.emit("ws:error", { url: this.url, originEvent: event });
    };
    socket.onclose = (event) => this.#closed(event);
  }

  #opened(event) {
    this.#openedAt = performance.now();
    const isAgain = this.#wasOpen;
    this.#wasOpen = true;
    if (isAgain && this.options.resume) {
      const first = call(this.options.resume, this);
      if (first !== undefined) this.send(first);
    }
    for (const message of this.#queue.splice(0)) this.#socket.send(message);
    call(this.options.onOpen, event);
    events.emit("ws:open", { url: this.url, isAgain, originEvent: event });
  }

  #received(event) {
    const data = typeof event.data === "string" ? parsed(event.data) : event.data;
    call(this.options.onMessage, data, event);
    events.emit("ws:message", { url: this.url, data, originEvent: event });
    if (typeof data?.event === "string") {
      events.emit(`ws:event:${data.event}`,
        { url: this.url, data: bothShapes(data.data), payload: data, originEvent: event });
    }
  }

  #closed(event) {
    call(this.options.onClose, event);
    events.emit("ws:close", { url: this.url, code: event.code, originEvent: event });
    const isStable = this.#openedAt && performance.now() - this.#openedAt > STABLE;
    if (isStable) this.#backoff.reset();
    this.#openedAt = 0;
    if (!this.#isWanted) return;
    const { reconnect, maxTries = Infinity } = this.options;
    if (!reconnect || isFinal(event) || this.#backoff.tries >= maxTries) {
      this.close();
      events.emit("ws:end", { url: this.url, code: event.code, reason: event.reason });
      return;
    }
    const delay = this.#backoff.next();
    events.emit("ws:retry", { url: this.url, tries: this.#backoff.tries, delay });
    this.#timer = setTimeout(() => this.#open(), delay);
  }
}

/** Whether the server has said that coming back is of no use: done, or refused. */
function isFinal({ code, wasClean }) {
  return wasClean && [1000, 1003, 1007, 1008, 1009, 1010].includes(code);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * Let the data of an event be found as `data` and as `data.data`: pages exist for both.
 *
 * Text becomes a `String` object for it; the message as it came is `payload`.
 */
function bothShapes(data) {
  const value = typeof data === "string" ? new String(data) : data;
  if (value === null || typeof value !== "object" || "data" in value) return value;
  return Object.defineProperty(value, "data", { value: data, enumerable: false });
}

const connections = new Map();

/** WebSockets; what names none means the one that was connected last. */
const ws = {
  /** Connect to a path such as `/ws/Chat/room`; one that is connected already is ended first. */
  connect(url, options = {}) {
    connections.get(url)?.close();
    connections.delete(url);
    const connection = new Connection(url, options);
    connections.set(url, connection);
    return connection;
  },

  send(payload, includeContext = false) {
    return ws.getConnection()?.send(payload, includeContext) ?? false;
  },

  /** End one connection, or all. */
  disconnect(url = null) {
    const chosen = url === null ? [...connections.values()] : [connections.get(url)];
    for (const connection of chosen) connection?.close();
  },

  getConnection(url = null) {
    return (url === null ? [...connections.values()].at(-1) : connections.get(url)) ?? null;
  },
};

/**
 * Takes an event stream apart. Source: the HTML standard, section 9.2.6.
 *
 * `push(text)` returns the events that are complete; `lastId` and `retry` are what was said last.
 */
class EventParser {
  lastId = "";
  retry = null;
  #rest = "";
  #data = [];
  #type = "";
  #isFirst = true;

  push(text) {
    if (this.#isFirst && text) {
      text = text.replace(/^\uFEFF/, "");
      this.#isFirst = false;
    }
    if (!/[\r\n]/.test(text) && !this.#rest.endsWith("\r")) { // a long line comes in many parts
      this.#rest += text;
      return [];
    }
    const found = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line, found);
    return found;
  }

  #line(line, found) {
    if (line === "") {
      if (this.#data.length) {
        found.push({ type: this.#type || "message", data: this.#data.join("\n"), lastEventId: this.lastId });
      }
      this.#data = [];
      this.#type = "";
      return;
    }
    const [, field, value] = /^([^:]*)(?::[ ]?(.*))?$/s.exec(line);
    if (field === "data") this.#data.push(value ?? "");
    else if (field === "event") this.#type = value ?? "";
    else if (field === "id" && !value?.includes("\0")) this.lastId = value ?? "";
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}

/** One event stream; where it breaks, it goes on after the last event that has an id. */
class Stream {
  #abort = new AbortController();
  #backoff;
  #lastId;
  #retry = null;

  constructor(url, options) {
    this.url = url;
    this.options = { reconnect: true, listeners: {}, ...options };
    this.#backoff = new Backoff(options);
    this.#lastId = options.lastEventId ?? "";
    this.#run();
  }

  /** Id of the last event that had one. */
  get lastEventId() {
    return this.#lastId;
  }

  get isOpen() {
    return !this.#abort.signal.aborted;
  }

  /** End it. */
  close() {
    if (!this.isOpen) return;
    this.#abort.abort();
    if (streams.get(this.url) === this) streams.delete(this.url);
    events.emit(`sse:close:${this.url}`, { url: this.url });
  }

  async #run() {
    while (this.isOpen) {
      let isOver = false;
      try {
        isOver = await this.#read();
      } catch (error) {
        if (!this.isOpen) return;
        this.#failed(error);
        isOver = error instanceof RefusedError;
      }
      if (isOver || !this.options.reconnect) break;
      await this.#pause(this.#retry ?? this.#backoff.next());
    }
    this.close();
  }

  /** Read until it breaks; return whether it is complete. */
  async #read(isAgain = false) {
    const url = addressOf(this.url);
    const headers = { Accept: "text/event-stream", ...authorization(url), ...this.options.headers };
    if (this.#lastId) headers["Last-Event-ID"] = this.#lastId;
    const response = await fetch(url,
      { headers, credentials: "include", cache: "no-store", signal: this.#abort.signal });
    const type = response.headers.get("content-type") ?? "";
    if (response.status === 204) return true;
    if (response.status === 401 && !isAgain && await api.refresh()) return this.#read(true);
    if (!response.ok || !type.startsWith("text/event-stream")) {
      const result = resultOf(response.status, type, isText(type) ? await response.text() : "");
      const isPassing = response.status >= 500 || response.status === 429;
      throw new (isPassing ? Error : RefusedError)(result.info.help_text, { cause: result });
    }
    call(this.options.onOpen, response);
    events.emit(`sse:open:${this.url}`, { url: this.url });
    return this.#take(response.body.pipeThrough(new TextDecoderStream()).getReader());
  }

  async #take(reader) {
    const parser = new EventParser();
    parser.lastId = this.#lastId;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return false;
      this.#backoff.reset();
      for (const event of parser.push(value)) {
        this.#lastId = event.lastEventId;
        this.#tell(event);
        if (event.type === "stream_end") {
          this.#retry = parser.retry;
          return !parsed(event.data)?.stopping; // a server that stops will be there again
        }
      }
      this.#retry = parser.retry ?? this.#retry;
    }
  }

  #tell(event) {
    const data = parsed(event.data);
    const payload = { url: this.url, data, event };
    if (event.type === "message") {
      call(this.options.onMessage, data, event);
      events.emit(`sse:message:${this.url}`, payload);
    }
    call(this.options.listeners[event.type], data, event);
    events.emit(`sse:event:${this.url}:${event.type}`, payload);
  }

  #failed(error) {
    call(this.options.onError, error);
    events.emit(`sse:error:${this.url}`, { url: this.url, error });
  }

  #pause(delay) {
    return new Promise((resolve) => {
      const { signal } = this.#abort;
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, delay);
      signal.addEventListener("abort", end);
    });
  }
}

/** The server has said no, and would say it again. */
class RefusedError extends Error {}

const streams = new Map();

/** Event streams. */
const sse = {
  /** Follow a path such as `/sse/Clock/ticks`; one that is followed already is ended first. */
  connect(url, options = {}) {
    streams.get(url)?.close();
    const stream = new Stream(url, options);
    streams.set(url, stream);
    return stream;
  },

  /** End one stream, or all. */
  disconnect(url = null) {
    const chosen = url === null ? [...streams.values()] : [streams.get(url)];
    for (const stream of chosen) stream?.close();
  },

  getConnection(url) {
    return streams.get(url) ?? null;
  },
};

let isReady = false;

/** Set what is to differ from the defaults, read the state, and tell who waits for it. */
function init(options = {}) {
  const { state: initial, ...rest } = options;
  const unknown = Object.keys(rest).filter((name) => !(name in DEFAULTS));
  if (unknown.length) throw new TypeError(`TB.init does not know ${unknown.join(", ")}`);
  Object.assign(config, rest);
  if (isReady && !initial) return TB;
  state.init(initial);
  if (!isReady) {
    isReady = true;
    events.emitForEver("tbjs:initialized", TB);
  }
  return TB;
}

/** Run `work` once, as soon as everything is ready. */
function once(work) {
  events.once("tbjs:initialized", work);
}

const TB = Object.freeze({ api, config, events, init, once, sse, state, ws, Result, wrapApiResponse });

if (document.readyState === "loading") {
  addEventListener("DOMContentLoaded", () => isReady || init(), { once: true });
} else {
  queueMicrotask(() => isReady || init());
}

export { EventParser, Result, TB, wrapApiResponse };
export default TB;
