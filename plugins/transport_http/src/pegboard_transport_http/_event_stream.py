"""Server-sent events: from what a generator yields to bytes. No I/O happens here.

Source: the HTML standard, section 9.2 (event streams), and the frames of the spec documents
(COMPATIBILITY, A5).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from pegboard import Result
from pegboard_transport_http._json import encode

__all__ = [
    "HEARTBEAT",
    "STREAM_END",
    "STREAM_START",
    "STREAM_STOPPED",
    "error_frame",
    "frame",
    "retry_frame",
]

HEARTBEAT = b":\n\n"
"""A comment: clients skip it, proxies see that something comes."""

STREAM_START = b'event: stream_start\ndata: {"id":"0"}\n\n'
STREAM_END = b'event: stream_end\ndata: {"id":"final"}\n\n'
STREAM_STOPPED = b'event: stream_end\ndata: {"id":"final","stopping":true}\n\n'
"""The end of a stream that was not complete: the server stops, and its client shall come back."""

_PREFORMATTED = re.compile(r"(?:(?:data|event|id|retry)?:[^\r\n]*(?:\r\n|\r|\n))+(?:\r\n|\r|\n)")


def frame(item: Any) -> bytes:
    """Return the event for one item of a stream.

    - A mapping with `event`: an event of that type, with `id`, `retry` (milliseconds) and `data`
      if it has them; without `data`, whatever else is in it is the data.
    - Text that is an event already, each line a known field and the last one blank: as it is. Who
      yields text of other people yields `{"event": "message", "data": text}`, which nobody can
      make another event of.
    - Other text: the data.
    - Bytes: an event `binary`, the data in base64.
    - Anything else: the data, as JSON.

    Raises:
        Exception: If an item cannot be encoded as JSON.
    """
    if isinstance(item, str):
        if _PREFORMATTED.fullmatch(item):
            return item.encode("utf-8", "replace")
        return _data_lines(item) + b"\n"
    if isinstance(item, Mapping) and "event" in item:
        return _event(item)
    if isinstance(item, (bytes, bytearray, memoryview)):
        return b"event: binary\ndata: " + b64encode(item) + b"\n\n"
    return b"data: " + encode(item) + b"\n\n"


def error_frame(result: Result[Any]) -> bytes:
    """Return the event that tells a client why its stream ends."""
    data: Mapping[str, Any] = result.result.data or {}
    message = {"message": result.info.help_text, "error": result.error, **data}
    return frame({"event": "error", "data": message})


def retry_frame(seconds: float) -> bytes:
    """Return what tells a client when to come back after its stream has ended."""
    return b"retry: %d\n\n" % round(seconds * 1000)


def _event(item: Mapping[str, Any]) -> bytes:
    lines = [b"event: " + _one_line(item["event"]) + b"\n"]
    identity = item.get("id")
    if identity is not None and "\0" not in str(identity):
        lines.append(b"id: " + _one_line(identity) + b"\n")
    retry = item.get("retry")
    if isinstance(retry, (int, float)) and retry >= 0:
        lines.append(b"retry: %d\n" % round(retry))
    lines.append(_data_lines(_text(_data(item))))
    return b"".join(lines) + b"\n"


def _data(item: Mapping[str, Any]) -> Any:
    if "data" in item:
        return item["data"]
    rest = {name: item[name] for name in item if name not in {"event", "id", "retry"}}
    return rest or ""


def _text(data: Any) -> str:
    if isinstance(data, str):
        return data
    if isinstance(data, (bytes, bytearray, memoryview)):
        return b64encode(data).decode("ascii")
    return encode(data).decode("utf-8")


def _data_lines(text: str) -> bytes:
    """Return text as `data:` lines, split where a client would end a line, and nowhere else."""
    content = text.encode("utf-8", "replace")
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return b"data: " + content.replace(b"\n", b"\ndata: ") + b"\n"


def _one_line(value: Any) -> bytes:
    return re.sub(r"[\r\n]+", " ", str(value)).encode("utf-8", "replace")
