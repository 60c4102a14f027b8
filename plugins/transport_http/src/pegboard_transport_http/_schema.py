"""From types to JSON Schema. Pure.

Source: JSON Schema 2020-12, as OpenAPI 3.1 has it; msgspec knows the types.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, TypeAlias

import msgspec

from pegboard_transport_http._upload import UploadedFile

__all__ = [
    "ENVELOPE",
    "RESULT",
    "Schema",
    "described",
    "enveloped",
    "is_file",
    "is_flat",
    "schemas_of",
]

Schema: TypeAlias = dict[str, Any]

_REFERENCE = "#/components/schemas/"
_FORMATS = {
    datetime: {"format": "date-time"},
    time: {"format": "time"},
    Decimal: {"pattern": r"^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$"},
}
_FLAT = frozenset({"boolean", "integer", "null", "number", "string"})

_FILE: Schema = {"type": "string", "format": "binary"}
"""A part of a multipart form; OpenAPI 3.1 also knows other words for it, and tools know these."""

RESULT = "pegboard.Result"
"""Name of the envelope among the components; dotted, so that no class of a mod is in its way."""

ENVELOPE: Schema = {
    "title": "Result",
    "description": "The envelope that results and errors travel in.",
    "type": "object",
    "required": ["error", "origin", "result", "info"],
    "properties": {
        "error": {
            "description": "Whose mistake it was.",
            "enum": ["none", "InputError", "InternalError", "CustomError"],
        },
        "origin": {
            "description": "What answered: mod, function and interface.",
            "type": ["array", "string", "null"],
            "items": {"type": "string"},
        },
        "result": {
            "type": "object",
            "required": ["data_to", "data_info", "data", "data_type"],
            "properties": {
                "data_to": {"type": "string"},
                "data_info": {"description": "What people may want to know of the data."},
                "data": {"description": "The data itself."},
                "data_type": {"type": ["string", "null"]},
            },
        },
        "info": {
            "type": "object",
            "required": ["exec_code", "help_text"],
            "properties": {
                "exec_code": {
                    "description": "0 or an HTTP code of success; negative or an HTTP error code.",
                    "type": "integer",
                },
                "help_text": {"description": "One line for people.", "type": "string"},
            },
        },
    },
}


def schemas_of(types: Sequence[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """Return the schema of each type, and the named ones that they refer to.

    A type that has no schema is described as anything, under its name.
    """
    describable = [each if _has_schema(each) else Any for each in map(_formatted, types)]
    schemas, components = _components(describable)
    return [dict(each) for each in schemas], dict(components)


def described(schema: Schema, *, text: str = "", default: Any = msgspec.UNSET) -> Schema:
    """Return a schema with a description and a default, where there is one to show."""
    more: Schema = {}
    if text:
        more["description"] = text
    if default is not None and default is not msgspec.UNSET:
        more |= _default(default)
    return {**schema, **more}


def enveloped(data: Schema) -> Schema:
    """Return the schema of the envelope around data of the schema `data`."""
    reference = {"$ref": _REFERENCE + RESULT}
    if not data:
        return reference
    around = {"properties": {"result": {"properties": {"data": data}}}}
    return {"allOf": [reference, around]}


def is_flat(schema: Schema, components: Mapping[str, Schema]) -> bool:
    """Whether a value can be one field of a form: a scalar, or scalars repeated."""
    if "$ref" in schema:
        target = components.get(schema["$ref"].removeprefix(_REFERENCE), {})
        return "$ref" not in target and is_flat(target, components)
    if "anyOf" in schema:
        return all(is_flat(each, components) for each in schema["anyOf"])
    if schema.get("type") == "array":
        items = schema.get("items", {})
        return bool(items) and items.get("type") != "array" and is_flat(items, components)
    return not schema or "enum" in schema or schema.get("type") in _FLAT


def is_file(schema: Schema) -> bool:
    """Whether a value is an uploaded file, or several, or perhaps none."""
    either = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if either:
        return all(map(is_file, either))
    if schema.get("type") == "array":
        return is_file(schema.get("items", {}))
    return bool(schema.get("format") == _FILE["format"])


def _components(types: Sequence[Any]) -> tuple[tuple[Schema, ...], dict[str, Schema]]:
    return msgspec.json.schema_components(
        types, schema_hook=_unknown, ref_template=_REFERENCE + "{name}"
    )


def _unknown(kind: type) -> Schema:
    """Describe a type that msgspec does not know."""
    return dict(_FILE) if kind is UploadedFile else {"title": kind.__name__}


def _formatted(kind: Any) -> Any:
    """Say of a time that it is one: to msgspec it may come without an offset, and is any text."""
    if kind in _FORMATS:
        return Annotated[kind, msgspec.Meta(extra_json_schema=_FORMATS[kind])]
    if typing.get_origin(kind) in (typing.Union, UnionType):
        return typing.Union[tuple(map(_formatted, typing.get_args(kind)))]  # noqa: UP007 - of a tuple
    return kind


def _has_schema(kind: Any) -> bool:
    try:
        _components([kind])
    except Exception:  # noqa: BLE001 - whatever is odd about the type, it is the same for us
        return False
    return True


def _default(value: Any) -> Schema:
    if isinstance(value, float) and not math.isfinite(value):
        return {}
    try:
        return {"default": msgspec.json.decode(msgspec.json.encode(value))}
    except (TypeError, ValueError, msgspec.MsgspecError):
        return {}
