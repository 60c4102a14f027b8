"""From the OpenAPI description of an app to TypeScript: a typed function for each export.

Source: OpenAPI 3.1 and JSON Schema 2020-12, as far as `/openapi.json` uses them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import msgspec

__all__ = ["typescript"]

Json = Mapping[str, Any]

HEAD = """\
// Typed calls of {title}, written by `pegboard client typescript`: do not edit.

import {{ TB, type Payload, type Result, type Stream, type StreamOptions }} from "{module}";
"""

_SIMPLE = {
    "boolean": "boolean",
    "integer": "number",
    "null": "null",
    "number": "number",
    "string": "string",
}
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_UNKNOWN = "unknown"


class Call(msgspec.Struct, frozen=True):
    """One export that can be called.

    Attributes:
        mod: Its mod.
        name: Its name.
        path: Its address.
        method: The method that it is called with.
        summary: What it does, in one line.
        arguments: TypeScript type of its arguments.
        is_optional: Whether it can be called without.
        answer: TypeScript type of the data that it answers with.
    """

    mod: str
    name: str
    path: str
    method: str
    summary: str
    arguments: str
    is_optional: bool
    answer: str


def typescript(description: Json, *, module: str = "./pegboard.js") -> str:
    """Return the source of a module with a typed function for each export.

    Args:
        description: The OpenAPI description.
        module: From where the client is imported.
    """
    schemas = description.get("components", {}).get("schemas", {})
    parts = [HEAD.format(title=_comment(description["info"]["title"]), module=module)]
    parts += [_declaration(name, schema) for name, schema in schemas.items() if _is_data(name)]
    calls = _by_mod(description, "/api/", ("post", "get", "put", "patch", "delete"))
    names = _apart(calls)
    parts += [_calls(names[mod], each) for mod, each in calls.items()]
    streams = _by_mod(description, "/sse/", ("get",))
    if streams:
        parts.append(_streams(streams))
    return "\n".join(parts)


def _is_data(name: str) -> bool:
    return not name.startswith("pegboard.")


def _by_mod(description: Json, prefix: str, methods: Sequence[str]) -> dict[str, list[Call]]:
    """Return what can be called below `prefix`, by mod, with the first method that it answers."""
    found: dict[str, list[Call]] = {}
    for path, item in description["paths"].items():
        method = next((each for each in methods if each in item), None)
        if path.startswith(prefix) and method is not None:
            call = _call(path, method, item[method])
            found.setdefault(call.mod, []).append(call)
    return found


def _call(path: str, method: str, operation: Json) -> Call:
    mod, _, name = operation["x-pegboard-export"].rpartition(".")
    arguments, is_optional = _arguments(operation)
    return Call(
        mod,
        name,
        path,
        method.upper(),
        _comment(operation.get("summary", "")),
        arguments,
        is_optional,
        _answer(operation),
    )


def _arguments(operation: Json) -> tuple[str, bool]:
    fields = [
        _field(each["name"], each.get("schema", {}), is_required=each.get("required", False))
        for each in operation.get("parameters", ())
        if each["in"] == "query"
    ]
    is_optional = not any(each.get("required") for each in operation.get("parameters", ()))
    types = [_object(fields)] if fields else []
    body = operation.get("requestBody", {})
    content = body.get("content", {})
    if "application/json" in content:
        body_type = _type(content["application/json"].get("schema", {}))
        types.append("Payload" if body_type == _UNKNOWN else body_type)
    elif "multipart/form-data" in content:
        types.append("FormData")
    is_optional = is_optional and not body.get("required", False)
    return " & ".join(types) or "Record<string, never>", is_optional


def _answer(operation: Json) -> str:
    content = operation["responses"].get("200", {}).get("content", {})
    data = _enveloped(content.get("application/json", {}).get("schema", {}))
    return _UNKNOWN if data is None else _type(data)


def _enveloped(schema: Json) -> Any:
    """Return the schema of the data in the first envelope that a schema allows."""
    for each in (*schema.get("allOf", ()), *schema.get("anyOf", ())):
        envelope = each.get("properties", {}).get("result", {}).get("properties", {})
        data = envelope["data"] if "data" in envelope else _enveloped(each)
        if data is not None:
            return data
    return None


def _type(schema: Any) -> str:
    """Return the TypeScript type of a JSON schema; what cannot be said is `unknown`."""
    if not isinstance(schema, Mapping):
        return _UNKNOWN if schema is True else "never"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _identifier(name) if _is_data(name) else _UNKNOWN
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " | ".join(json.dumps(value) for value in values) or "never"
    for keyword, sign in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
        if keyword in schema:
            return _joined([_type(each) for each in schema[keyword]], sign)
    kinds = schema.get("type", [])
    return _joined([_kind(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)])


def _kind(kind: str, schema: Json) -> str:
    if kind == "array":
        return _array(schema)
    if kind == "object":
        return _mapping(schema)
    if schema.get("format") == "binary":
        return "Blob"
    return _SIMPLE.get(kind, _UNKNOWN)


def _array(schema: Json) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(_type(each) for each in schema['prefixItems'])}]"
    return f"Array<{_type(schema.get('items', {}))}>"


def _mapping(schema: Json) -> str:
    required = schema.get("required", ())
    fields = [
        _field(name, each, is_required=name in required)
        for name, each in schema.get("properties", {}).items()
    ]
    more = schema.get("additionalProperties", True)
    if fields:
        return _object(fields)
    return "Record<string, never>" if more is False else f"Record<string, {_type(more)}>"


def _field(name: str, schema: Any, *, is_required: bool) -> str:
    key = name if _NAME.fullmatch(name) else json.dumps(name)
    return f"{key}{'' if is_required else '?'}: {_type(schema)}"


def _object(fields: list[str]) -> str:
    return "{ " + "; ".join(fields) + " }"


def _joined(types: list[str], sign: str = " | ") -> str:
    different = list(dict.fromkeys(types))
    if not different or (sign == " | " and _UNKNOWN in different):
        return _UNKNOWN
    return different[0] if len(different) == 1 else f"({sign.join(different)})"


def _declaration(name: str, schema: Json) -> str:
    return f"export type {_identifier(name)} = {_type(schema)};\n"


def _apart(mods: Iterable[str]) -> dict[str, str]:
    """Return a name for each mod; those that would be written alike get numbers."""
    found: dict[str, str] = {}
    for mod in mods:
        name = _identifier(mod)
        numbered = (name if number == 1 else f"{name}_{number}" for number in count(1))
        found[mod] = next(each for each in numbered if each not in found.values())
    return found


def _calls(name: str, calls: list[Call]) -> str:
    lines = [f"export const {name} = {{"]
    for call in calls:
        lines += _documented(call)
        lines.append(
            f"  {_key(call.name)}: ({_parameter(call)}): Promise<Result<{call.answer}>> =>"
        )
        target = f"{json.dumps(call.mod)}, {json.dumps(call.name)}"
        lines.append(f'    TB.api.request({target}, args, "{call.method}"),')
    return "\n".join([*lines, "};", ""])


def _streams(by_mod: Mapping[str, list[Call]]) -> str:
    lines = ["export const streams = {"]
    for mod, calls in by_mod.items():
        lines.append(f"  {_key(mod)}: {{")
        for call in calls:
            lines += [f"  {line}" for line in _documented(call)]
            parameters = f"{_parameter(call)}, options: StreamOptions = {{}}"
            lines.append(f"    {_key(call.name)}: ({parameters}): Stream =>")
            path = f"{json.dumps(call.path)} + query(args)"
            lines.append(f"      TB.sse.connect({path}, options),")
        lines.append("  },")
    return "\n".join([*lines, "};", "", *_query()])


def _query() -> Iterator[str]:
    yield "function query(args: object): string {"
    yield "  const given = Object.entries(args).filter(([, value]) => value != null);"
    yield "  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));"
    yield '  return given.length ? `?${text}` : "";'
    yield "}"
    yield ""


def _documented(call: Call) -> list[str]:
    return [f"  /** {call.summary} */"] if call.summary else []


def _parameter(call: Call) -> str:
    return f"args: {call.arguments}{' = {}' if call.is_optional else ''}"


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _identifier(name: str) -> str:
    safe = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"_{safe}" if safe[:1].isdigit() or safe in _RESERVED else safe


def _comment(text: str) -> str:
    return " ".join(text.replace("*/", "* /").split())


_RESERVED = frozenset(
    {
        *("await", "break", "case", "catch", "class", "const", "continue", "debugger", "default"),
        *("delete", "do", "else", "enum", "export", "extends", "false", "finally", "for"),
        *("function", "if", "import", "in", "instanceof", "let", "new", "null", "package"),
        *("query", "return", "static", "streams", "super", "switch", "this", "throw", "true"),
        *(
            "try",
            "typeof",
            "var",
            "void",
            "while",
            "with",
            "yield",
            "TB",
            "Payload",
            "Result",
            "Stream",
        ),
    }
)
