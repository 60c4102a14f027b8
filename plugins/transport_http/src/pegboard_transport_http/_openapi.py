"""The OpenAPI description of all exports that can be called from outside. Pure.

Source: the OpenAPI specification, version 3.1.1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

import msgspec

from pegboard import Export, Parameter, __version__
from pegboard_transport_http._answer import Answer, answer_of
from pegboard_transport_http._docstring import Docstring, parse_docstring
from pegboard_transport_http._options import HttpOptions
from pegboard_transport_http._schema import (
    ENVELOPE,
    RESULT,
    Schema,
    described,
    enveloped,
    is_file,
    is_flat,
    schemas_of,
)

__all__ = ["describe"]

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
EVENTS = "text/event-stream"
ANYTHING = "*/*"

_IN_QUERY = frozenset({"DELETE", "GET"})
_FREE: Schema = {"type": "object", "additionalProperties": True}

_REFUSALS = {
    "400": ("BadRequest", "An argument is missing, unknown or ill-typed, or the body malformed."),
    "401": ("Unauthorized", "Nobody is signed in."),
    "403": ("Forbidden", "The level of the session is too low."),
    "404": ("NotFound", "There is no such export, or it knows of no such thing."),
    "405": ("MethodNotAllowed", "The export does not answer this method; see Allow."),
    "406": ("NotAcceptable", "The answer cannot be given as anything that the client accepts."),
    "408": ("RequestTimeout", "The body did not come in fast enough."),
    "413": ("ContentTooLarge", "The body, a part or a field of it is above its limit."),
    "415": ("UnsupportedMediaType", "The body is of a type that the export does not take."),
    "500": ("InternalError", "The export failed; the log has the details under the error id."),
    "4XX": ("Refused", "The export refuses the call."),
    "5XX": ("Failed", "The export cannot answer now."),
}
_ACCESS = frozenset({"401", "403"})
_WITH_BODY = frozenset({"408", "413", "415"})


class _Described(msgspec.Struct, frozen=True):
    """One export with everything that its operations say.

    Attributes:
        export: The export.
        doc: Its docstring.
        answer: What it answers.
        parameters: What it takes, with schemas.
        data: Schema of the data that it answers.
    """

    export: Export
    doc: Docstring
    answer: Answer
    parameters: list[tuple[Parameter, Schema]]
    data: Schema


def describe(exports: Iterable[Export], *, title: str, root: str = "") -> dict[str, Any]:
    """Return the description of those exports that can be called from outside and are listed.

    Args:
        exports: All exports.
        title: What the description is called: the name of the app.
        root: Path that the app is mounted at, empty for none.
    """
    shown = [each for each in exports if _is_shown(each)]
    described_exports, components = _described(shown)
    paths: dict[str, Any] = {}
    for each in described_exports:
        paths |= _paths(each, components)
    document: dict[str, Any] = {
        "openapi": "3.1.1",
        "info": {"title": title, "version": __version__},
        "servers": [{"url": root or "/"}],
        "tags": _tags(each.export for each in described_exports),
        "paths": {**paths, "/health": _HEALTH},
        "components": {
            "schemas": {RESULT: ENVELOPE, **components},
            "responses": {name: _refusal(text) for name, text in _REFUSALS.values()},
        },
    }
    if any(not each.export.public for each in described_exports):
        document["components"]["securitySchemes"] = {"session": _SESSION}
    return document


def _is_shown(export: Export) -> bool:
    """Whether it is called over HTTP; what makes a WebSocket handler is not."""
    is_handler = bool(export.declaration.plugin_options.get("websocket_handler"))
    return (
        export.options.api
        and not export.internal
        and export.option(HttpOptions).listed
        and not is_handler
    )


def _described(exports: list[Export]) -> tuple[list[_Described], dict[str, Schema]]:
    """Find the schemas of all types at once, so that one name means one type."""
    answers = [answer_of(each) for each in exports]
    types = [each.type for export in exports for each in export.binding.parameters]
    schemas, components = schemas_of([*types, *(each.type for each in answers)])
    queue = iter(schemas)
    taken = [list(islice(queue, len(each.binding.parameters))) for each in exports]
    found = []
    for export, answer, own, data in zip(exports, answers, taken, queue, strict=True):
        doc = parse_docstring(export.function.__doc__)
        parameters = [
            (each, described(schema, text=doc.arguments.get(each.name, ""), default=each.default))
            for each, schema in zip(export.binding.parameters, own, strict=True)
        ]
        found.append(_Described(export, doc, answer, parameters, data))
    return found, components


def _paths(each: _Described, components: dict[str, Schema]) -> Iterator[tuple[str, Any]]:
    export = each.export
    address = quote(f"{export.mod}/{export.name}", safe="/")
    calls = {method.lower(): _operation(each, method, components) for method in _methods(each)}
    yield f"/api/{address}", calls
    if each.answer.kind in {"result", "stream"}:
        yield f"/sse/{address}", {method: _as_events(each, calls[method]) for method in calls}


def _methods(each: _Described) -> list[str]:
    """Return the methods that a call can be made with: a file needs a body."""
    needs_body = any(parameter.required and is_file(one) for parameter, one in each.parameters)
    rest = [method for method in each.export.methods if method not in _IN_QUERY]
    return rest if needs_body and rest else list(each.export.methods)


def _operation(each: _Described, method: str, components: dict[str, Schema]) -> dict[str, Any]:
    export, doc = each.export, each.doc
    operation: dict[str, Any] = {
        "operationId": f"{export.address}.{method.lower()}",
        "tags": [export.mod],
        "summary": export.summary or export.name,
        "x-pegboard-export": export.address,
        "x-pegboard-level": export.required_level,
    }
    if doc.description:
        operation["description"] = doc.description
    in_query, body = _input(each, method, components)
    if in_query:
        operation["parameters"] = in_query
    if body:
        operation["requestBody"] = body
    if not export.public:
        operation["security"] = [{"session": []}]
    refused = _refused(export, has_body=method != "GET")
    operation["responses"] = {**_answered(each), **refused}
    return operation


# -- what is sent --------------------------------------------------------------------------


def _input(
    each: _Described, method: str, components: dict[str, Schema]
) -> tuple[list[Any], dict[str, Any] | None]:
    """Return the parameters in the query, and the body."""
    binding = each.export.binding
    if method in _IN_QUERY:
        sendable = [one for one in each.parameters if not is_file(one[1])]
        return [*map(_in_query, sendable), *_rest(each)], None
    if binding.body is None and binding.form is None:
        return [], _named_body(each, components)
    whole = [one for one in each.parameters if one[0].name in {binding.body, binding.form}]
    rest = [one for one in each.parameters if one not in whole]
    return [*map(_in_query, rest), *_rest(each)], _whole_body(each, dict(_by_name(whole)))


def _by_name(parameters: Iterable[tuple[Parameter, Schema]]) -> Iterator[tuple[str, Any]]:
    return ((parameter.name, (parameter, schema)) for parameter, schema in parameters)


def _in_query(one: tuple[Parameter, Schema]) -> dict[str, Any]:
    parameter, schema = one
    found = {"name": parameter.name, "in": "query", "required": parameter.required}
    rest = dict(schema)
    text = rest.pop("description", "")
    return {**found, **({"description": text} if text else {}), "schema": rest}


def _rest(each: _Described) -> list[dict[str, Any]]:
    if not each.export.binding.takes_rest:
        return []
    text = "Any other arguments, by their names."
    return [{"name": "kwargs", "in": "query", "description": text, "schema": _FREE}]


def _named_body(each: _Described, components: dict[str, Schema]) -> dict[str, Any] | None:
    """Return a body whose members are the arguments: JSON, or a form where that can hold them."""
    binding = each.export.binding
    if not binding.has_input:
        return None
    required = [parameter.name for parameter, _ in each.parameters if parameter.required]
    files = [parameter.name for parameter, schema in each.parameters if is_file(schema)]
    content: dict[str, Any] = {}
    if files:
        content[MULTIPART] = {"schema": _members(each, required)}
    if not set(files) & set(required):
        content[JSON] = {"schema": _members(each, required, without=files)}
    if not files and all(is_flat(one, components) for _, one in each.parameters):
        content |= dict.fromkeys((URLENCODED, MULTIPART), content[JSON])
    if binding.takes_request:
        content[ANYTHING] = {}
    return {"required": bool(required), "content": content}


def _members(each: _Described, required: list[str], *, without: Collection[str] = ()) -> Schema:
    """Return the schema of an object whose members are the arguments."""
    binding = each.export.binding
    members = {one.name: schema for one, schema in each.parameters if one.name not in without}
    schema: Schema = {"properties": members, "additionalProperties": binding.is_open}
    if required:
        schema["required"] = required
    if required or not binding.takes_request:
        schema["type"] = "object"  # else the export looks at the body itself
    return schema


def _whole_body(each: _Described, whole: dict[str, Any]) -> dict[str, Any]:
    """Return a body that is one argument: JSON is `data`, a form is `form_data`."""
    content: dict[str, Any] = {}
    if "data" in whole:
        content[JSON] = {"schema": whole["data"][1]}
    if "form_data" in whole:
        schema = whole["form_data"][1]
        content |= {kind: {"schema": schema or _FREE} for kind in (URLENCODED, MULTIPART)}
    if each.export.binding.takes_request:
        content[ANYTHING] = {}
    required = any(parameter.required for parameter, _ in whole.values())
    return {"required": required, "content": content}


# -- what is answered ----------------------------------------------------------------------


def _answered(each: _Described) -> dict[str, Any]:
    text = each.doc.returns or "What the export answers."
    kind, data = each.answer.kind, each.data
    if kind == "stream":
        return {"200": {"description": text, "content": {EVENTS: _EVENTS}}}
    if kind == "value":
        return {"200": {"description": text, "content": {JSON: {"schema": enveloped(data)}}}}
    if kind == "row":
        return {"200": {"description": text, "content": _bare(each)}}
    either = [enveloped(data), described(data, text="The data alone: `Result.json`.")]
    content = {JSON: {"schema": {"anyOf": either}}, EVENTS: _EVENTS, ANYTHING: {}}
    return {
        "200": {"description": text, "content": content},
        "2XX": {"description": "Another success that the export names."},
        "3XX": {"description": "What is asked for is elsewhere, or unchanged."},
    }


def _bare(each: _Described) -> dict[str, Any]:
    if each.answer.type is str:
        return {"text/plain": {"schema": each.data}}
    if each.answer.type in {bytes, bytearray, memoryview}:
        return {"application/octet-stream": {}}
    if each.data.get("type") in {"array", "boolean", "integer", "null", "number", "object"}:
        return {JSON: {"schema": each.data}}
    return {JSON: {"schema": each.data}, ANYTHING: {}}


def _as_events(each: _Described, call: dict[str, Any]) -> dict[str, Any]:
    """Return what a call is where its answer is wanted as events."""
    content: dict[str, Any] = {EVENTS: _EVENTS}
    if each.answer.kind == "result":
        content[ANYTHING] = {}  # a file stays a file
    answer = {"description": "What the export yields, as it comes.", "content": content}
    name = call["operationId"].removeprefix(each.export.address)
    responses = {**call["responses"], "200": answer}
    return {**call, "operationId": f"{each.export.address}.sse{name}", "responses": responses}


def _refused(export: Export, *, has_body: bool) -> dict[str, Any]:
    left_out = (_ACCESS if export.public else set()) | (set() if has_body else _WITH_BODY)
    return {
        status: {"$ref": f"#/components/responses/{name}"}
        for status, (name, _) in _REFUSALS.items()
        if status not in left_out
    }


def _refusal(text: str) -> dict[str, Any]:
    return {"description": text, "content": {JSON: {"schema": enveloped({})}}}


def _tags(exports: Iterable[Export]) -> list[dict[str, str]]:
    tags: dict[str, str] = {}
    for each in exports:
        module = getattr(each.function, "__globals__", {}).get("__doc__")
        tags.setdefault(each.mod, parse_docstring(module).summary)
    return [
        {"name": name, **({"description": text} if text else {})} for name, text in tags.items()
    ]


_EVENTS: dict[str, Any] = {
    "schema": {
        "description": "Server-sent events: `stream_start`, one for each item, `stream_end`."
    }
}

_SESSION = {
    "type": "http",
    "scheme": "bearer",
    "description": "Whatever the plugins take that know sessions: a token, or a cookie.",
}

_REPORT: Schema = {
    "type": "object",
    "required": ["status", "checks"],
    "properties": {
        "status": {"enum": ["ok", "degraded", "failing", "stopping"]},
        "checks": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["plugin", "name", "ok", "detail"],
                "properties": {
                    "plugin": {"type": "string"},
                    "name": {"type": "string"},
                    "ok": {"type": "boolean"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}

_HEALTH = {
    "get": {
        "operationId": "health",
        "summary": "Say whether the app works",
        "responses": {
            "200": {"description": "It serves.", "content": {JSON: {"schema": _REPORT}}},
            "503": {"description": "It does not.", "content": {JSON: {"schema": _REPORT}}},
        },
    }
}
