"""How commands reach an app that is being served: a port on loopback, and who may use it.

The process that serves keeps a file in `control/` of the project's data, readable by its owner
only, with the port and a secret. Each connection brings one line of JSON and gets one back.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from anyio import to_thread

from pegboard.errors import PegboardError, UnavailableError

if TYPE_CHECKING:
    from anyio.abc import SocketStream

    from pegboard._app import App

__all__ = ["ask", "controlled"]

LONGEST = 65_536
"""Bytes of a request at most."""

TIMEOUT = 10.0
"""Seconds in which a request has to be complete."""

LONGEST_COMMAND = 300.0
"""Seconds that a process may take to do what it is asked for."""

NOT_OURS = (
    *(OSError, ValueError, msgspec.MsgspecError),
    *(anyio.BrokenResourceError, anyio.EndOfStream),
)
"""What is raised where somebody connects who has nothing to say here: that is no news."""

_logger = logging.getLogger("pegboard.serve")


class _Place(msgspec.Struct, frozen=True):
    """What the file says: where the process is, and what it has to be told."""

    port: int
    secret: str
    machine: str
    process: int

    @property
    def is_ours(self) -> bool:
        """Whether its process runs, or ran, on this machine, and not in a container beside it."""
        return self.machine == socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether a process of that number is there; Windows has no harmless way to ask."""
        if sys.platform == "win32":
            return True
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except OSError:  # it is somebody else's
            return True
        return True


class _Request(msgspec.Struct, frozen=True):
    """What a command asks for."""

    secret: str
    do: str
    name: str | None = None


@asynccontextmanager
async def controlled(app: App) -> AsyncIterator[None]:
    """Take commands for an app while the block runs; where that cannot be, serve without."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - this is not Django
    place = _Place(port, secrets.token_urlsafe(32), socket.gethostname(), os.getpid())
    path = app.data / "control" / f"{secrets.token_hex(8)}.json"
    try:
        await to_thread.run_sync(_write, path, msgspec.json.encode(place))
    except OSError as error:
        _logger.warning("pegboard reload will not find this app: %s", error)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, lambda stream: _serve(app, stream, place.secret))
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            group.cancel_scope.cancel()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - with its mode
        file.write(content)


async def _serve(app: App, stream: SocketStream, secret: str) -> None:
    async with stream:
        try:
            with anyio.fail_after(TIMEOUT):
                request = msgspec.json.decode(await _line(stream), type=_Request)
            if not hmac.compare_digest(request.secret.encode(), secret.encode()):
                return
            answer: Any = {"ok": await _obey(app, request)}
        except PegboardError as error:
            answer = {"error": str(error)}
        except NOT_OURS:
            return
        except Exception as error:
            _logger.exception("a command failed")
            answer = {"error": f"{type(error).__name__}: {error}"}
        await stream.send(msgspec.json.encode(answer) + b"\n")


async def _line(stream: SocketStream) -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        text += await stream.receive()
        if len(text) > LONGEST:
            msg = "the request is too long"
            raise ValueError(msg)
    return text


async def _obey(app: App, request: _Request) -> Any:
    match request.do:
        case "reload":
            return await app.reloader.reload(request.name)
        case "sync":
            return await app.reloader.sync()
        case "retired":
            return app.reloader.retired()
    msg = f"there is no command {request.do!r}"
    raise PegboardError(msg)


def ask(data: Path, **request: Any) -> Iterator[tuple[int, Any]]:
    """Send a request to each process that serves a project; yield its number and its answer.

    Args:
        data: The data folder of the project.
        request: What to do, with its arguments.

    Raises:
        UnavailableError: If a process does not answer.
        PegboardError: If it answers with an error.
    """
    for path in sorted((data / "control").glob("*.json")):
        place = msgspec.json.decode(path.read_bytes(), type=_Place)
        if not place.is_ours:
            continue
        if not place.is_alive:  # it was killed, and left its file
            path.unlink(missing_ok=True)
            continue
        yield place.process, _answer(place, request)


def _answer(place: _Place, request: dict[str, Any]) -> Any:
    try:
        connection = socket.create_connection(("127.0.0.1", place.port), TIMEOUT)
    except OSError as error:
        msg = f"process {place.process} cannot be reached: {error}"
        raise UnavailableError(msg) from error
    with connection:
        connection.sendall(json.dumps({**request, "secret": place.secret}).encode() + b"\n")
        connection.settimeout(LONGEST_COMMAND)
        text = connection.makefile("rb").readline()
    if not text:
        msg = f"process {place.process} does not answer"
        raise UnavailableError(msg)
    answer = json.loads(text)
    if "error" in answer:
        raise PegboardError(answer["error"])
    return answer["ok"]
