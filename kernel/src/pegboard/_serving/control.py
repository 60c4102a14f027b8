"""How commands reach an app that is being served: a port on loopback, and who may use it.

The process that serves keeps a file in `control/` of the project's data, readable by its owner
only, with the port and a secret. Either side proves that it knows the secret before it is told
anything: lines of JSON, see `_Hello` and `_Request`, with an HMAC (RFC 2104) of what the other
side has just made up. The file may be older than the process that has its port now.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import platform
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import msgspec
from anyio import CapacityLimiter, to_thread

from pegboard.contracts.reload import Reloaded
from pegboard.errors import PegboardError, UnavailableError

if TYPE_CHECKING:
    from anyio.abc import ByteReceiveStream, SocketStream

    from pegboard._app import App

__all__ = ["ask", "controlled", "obey", "reload_all"]

LONGEST = 65_536
"""Bytes of a line from a client at most."""

TIMEOUT = 10.0
"""Seconds in which either side has to prove itself, and an answer has to be taken."""

LONGEST_COMMAND = 300.0
"""Seconds that a process may take to do what it is asked for."""

CONNECTIONS = 16
"""Clients that are listened to at once; more of them wait."""

_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)

_logger = logging.getLogger("pegboard.serve")


class _Place(msgspec.Struct, frozen=True):
    """What the file says."""

    host: str
    process: int
    port: int
    secret: str

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


class _Hello(msgspec.Struct):
    """First line of each side: what the other one has to prove itself with."""

    nonce: str
    proof: str = ""


class _Request(msgspec.Struct):
    """Second line of a client."""

    proof: str
    do: str
    name: str | None = None


class _Found(NamedTuple):
    """A process that is there, and what its file says."""

    place: _Place
    connection: socket.socket


@asynccontextmanager
async def controlled(app: App) -> AsyncIterator[None]:
    """Take commands for an app while the block runs; where that cannot be, serve without."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - this is not Django
    place = _Place(platform.node(), os.getpid(), port, secrets.token_urlsafe(32))
    path = app.data / "control" / f"{place.process}-{secrets.token_hex(4)}.json"
    try:
        await to_thread.run_sync(_write, path, msgspec.json.encode(place))
    except OSError as error:
        _logger.warning("pegboard reload will not find this app: %s", error)
    limiter = CapacityLimiter(CONNECTIONS)

    async def answer(stream: SocketStream) -> None:
        with suppress(OSError, ValueError, *_GONE):
            async with stream, limiter:
                await _serve(app, stream, place.secret)

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            group.cancel_scope.cancel()


def _write(path: Path, content: bytes) -> None:
    """Write a file that is whole as soon as it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - with its mode
        file.write(content)
    beside.replace(path)


async def _serve(app: App, stream: SocketStream, secret: str) -> None:
    """Answer one client.

    Raises:
        ValueError: If it sends nonsense, or does not know the secret: it is told nothing.
        TimeoutError: If it is slow, which is an `OSError`.
    """
    nonce = secrets.token_hex(16)
    with anyio.fail_after(TIMEOUT):
        hello = msgspec.json.decode(await _line(stream), type=_Hello)
        mine = _Hello(nonce, _proof(secret, "server", hello.nonce))
        await stream.send(msgspec.json.encode(mine) + b"\n")
        request = msgspec.json.decode(await _line(stream), type=_Request)
    if not _is_proof(request.proof, secret, "client", nonce):
        return
    answer = await _answer(app, request)
    with anyio.fail_after(TIMEOUT):
        await stream.send(msgspec.json.encode(answer) + b"\n")


async def _answer(app: App, request: _Request) -> dict[str, Any]:
    try:
        return {"ok": await obey(app, request.do, request.name)}
    except PegboardError as error:
        return {"error": str(error)}
    except Exception as error:
        _logger.exception("a command failed")
        return {"error": f"{type(error).__name__}: {error}"}


async def _line(stream: ByteReceiveStream) -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        text += await stream.receive()
        if len(text) > LONGEST:
            msg = "the line is too long"
            raise ValueError(msg)
    return text


async def obey(app: App, do: str, name: str | None = None) -> Any:
    """Do in this process what `ask` asks for.

    Raises:
        PegboardError: If there is no such command, or it cannot be done.
    """
    match do:
        case "reload":
            return _with_unserved(app, await app.reloader.reload(name), name)
        case "sync":
            outcomes = await app.reloader.sync()
            return outcomes if name is None else _with_unserved(app, outcomes, name)
        case "retired":
            return app.reloader.retired()
        case "stuck":
            return app.reloader.stuck()
    msg = f"there is no command {do!r}"
    raise PegboardError(msg)


def _with_unserved(app: App, outcomes: list[Reloaded], name: str | None) -> list[Reloaded]:
    """Return outcomes with what is broken as before, which is no news but has been asked for."""
    known = {(each.kind, each.name) for each in outcomes}
    more = app.reloader.unserved(name)
    return outcomes + [each for each in more if (each.kind, each.name) not in known]


def _proof(secret: str, side: str, nonce: str) -> str:
    return hmac.new(secret.encode(), f"{side}:{nonce}".encode(), "sha256").hexdigest()


def _is_proof(shown: str, secret: str, side: str, nonce: str) -> bool:
    expected = _proof(secret, side, nonce).encode()
    return hmac.compare_digest(shown.encode(), expected)


def ask(data: Path, do: str, name: str | None = None) -> Iterator[tuple[int, Any]]:
    """Send a request to each process that serves a project; yield its number and its answer.

    Args:
        data: The data folder of the project.
        do: What to do: `reload`, `sync`, `retired` or `stuck`.
        name: What to do it with.

    Raises:
        UnavailableError: If a process cannot be reached, or does not answer.
        PegboardError: If it answers with an error.
    """
    for path in sorted((data / "control").glob("*.json")):
        found = _connect(path)
        if found is None:
            continue
        with found.connection as connection, connection.makefile("rb") as lines:
            place, nonce = found.place, secrets.token_hex(16)
            try:
                connection.sendall(msgspec.json.encode(_Hello(nonce)) + b"\n")
                hello = msgspec.json.decode(lines.readline(LONGEST), type=_Hello)
            except (OSError, msgspec.MsgspecError):  # another program has that port now
                continue
            if not _is_proof(hello.proof, place.secret, "server", nonce):
                continue
            request = _Request(_proof(place.secret, "client", hello.nonce), do, name)
            yield place.process, _asked(connection, lines, request, place.process)


def reload_all(data: Path, name: str | None) -> list[tuple[int, list[Reloaded]]]:
    """Have each process that serves a project reload; return the number and answers of each.

    Raises:
        UnavailableError: If a process cannot be reached, or does not answer.
        PegboardError: If it answers with an error.
    """
    return [
        (process, msgspec.convert(answer, list[Reloaded]))
        for process, answer in ask(data, "reload", name)
    ]


def _asked(connection: socket.socket, lines: Any, request: _Request, process: int) -> Any:
    connection.sendall(msgspec.json.encode(request) + b"\n")
    connection.settimeout(LONGEST_COMMAND)
    try:
        text = lines.readline()
    except TimeoutError:
        text = b""
    if not text:
        msg = f"process {process} does not answer"
        raise UnavailableError(msg)
    answer = json.loads(text)
    if "error" in answer:
        raise PegboardError(answer["error"])
    return answer["ok"]


def _connect(path: Path) -> _Found | None:
    """Connect to the process that has written a file, None if it is gone or out of reach.

    What a process of this machine has left when it was killed is removed. A project may be shared
    with other machines, or containers, whose ports are not to be reached from here.

    Raises:
        UnavailableError: If it is there, and takes no connection.
    """
    try:
        place = msgspec.json.decode(path.read_bytes(), type=_Place)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    if place.host != platform.node():
        return None
    if not place.is_alive:
        path.unlink(missing_ok=True)
        return None
    try:
        return _Found(place, socket.create_connection(("127.0.0.1", place.port), TIMEOUT))
    except OSError as error:
        msg = f"process {place.process} cannot be reached: {error}"
        raise UnavailableError(msg) from error
