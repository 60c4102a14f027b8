"""From a result to the response that it travels as. No I/O happens here.

Source: the wire shapes of the spec documents (COMPATIBILITY, A5).
"""

from __future__ import annotations

import binascii
import codecs
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pegboard import Result
from pegboard_transport_http._header import Header, attachment, field, fields, location
from pegboard_transport_http._json import encode
from pegboard_transport_http._status import error_status, success_status

__all__ = [
    "ENVELOPE_TYPE",
    "JSON",
    "LENGTHS",
    "RENDERERS",
    "SPECIAL",
    "VARY",
    "Response",
    "envelope",
    "render",
]

ENVELOPE_TYPE = b"application/vnd.pegboard.result+json"
"""Media type in `Accept` that asks for the envelope in every case."""

JSON: Header = (b"content-type", b"application/json")


class _Lengths(dict[int, Header]):
    """Headers with the length of a small body, each made once: asked for lengths below 4 KiB."""

    def __missing__(self, size: int) -> Header:
        header = self[size] = (b"content-length", b"%d" % size)
        return header


LENGTHS = _Lengths()

VARY: Header = (b"vary", b"accept")
"""Header of what is the envelope for who asks for it, and something else for others."""

_BODILESS = frozenset({204, 304})

_BY_NAME = {
    "css": "text/css",
    "gif": "image/gif",
    "javascript": "text/javascript",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webp": "image/webp",
    "xml": "application/xml",
    "yaml": "application/yaml",
}
"""Short data types of the spec documents; images among them come as base64."""


class Response(msgspec.Struct):
    """A response that is in memory.

    Attributes:
        status: HTTP status.
        headers: Headers but for the length.
        body: Content; empty for a status that has none.
    """

    status: int
    headers: list[Header]
    body: bytes = b""


def render(result: Result[Any], *, row: bool = False, enveloped: bool = False) -> Response:
    """Return the response for any result but a stream and a file on disk.

    Args:
        result: What the export answered.
        row: Whether a plain value is sent bare.
        enveloped: Whether the client asked for the envelope.

    Raises:
        Exception: If the data cannot be encoded; nothing of it has been sent then.
    """
    if result.is_error():
        return envelope(result, error_status(result))
    status = success_status(result.info.exec_code)
    data_type = result.result.data_type or ""
    renderer = RENDERERS.get(data_type)
    is_plain = renderer is None and "/" not in data_type
    if is_plain and not row:
        return envelope(result, _visible(status) if enveloped else status)
    if enveloped:
        response = envelope(result, _visible(status))
    elif is_plain:
        response = _bare(result, status)
    else:
        response = renderer(result, status) if renderer else _content(result, status, data_type)
    response.headers.append(VARY)
    return _without_body(response) if response.status in _BODILESS else response


def envelope(result: Result[Any], status: int) -> Response:
    """Return a result as its envelope."""
    return Response(status, [JSON], encode(result))


def _visible(status: int) -> int:
    """What a redirect or an empty response says is its status, which an envelope would hide."""
    return 200 if status >= 300 or status in _BODILESS else status


def _without_body(response: Response) -> Response:
    kept = [each for each in response.headers if each[0] != b"content-type"]
    return Response(response.status, kept)


def _bare(result: Result[Any], status: int) -> Response:
    value = result.result.data
    if isinstance(value, str):
        return Response(status, [_text_type("text/plain")], value.encode("utf-8", "replace"))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Response(status, [(b"content-type", b"application/octet-stream")], bytes(value))
    return Response(status, [JSON], encode(value))


def _json(result: Result[Any], status: int) -> Response:
    return Response(status, [JSON], encode(result.result.data))


def _html(result: Result[Any], status: int) -> Response:
    return _content(result, status, "text/html")


def _special_html(result: Result[Any], status: int) -> Response:
    data: Mapping[str, Any] = result.result.data or {}
    return _written(data.get("html"), status, "text/html", data.get("headers") or {})


def _content(result: Result[Any], status: int, content_type: str) -> Response:
    return _written(result.result.data, status, content_type, result.headers)


def _written(data: Any, status: int, content_type: str, headers: Mapping[str, str]) -> Response:
    own = {str(name).lower(): value for name, value in headers.items()}
    kind = _text_type(str(own.pop("content-type", content_type)))
    if isinstance(data, (bytes, bytearray, memoryview)):
        body = bytes(data)
    else:
        body = ("" if data is None else str(data)).encode(_charset(kind[1]), "replace")
    return Response(status, [kind, *fields(own)], body)


def _text_type(content_type: str) -> Header:
    name, value = field("content-type", content_type)
    if value.startswith(b"text/") and b"charset" not in value.lower():
        value += b"; charset=utf-8"
    return name, value


def _charset(content_type: bytes) -> str:
    _, _, charset = content_type.lower().partition(b"charset=")
    name = charset.partition(b";")[0].strip(b' "').decode("ascii", "replace")
    try:
        return codecs.lookup(name).name if name else "utf-8"
    except LookupError:
        return "utf-8"


def _binary(result: Result[Any], status: int) -> Response:
    data: Any = result.result.data
    content = data["data"]
    body = content.encode("utf-8") if isinstance(content, str) else bytes(content)
    headers = [field("content-type", data.get("content_type") or "application/octet-stream")]
    if data.get("filename"):
        headers.append(attachment(str(data["filename"])))
    return Response(status, headers, body)


def _file(result: Result[Any], status: int) -> Response:
    name = str(result.result.data_info or "").removeprefix("filename=")
    content_type = result.headers.get("content-type") or "application/octet-stream"
    headers = [field("content-type", content_type), attachment(name or "download")]
    return Response(status, headers, _decoded(result.result.data))


def _named(result: Result[Any], status: int) -> Response:
    content_type = _BY_NAME[result.result.data_type or ""]
    if content_type.startswith("image/") and content_type != "image/svg+xml":
        headers = [field("content-type", content_type)]
        return Response(status, headers, _decoded(result.result.data))
    return _content(result, status, content_type)


def _decoded(data: Any) -> bytes:
    """Return the bytes of base64 text.

    Raises:
        ValueError: If it is not base64.
    """
    if not isinstance(data, str):
        return bytes(data)
    try:
        return b64decode(data, validate=True)
    except binascii.Error as error:
        msg = f"the data of the result is not base64: {error}"
        raise ValueError(msg) from error


def _redirect(result: Result[Any], status: int) -> Response:
    code = status if 300 <= status < 400 else 302
    return Response(code, [location(str(result.result.data or "/"))])


RENDERERS: dict[str, Callable[[Result[Any], int], Response]] = {
    "json": _json,
    "html": _html,
    "special_html": _special_html,
    "binary": _binary,
    "file": _file,
    "redirect": _redirect,
    **dict.fromkeys(_BY_NAME, _named),
}
"""Data types that do not travel as the envelope."""


SPECIAL = frozenset({*RENDERERS, "Result", "file_path", "future", "stream"})
"""Data types that need a second look: they are not simply the envelope."""
