"""How commands reach an app that is being served, and who does not."""

import json
import os
import platform
import socket
import struct
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from anyio import to_thread

from pegboard import App
from pegboard._serving.control import CONNECTIONS, ask, controlled
from pegboard.errors import PegboardError, UnavailableError

pytestmark = pytest.mark.anyio


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App("controlled", project=tmp_path, plugins=[], mods=[])


async def asked(app: App, do: str, name: str | None = None) -> list[tuple[int, Any]]:
    with anyio.fail_after(10):
        return await to_thread.run_sync(lambda: list(ask(app.data, do, name)))


def place_of(app: App) -> dict[str, Any]:
    (path,) = (app.data / "control").glob("*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    place: dict[str, Any] = json.loads(path.read_text())
    return place


async def test_a_command_reaches_the_app_and_its_error_comes_back(app: App) -> None:
    async with app, controlled(app):
        assert await asked(app, "retired") == [(os.getpid(), [])]
        with pytest.raises(PegboardError, match="no command 'dance'"):
            await asked(app, "dance")
    assert await asked(app, "retired") == []
    assert list((app.data / "control").iterdir()) == []


async def test_what_is_broken_is_told_whenever_somebody_asks(tmp_path: Path) -> None:
    mod = tmp_path / "mods" / "a.py"
    mod.parent.mkdir()
    mod.write_text("FINE = True\n")
    config = {"mods": {"allow": ["a"]}}
    app = App("controlled", project=tmp_path, plugins=[], config=config)
    async with app, controlled(app):
        mod.write_text("FINE = \n")
        for name in (None, None, "a", "a"):
            ((_, outcomes),) = await asked(app, "reload", name)
            assert [each["outcome"] for each in outcomes] == ["rejected"]
            assert "a.py:1: SyntaxError" in outcomes[0]["reason"]
        mod.write_text("FINE = False\n")
        ((_, outcomes),) = await asked(app, "reload")
        assert [each["outcome"] for each in outcomes] == ["reloaded"]
        assert await asked(app, "reload") == [(os.getpid(), [])]


@pytest.mark.parametrize(
    "line", [b"[]\n", b'{"nonce":"a"}\n[]\n', b'{"secret":"\xc3\xa9"}\n', b"\xff\n", b"x" * 70_000]
)
async def test_who_sends_nonsense_and_breaks_off_harms_nothing(
    app: App, caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    def send() -> None:
        with socket.create_connection(("127.0.0.1", place_of(app)["port"])) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(line)

    async with app, controlled(app):
        for _ in range(2 * CONNECTIONS):
            await to_thread.run_sync(send)
        assert await asked(app, "retired") == [(os.getpid(), [])]
    assert caplog.records == []


@pytest.mark.parametrize("proof", ["", "é", "0" * 64])
async def test_who_does_not_know_the_secret_is_told_nothing(app: App, proof: str) -> None:
    def talk() -> list[bytes]:
        with socket.create_connection(("127.0.0.1", place_of(app)["port"]), 5) as client:
            lines = client.makefile("rb")
            client.sendall(b'{"nonce":"x"}\n')
            hello = lines.readline()
            client.sendall(msgspec.json.encode({"proof": proof, "do": "retired"}) + b"\n")
            return [hello, lines.readline()]

    async with app, controlled(app):
        place = place_of(app)
        hello, answer = await to_thread.run_sync(talk)
    assert place["secret"].encode() not in hello
    assert answer == b""


async def test_another_program_on_the_port_learns_no_secret(app: App) -> None:
    heard: list[bytes] = []
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)

        async def answer(stream: Any) -> None:
            async with stream:
                heard.append(await stream.receive())
                await stream.send(b'{"nonce":"n","proof":"of nothing"}\n')

        path = write(app, port=port, secret="s3cret")
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, answer)
            assert await asked(app, "retired") == []
            group.cancel_scope.cancel()
    assert len(heard) == 1
    assert b"s3cret" not in heard[0]
    assert path.exists()


async def test_what_a_killed_process_left_is_removed(app: App) -> None:
    path = write(app, process=2**22 + 1)
    assert await asked(app, "retired") == []
    assert not path.exists()


async def test_a_process_that_cannot_be_reached_is_named(app: App) -> None:
    path = write(app)
    with pytest.raises(UnavailableError, match=f"process {os.getpid()} cannot be reached"):
        await asked(app, "retired")
    assert path.exists()


async def test_what_another_machine_or_a_crash_left_stays(app: App) -> None:
    other = write(app, host="another", process=2**22 + 1)
    cut = other.with_name("2-cut.json")
    cut.write_bytes(b'{"host":')
    assert await asked(app, "retired") == []
    assert other.exists()
    assert cut.exists()


def write(app: App, **known: Any) -> Path:
    """Write the file of a process that is there, and listens nowhere, but for what is known."""
    place = {"host": platform.node(), "process": os.getpid(), "port": free_port(), "secret": "s"}
    path = app.data / "control" / "1-0.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**place, **known}))
    return path


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
