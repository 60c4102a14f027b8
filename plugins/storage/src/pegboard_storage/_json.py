"""A document as JSON, which holds exactly what was put in, or says that it cannot."""

from __future__ import annotations

from typing import Any

import msgspec

from pegboard.errors import CorruptError, InputError

__all__ = ["decoded", "encoded"]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_document = msgspec.json.Decoder(dict[str, Any])


def encoded(document: dict[str, Any]) -> bytes:
    """Return a document as JSON; a tuple becomes a list.

    Raises:
        InputError: If a value would not come back as what it is, naming its key: a set, bytes, a
            time, NaN, a key that is no text.
    """
    try:
        data = _encoder.encode(document)
        if _is_same(_decoder.decode(data), document):
            return data
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        pass  # what cannot be encoded at all is named the same way
    raise InputError(_complaint(document))


def decoded(data: bytes) -> dict[str, Any]:
    """Return the document that JSON stands for.

    Raises:
        CorruptError: If it stands for none.
    """
    try:
        document: dict[str, Any] = _document.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptError(f"it is no JSON object: {error}") from error
    return document


def _complaint(document: dict[Any, Any]) -> str:
    for key, value in document.items():
        if not isinstance(key, str):
            return f"the key {key!r} is no text, which is all that a key of a file can be"
        if not _comes_back({key: value}):
            return f"the value of {key!r} is no JSON data: {_shown(value)}"
    return "the file is no JSON data"


def _comes_back(document: dict[str, Any]) -> bool:
    try:
        again: object = _decoder.decode(_encoder.encode(document))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return False
    return _is_same(again, document)


def _is_same(again: object, document: object) -> bool:
    return again == document or again == _without_tuples(document)


def _without_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_tuples(each) for key, each in value.items()}
    return [_without_tuples(each) for each in value] if isinstance(value, list | tuple) else value


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        text = "nested too deeply"
    return f"{type(value).__name__} {text if len(text) <= 100 else text[:100] + '...'}"
