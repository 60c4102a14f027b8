"""Runs an application in a task of its own, as a server does for a connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

import anyio

from pegboard.contracts.asgi import Scope

__all__ = ["check_sendable", "connection_scope", "hosted"]

DISCONNECT_TIMEOUT = 5.0  # seconds that an application gets to end after its client has left


@asynccontextmanager
async def hosted(
    run: Callable[[], Awaitable[None]], hang_up: Callable[[], None], ready: anyio.Event
) -> AsyncIterator[None]:
    """Run an application while the block runs; on leaving hang up, and see that it ends.

    What the application raises is raised here, outside of any exception group.

    Raises:
        AssertionError: If the application goes on for seconds after its client has left.
    """
    ended = anyio.Event()
    failures: list[Exception] = []

    async def host() -> None:
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - raised below, in the task of the test
            failures.append(error)
        finally:
            ended.set()
            ready.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(host)
        try:
            await ready.wait()
            if not failures:
                yield
        except Exception as error:  # noqa: BLE001 - raised below, outside of the task group
            failures.insert(0, error)
        finally:
            with anyio.move_on_after(DISCONNECT_TIMEOUT, shield=True) as limit:
                hang_up()
                await ended.wait()
            tasks.cancel_scope.cancel()
    if failures:
        raise failures[0]
    if limit.cancelled_caught:
        msg = f"the application went on for {DISCONNECT_TIMEOUT:g} s after its client had left"
        raise AssertionError(msg)


def connection_scope(
    kind: str,
    path: str,
    query: Any,
    headers: list[tuple[str, str]],
    address: tuple[str, int],
) -> Scope:
    """Return what the ASGI scopes of requests and sockets have in common."""
    path, _, text = path.partition("?")
    encoded = urlencode(query or {}, doseq=True)
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "path": path,
        "raw_path": quote(path, safe="/%:@!$&'()*+,;=~").encode(),
        "query_string": "&".join(each for each in (text, encoded) if each).encode(),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": address,
        "server": ("testserver", 80),
        "state": {},
    }


def check_sendable(headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return the headers of an answer as text.

    Raises:
        AssertionError: If a server could not send them.
    """
    for name, value in headers:
        if name != name.lower() or not name or set(b"\r\n\0") & {*name, *value}:
            msg = f"header {name!r}: {value!r} cannot be sent"
            raise AssertionError(msg)
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
