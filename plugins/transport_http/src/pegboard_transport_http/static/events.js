// Server-sent events, read from text as it comes in.
// Source: the HTML standard, section 9.2.6 (interpreting an event stream).

/** Reads events; feed it text in any pieces. */
export class EventReader {
  #rest = "";
  #fields = { event: "", data: [], id: "" };

  /**
   * Take more text.
   *
   * @param {string} text
   * @returns {{event: string, data: string, id: string}[]} The events that it completes.
   */
  feed(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    return lines.map((line) => this.#line(line)).filter(Boolean);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#fields.data.push(value);
    else if (name === "event") this.#fields.event = value;
    else if (name === "id" && !value.includes("\0")) this.#fields.id = value;
    return null;
  }

  #dispatch() {
    const { event, data, id } = this.#fields;
    this.#fields = { event: "", data: [], id };
    return data.length ? { event: event || "message", data: data.join("\n"), id } : null;
  }
}
