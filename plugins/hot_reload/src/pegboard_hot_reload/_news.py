"""Tells pages that are open in a browser of this machine what became of a change.

Served below `/reload` while files are watched, and not at all otherwise: `events` is a stream of
server-sent events, `client.js` a script that follows it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio
import msgspec

from pegboard import Headers

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectSendStream

    from pegboard import App
    from pegboard.contracts.asgi import Receive, Scope, Send
    from pegboard.contracts.reload import Reloaded

__all__ = ["PREFIX", "News"]

PREFIX = "/reload"

WAITING = 32
"""Outcomes that wait for a slow page; it misses what comes when there are more."""

PAGES = 100
"""Pages that are told at the same time."""

LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Hosts that a page may be from: outcomes name files, which are nobody else's business."""

_PORT = re.compile(r":\d+$")

SCRIPT = b"""\
// Shows what became of a saved file; other code listens to the event "pegboard:reloaded".
const place = document.createElement("output");
place.style.cssText = "position:fixed;inset:auto 1rem 1rem;padding:.5rem 1rem;background:#511;"
  + "color:#fff;font:14px monospace;white-space:pre-wrap;z-index:99999";
place.hidden = true;
const broken = new Map();
const source = new EventSource(new URL("events", import.meta.url));
source.addEventListener("open", () => { broken.clear(); show(); }); // what is broken is said anew
source.addEventListener("reloaded", (event) => {
  const outcome = JSON.parse(event.data);
  const name = `${outcome.kind} ${outcome.name}`;
  if (outcome.outcome === "rejected") broken.set(name, outcome.reason);
  else broken.delete(name);
  show();
  window.dispatchEvent(new CustomEvent("pegboard:reloaded", { detail: outcome }));
});

function show() {
  place.textContent = [...broken].map(([each, reason]) => `${each}: ${reason}`).join("\\n");
  place.hidden = broken.size === 0;
  if (!place.isConnected) document.body.append(place);
}
"""


class News:
    """The pages of one app that want to know."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._pages: set[MemoryObjectSendStream[bytes]] = set()

    def tell(self, outcome: Reloaded) -> None:
        """Send an outcome to every page that is open."""
        event = _event(outcome)
        for each in self._pages:
            with suppress(anyio.WouldBlock):
                each.send_nowait(event)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request below `/reload`."""
        host = _PORT.sub("", Headers.from_scope(scope).host or "")
        path = scope["path"].removeprefix(PREFIX)
        if host not in LOCAL or len(self._pages) >= PAGES:
            await _answer(send, HTTPStatus.FORBIDDEN, b"text/plain", b"not for this host\n")
        elif path == "/client.js":
            await _answer(send, HTTPStatus.OK, b"text/javascript; charset=utf-8", SCRIPT)
        elif path == "/events":
            await self._stream(receive, send)
        else:
            await _answer(send, HTTPStatus.NOT_FOUND, b"text/plain", b"there is no such file\n")

    async def _stream(self, receive: Receive, send: Send) -> None:
        told, heard = anyio.create_memory_object_stream[bytes](WAITING)
        await _start(send, HTTPStatus.OK, b"text/event-stream")
        async with told, heard, anyio.create_task_group() as group:
            group.start_soon(_left, receive, group.cancel_scope)
            group.start_soon(_set, self._app.stopping, group.cancel_scope)
            self._pages.add(told)
            try:
                unserved = self._app.reloader.unserved()
                broken = [_event(each) for each in unserved if each.generation]
                await _more(send, b": hello\n\n" + b"".join(broken))
                async for event in heard:
                    await _more(send, event)
            finally:
                self._pages.discard(told)
        await send({"type": "http.response.body", "body": b""})


def _event(outcome: Reloaded) -> bytes:
    return b"event: reloaded\ndata: " + msgspec.json.encode(outcome) + b"\n\n"


async def _left(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _set(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def _start(send: Send, status: HTTPStatus, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})


async def _more(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _answer(send: Send, status: HTTPStatus, kind: bytes, body: bytes) -> None:
    await _start(send, status, kind)
    await send({"type": "http.response.body", "body": body})
