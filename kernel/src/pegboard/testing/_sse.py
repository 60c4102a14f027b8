"""A client for server-sent events, and the parser that it uses."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import msgspec

from pegboard.testing._http import HttpClient, HttpResponse, StreamedResponse

__all__ = ["EventParser", "EventStream", "EventStreamClient", "ServerSentEvent"]


class ServerSentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event.

    Attributes:
        event: Its type.
        data: Its lines of data, joined.
        id: Id of the last event that had one.
    """

    event: str = "message"
    data: str = ""
    id: str = ""

    def json(self) -> Any:
        """Return the data decoded from JSON."""
        return msgspec.json.decode(self.data)


class EventParser:
    """Turns the bytes of a stream into events; parts may end anywhere.

    Source: the HTML standard, section "Interpreting an event stream".

    Attributes:
        retry: Milliseconds after which to reconnect, None until the stream says it.
        comments: Comments so far, heartbeats among them.
    """

    def __init__(self) -> None:
        self.retry: int | None = None
        self.comments: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._pending = ""
        self._after_cr = False
        self._event, self._id = "", ""
        self._data: list[str] = []

    def feed(self, part: bytes) -> list[ServerSentEvent]:
        """Return the events that `part` completes."""
        *lines, self._pending = self._lines(self._decoder.decode(part))
        events = [self._line(line) for line in lines]
        return [event for event in events if event is not None]

    def _lines(self, text: str) -> list[str]:
        """Split at LF, CR LF and CR, where a CR LF may be cut in two."""
        if self._after_cr and text:
            text = text.removeprefix("\n")
            self._after_cr = False
        self._after_cr = self._after_cr or text.endswith("\r")
        return (self._pending + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")

    def _line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        self._field(name, value.removeprefix(" "))
        return None

    def _field(self, name: str, value: str) -> None:
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)
        elif not name:
            self.comments.append(value)

    def _dispatch(self) -> ServerSentEvent | None:
        data, event = self._data, self._event
        self._data, self._event = [], ""
        if not data:
            return None
        return ServerSentEvent(event=event or "message", data="\n".join(data), id=self._id)


class EventStream:
    """The events of an open stream: iterate over it.

    Attributes:
        response: The answer that carries the events.
        parser: What is known of the stream so far.
    """

    def __init__(self, response: StreamedResponse) -> None:
        self.response = response
        self.parser = EventParser()
        self._ready: deque[ServerSentEvent] = deque()

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> ServerSentEvent:
        """Wait for the next event."""
        while not self._ready:
            self._ready.extend(self.parser.feed(await anext(self.response)))
        return self._ready.popleft()


class EventStreamClient:
    """Opens event streams of an app.

    Args:
        app: A running app, or any ASGI callable.
        headers: Sent with each request.
    """

    def __init__(self, app: Any, *, headers: Mapping[str, str] | None = None) -> None:
        self._http = HttpClient(app, headers={"accept": "text/event-stream", **(headers or {})})

    @asynccontextmanager
    async def connect(
        self, path: str, *, last_event_id: str | None = None, **parts: Any
    ) -> AsyncIterator[EventStream]:
        """Open a stream; leaving the block hangs up.

        Args:
            path: Path of the stream.
            last_event_id: Id of the last event that was seen, to go on after it.
            parts: As for `HttpClient.request`.

        Raises:
            AssertionError: If the answer is no event stream, or the application goes on for
                seconds after the client has left.
        """
        headers = dict(parts.pop("headers", None) or {})
        if last_event_id is not None:
            headers["last-event-id"] = last_event_id
        async with self._http.stream("GET", path, headers=headers, **parts) as response:
            await _check(response)
            yield EventStream(response)


async def _check(response: StreamedResponse) -> None:
    kind = (response.headers.content_type or "").partition(";")[0]
    if response.status != 200 or kind != "text/event-stream":
        await response.read()
        msg = f"no event stream but {kind or 'nothing'}: {HttpResponse.__repr__(response)}"
        raise AssertionError(msg)
