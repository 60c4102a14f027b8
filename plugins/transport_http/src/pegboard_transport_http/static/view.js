// Elements, made of names and text. Text never becomes markup.

/**
 * Make an element.
 *
 * @param {string} name Name of the element; classes may follow, each after a dot.
 * @param {Object<string, unknown>} [properties] Functions listen to events, anything else is an
 *   attribute; true is one without a value; false, null and undefined leave it out.
 * @param {...(Node|string|null|undefined|false)} children What is in it.
 * @returns {HTMLElement}
 */
export function h(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(key, String(value));
    }
  }
  element.append(...children.flat().filter((child) => child || child === 0));
  return element;
}

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;
const COLOURED = 200_000; // characters above which text stays plain, so that the page stays quick

/**
 * Show a JSON value, indented and coloured.
 *
 * @param {unknown} value
 * @returns {HTMLElement}
 */
export function showJson(value) {
  const text = JSON.stringify(value, null, 2);
  const code = h("code");
  if (text.length > COLOURED) {
    code.textContent = text;
    return h("pre", { tabindex: 0 }, code);
  }
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    code.append(text.slice(end, match.index));
    const [all, string, colon, number] = match;
    const kind = colon ? "key" : string ? "string" : number ? "number" : "literal";
    code.append(h(`span.json-${kind}`, {}, string ?? all), colon ?? "");
    end = match.index + all.length;
  }
  code.append(text.slice(end));
  return h("pre", { tabindex: 0 }, code);
}
