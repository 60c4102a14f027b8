"""What every provider of `Channels` has to do: subclass `ChannelSuite` and name your plugin.

```python
class TestMyChannels(ChannelSuite):
    plugin = "my_plugin"
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from anyio.abc import TaskStatus

from pegboard._app import App
from pegboard.contracts.channel import Channels
from pegboard.testing._websocket import (
    WebSocketClient,
    WebSocketClosed,
    WebSocketConnection,
    WebSocketRefused,
)
from pegboard.testing.harness import watched

__all__ = ["ChannelSuite"]

TIMEOUT = 10.0  # seconds after which a message is taken to be lost
PATH = "/ws/Suite/room"
ROOM = "Suite/room"
PAYLOADS = ({"text": "ü", "number": 1}, [1, "two", None], "text", 3, b"\x00\xff")


class ChannelSuite:
    """The tests of a plugin that serves `/ws/{mod}/{handler}` and provides `Channels`.

    Attributes:
        plugin: Name of the installed plugin, or the plugin object.
        others: Plugins that it requires.
        config: Settings that it cannot do without.
    """

    plugin: ClassVar[str | object]
    others: ClassVar[Sequence[str | object]] = ()
    config: ClassVar[Mapping[str, Any]] = {}

    @pytest.mark.anyio
    async def test_a_handler_answers_its_own_client(self, tmp_path: Path) -> None:
        """What `on_message` returns goes to the sender, and to nobody else."""
        async with self._running(tmp_path) as app:
            client = WebSocketClient(app)
            async with client.connect(PATH) as ada, client.connect(PATH) as ben:
                await ada.send_json({"echo": 1})
                assert await _json(ada) == {"echo": 1}
                await ben.send_json({"echo": 2})
                assert await _json(ben) == {"echo": 2}

    @pytest.mark.anyio
    async def test_send_reaches_one_connection(self, tmp_path: Path) -> None:
        """Bytes as they are, all else as JSON."""
        async with self._running(tmp_path) as app, _connected(app) as ada:
            (id_,) = _channels(app).connections()
            for payload in PAYLOADS:
                assert await _channels(app).send(id_, payload) is True
                got = await (_receive(ada) if isinstance(payload, bytes) else _json(ada))
                assert got == payload

    @pytest.mark.anyio
    async def test_broadcast_reaches_all_others(self, tmp_path: Path) -> None:
        """Each member once, but not the one that it comes from."""
        async with self._running(tmp_path) as app, _connected(app) as ada:
            (first,) = _channels(app).connections(ROOM)
            async with _connected(app) as ben:
                assert await _channels(app).broadcast(ROOM, {"to": "others"}, first) == 1
                assert await _channels(app).broadcast(ROOM, {"to": "all"}) == 2
                assert await _json(ada) == {"to": "all"}
                assert await _json(ben) == {"to": "others"}
                assert await _json(ben) == {"to": "all"}

    @pytest.mark.anyio
    async def test_one_may_join_and_leave(self, tmp_path: Path) -> None:
        """Any name is a channel once somebody is in it."""
        async with self._running(tmp_path) as app, _connected(app) as ada:
            channels = _channels(app)
            (id_,) = channels.connections()
            assert await channels.join(id_, "a name of mine") is True
            assert channels.connections("a name of mine") == [id_]
            assert await channels.broadcast("a name of mine", 1) == 1
            assert await _json(ada) == 1
            assert await channels.leave(id_, "a name of mine") is True
            assert await channels.leave(id_, "a name of mine") is False
            assert await channels.broadcast("a name of mine", 2) == 0
            assert channels.connections(ROOM) == [id_]

    @pytest.mark.anyio
    async def test_nobody_has_an_unknown_id(self, tmp_path: Path) -> None:
        """That is an answer, and no error: a client may have gone a moment ago."""
        async with self._running(tmp_path) as app:
            channels = _channels(app)
            assert await channels.send("nobody", 1) is False
            assert await channels.join("nobody", ROOM) is False
            assert await channels.close("nobody") is False
            assert await channels.broadcast(ROOM, 1) == 0
            assert channels.connections() == []

    @pytest.mark.anyio
    async def test_closing_comes_after_what_waits(self, tmp_path: Path) -> None:
        """With the code and the reason that were given."""
        async with self._running(tmp_path) as app, _connected(app) as ada:
            (id_,) = _channels(app).connections()
            await _channels(app).send(id_, "last words")
            assert await _channels(app).close(id_, 4000, "enough") is True
            assert await _json(ada) == "last words"
            with pytest.raises(WebSocketClosed) as closed:
                await _receive(ada)
            assert (closed.value.code, closed.value.reason) == (4000, "enough")

    @pytest.mark.anyio
    async def test_who_has_gone_is_in_no_channel(self, tmp_path: Path) -> None:
        """The client leaves, and `on_disconnect` is called once."""
        async with self._running(tmp_path) as app:
            async with _connected(app):
                assert len(_channels(app).connections()) == 1
            with anyio.fail_after(TIMEOUT):
                await app.state("Suite").left.wait()
            assert _channels(app).connections() == []
            assert _channels(app).statistics().connections == 0

    @pytest.mark.anyio
    async def test_it_counts_what_it_does(self, tmp_path: Path) -> None:
        """For health checks and for whoever watches."""
        async with self._running(tmp_path) as app, _connected(app) as ada:
            await ada.send_json({"echo": 1})
            await _json(ada)
            statistics = _channels(app).statistics()
            assert statistics.connections == 1
            assert statistics.channels == {ROOM: 1}
            assert statistics.received == 1
            assert statistics.queued == statistics.dropped == statistics.slow_closed == 0

    @pytest.mark.anyio
    async def test_an_unknown_handler_refuses(self, tmp_path: Path) -> None:
        """With a status, before anything is accepted."""
        async with self._running(tmp_path) as app:
            for path in ("/ws/Suite/attic", "/ws/Nobody/room", "/ws", "/ws/", "/ws/%00/ü"):
                with pytest.raises(WebSocketRefused) as refused:
                    async with WebSocketClient(app).connect(path):
                        pass
                assert refused.value.status == 404, path

    @pytest.mark.anyio
    async def test_sockets_end_with_the_app(self, tmp_path: Path) -> None:
        """They are closed as going away, and hold up nothing."""
        codes: list[int] = []

        async def stay(app: App, *, task_status: TaskStatus[None]) -> None:
            async with _connected(app) as ada:
                task_status.started()
                with pytest.raises(WebSocketClosed) as closed:
                    await _receive(ada)
                codes.append(closed.value.code)

        async with anyio.create_task_group() as tasks, self._app(tmp_path) as app:
            await tasks.start(stay, app)
        assert codes
        assert codes[0] in {1001, 1012}

    def _running(self, project: Path) -> AbstractAsyncContextManager[App]:
        return watched(self._app(project))

    def _app(self, project: Path) -> App:
        plugins = [*self.others, self.plugin]
        app = App("test", project=project, plugins=plugins, mods=[], config=self.config)
        app.export("room", mod_name="Suite", websocket_handler="room")(_room)
        return app


def _room(app: App) -> dict[str, Any]:
    app.state("Suite").left = anyio.Event()
    return {"on_message": _on_message, "on_disconnect": _on_disconnect}


async def _on_message(payload: Any) -> Any:
    return payload


async def _on_disconnect(app: App) -> None:
    app.state("Suite").left.set()


def _channels(app: App) -> Channels:
    return app.service(Channels)  # type: ignore[type-abstract]  # asked for by its contract


def _connected(app: App) -> AbstractAsyncContextManager[WebSocketConnection]:
    return WebSocketClient(app).connect(PATH)


async def _receive(connection: WebSocketConnection) -> str | bytes:
    with anyio.fail_after(TIMEOUT):
        return await connection.receive()


async def _json(connection: WebSocketConnection) -> Any:
    with anyio.fail_after(TIMEOUT):
        return await connection.receive_json()
