// What an OpenAPI description says, in the words of the explorer. Nothing here touches the page.

const METHODS = ["get", "post", "put", "patch", "delete"];
const LEVELS = [[10, "administrators"], [5, "moderators"], [1, "signed in"]];

/**
 * Return the exports, by mod and in the order of the description.
 *
 * @param {object} document An OpenAPI 3.1 document.
 * @returns {{address: string, mod: string, name: string, summary: string, description: string,
 *   level: number, operations: object[], events: object[]}[]}
 */
export function exportsOf(document) {
  const found = new Map();
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      const address = operation?.["x-pegboard-export"];
      if (!address) continue;
      if (!found.has(address)) found.set(address, describe(address, operation));
      const known = found.get(address);
      const read = operationOf(document, path, method, operation);
      if (path.startsWith("/sse/")) known.events.push(read);
      else known.operations.push(read);
    }
  }
  return [...found.values()];
}

function describe(address, operation) {
  const mod = operation.tags[0];
  return {
    address,
    mod,
    name: address.slice(mod.length + 1),
    summary: operation.summary ?? "",
    description: operation.description ?? "",
    level: operation["x-pegboard-level"] ?? 0,
    operations: [],
    events: [],
  };
}

function operationOf(document, path, method, operation) {
  const content = operation.requestBody?.content ?? {};
  const kinds = Object.keys(content).filter((kind) => kind !== "*/*");
  return {
    method: method.toUpperCase(),
    path,
    query: (operation.parameters ?? [])
      .filter((each) => each.name !== "kwargs" || each.schema.additionalProperties !== true)
      .map((each) => ({ ...each, required: Boolean(each.required) })),
    body: kinds.length ? bodyOf(document, operation.requestBody, kinds) : null,
    responses: Object.entries(operation.responses).map(([status, response]) => ({
      status,
      description: resolve(document, response).description,
    })),
  };
}

function bodyOf(document, body, kinds) {
  const schema = body.content[kinds[0]].schema ?? {};
  const target = resolve(document, schema);
  const required = new Set(target.required ?? []);
  const fields = Object.entries(target.properties ?? {}).map(([name, each]) => ({
    name,
    schema: each,
    required: required.has(name),
    description: each.description ?? "",
  }));
  return { kinds, schema, required: Boolean(body.required), fields: fields.length ? fields : null };
}

/** Follow a reference inside the document; anything else is returned as it is. */
export function resolve(document, value) {
  if (!value?.$ref) return value ?? {};
  const parts = value.$ref.slice(2).split("/");
  const target = parts.reduce((at, part) => at?.[unescaped(part)], document);
  return target ?? {};
}

function unescaped(part) {
  return decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
}

/** Say in a few words what a schema takes. */
export function typeText(schema) {
  if (!schema || schema === true) return "anything";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(" | ");
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return [...new Set(either.map(typeText))].join(" | ");
  if (schema.type === "array") return `list of ${typeText(schema.items)}`;
  if (schema.type === "object" && schema.additionalProperties?.type) {
    return `object of ${typeText(schema.additionalProperties)}`;
  }
  const type = [schema.type ?? "anything"].flat().join(" | ");
  const details = [schema.format, schema.contentEncoding, bounds(schema)].filter(Boolean);
  return details.length ? `${type} (${details.join(", ")})` : type;
}

function bounds(schema) {
  const least = schema.minimum ?? schema.minLength ?? schema.exclusiveMinimum;
  const most = schema.maximum ?? schema.maxLength ?? schema.exclusiveMaximum;
  if (least === undefined && most === undefined) return schema.pattern ?? "";
  if (most === undefined) return `from ${least}`;
  return least === undefined ? `up to ${most}` : `${least} to ${most}`;
}

/** Return what kind of field a schema is edited in: text, number, boolean, enum, file or json. */
export function editorOf(document, schema) {
  const target = resolve(document, schema);
  const either = (target.anyOf ?? target.oneOf ?? []).filter((each) => each.type !== "null");
  if (either.length === 1) return editorOf(document, either[0]);
  if (target.enum) return "enum";
  if ((target.items ?? target).format === "binary") return "file";
  if (target.type === "string") return "text";
  if (target.type === "integer" || target.type === "number") return "number";
  return target.type === "boolean" ? "boolean" : "json";
}

/** Return the values of an enumeration, also of one that may be null. */
export function choicesOf(document, schema) {
  const target = resolve(document, schema);
  if (target.enum) return target.enum;
  const either = target.anyOf ?? target.oneOf ?? [];
  return either.flatMap((each) => choicesOf(document, each));
}

/** Make up a value that fits a schema, to begin with. */
export function sampleOf(document, schema, depth = 0) {
  if (schema?.default !== undefined) return schema.default;
  const target = resolve(document, schema);
  if (target.default !== undefined) return target.default;
  if (target.enum) return target.enum[0];
  const either = target.anyOf ?? target.oneOf;
  if (either) return sampleOf(document, either[0], depth);
  switch ([target.type].flat()[0]) {
    case "array": {
      const known = target.prefixItems ?? (target.minItems ? [target.items] : []);
      return depth < 4 ? known.map((each) => sampleOf(document, each, depth + 1)) : [];
    }
    case "object": {
      const wanted = depth < 4 ? (target.required ?? []) : [];
      const members = wanted.map((name) => [
        name,
        sampleOf(document, target.properties?.[name], depth + 1),
      ]);
      return Object.fromEntries(members);
    }
    case "boolean":
      return false;
    case "integer":
    case "number":
      return target.minimum ?? 0;
    case "string":
      return "";
    default:
      return null;
  }
}

/** Say who may call an export of a level; nothing for anyone. */
export function levelText(level) {
  return LEVELS.find(([least]) => level >= least)?.[1] ?? "";
}
