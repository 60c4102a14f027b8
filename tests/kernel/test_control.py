"""Commands that reach an app which is being served, and who may give them."""

import json
import os
import socket
import stat

import anyio
import pytest
from anyio import to_thread

from pegboard import App
from pegboard._serving.control import ask, controlled
from pegboard.errors import PegboardError, UnavailableError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(tmp_path):
    (tmp_path / "mods").mkdir()
    async with App("test", project=tmp_path, plugins=[], mods=[]) as app, controlled(app):
        yield app


def place(app):
    (path,) = (app.data / "control").iterdir()
    return path, json.loads(path.read_bytes())


async def told(app, **request):
    return await to_thread.run_sync(lambda: list(ask(app.data, **request)))


async def said(port, text):
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(text)
        try:
            return await stream.receive()
        except anyio.EndOfStream:
            return b""


async def test_commands_are_obeyed_and_the_file_is_its_owners(app):
    path, _ = place(app)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await told(app, do="reload") == [(os.getpid(), [])]
    assert await told(app, do="retired") == [(os.getpid(), [])]
    with pytest.raises(PegboardError, match="no mod or plugin 'nobody'"):
        await told(app, do="reload", name="nobody")
    with pytest.raises(PegboardError, match="no command 'dance'"):
        await told(app, do="dance")


@pytest.mark.parametrize(
    "text",
    [b"[]\n", b"\xff\n", b"{}\n", '{"secret": "\u00e9", "do": "sync"}\n'.encode(), b"x" * 70_000],
)
async def test_who_does_not_know_the_secret_is_not_answered_and_not_news(app, text, caplog):
    assert await said(place(app)[1]["port"], text) == b""
    assert caplog.records == []


async def test_the_file_goes_with_the_app(tmp_path):
    async with App("test", project=tmp_path, plugins=[], mods=[]) as app:
        async with controlled(app):
            assert list((app.data / "control").iterdir())
        assert not list((app.data / "control").iterdir())
        assert await told(app, do="reload") == []


async def test_the_file_of_a_killed_process_is_cleared_away_that_of_another_machine_is_not(app):
    path, content = place(app)
    dead, other = path.with_name("dead.json"), path.with_name("other.json")
    dead.write_text(json.dumps({**content, "process": 2**22 + 1}))
    other.write_text(json.dumps({**content, "machine": "elsewhere", "port": 1}))
    assert len(await told(app, do="reload")) == 1
    assert (dead.exists(), other.exists()) == (False, True)


async def test_a_process_that_cannot_be_reached_is_named(app):
    path, content = place(app)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    path.write_text(json.dumps({**content, "port": port}))
    with pytest.raises(UnavailableError, match=f"process {os.getpid()} cannot be reached"):
        await told(app, do="reload")
    assert path.exists()
