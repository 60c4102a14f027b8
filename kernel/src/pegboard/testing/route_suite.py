"""What every plugin that serves HTTP has to do: subclass `RouteSuite` and name an address of yours.

```python
class TestMyRoutes(RouteSuite):
    plugin = "my_plugin"
    path = "/mine/status"
```
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import anyio
import pytest

from pegboard._app import App
from pegboard._discovery import in_process_plugin
from pegboard.contracts.asgi import Receive, Route, Router, Scope, Send
from pegboard.errors import FIRST_SERVER_ERROR
from pegboard.testing._http import ClientGone, HttpClient
from pegboard.testing.harness import watched

__all__ = ["RouteSuite"]

TIMEOUT = 10.0  # seconds after which an answer is taken to be lost
MANY = 20  # requests that are made at once
ODD = ("%00", "%2e%2e/%2e%2e/etc/passwd", "ü", "x" * 5_000, "//", ";a=b", "%ff")
"""Ends of paths that somebody asks for on purpose."""


class RouteSuite:
    """The tests of the HTTP routes that a plugin answers `asgi_routes` with.

    The client that they use is as strict as a server: an answer that could not be sent, or none,
    fails the test that asked.

    Attributes:
        plugin: Name of the installed plugin, or the plugin object.
        path: An address of it that answers GET with a status below 400, to anyone.
        others: Plugins that it requires.
        config: Settings that it cannot do without.
        mods: Mods that it needs to have something to serve.
    """

    plugin: ClassVar[str | object]
    path: ClassVar[str]
    others: ClassVar[Sequence[str | object]] = ()
    config: ClassVar[Mapping[str, Any]] = {}
    mods: ClassVar[Sequence[str | ModuleType | Path]] = ()

    @pytest.mark.anyio
    async def test_it_answers(self, tmp_path: Path) -> None:
        """Again and again, and with the same status."""
        async with self._running(tmp_path) as app:
            for _ in range(3):
                assert await self._status(app, "GET", self.path) < 400

    @pytest.mark.anyio
    async def test_it_answers_many_at_once(self, tmp_path: Path) -> None:
        """No request waits for another one to be over."""
        statuses: list[int] = []

        async def ask(app: App) -> None:
            statuses.append(await self._status(app, "GET", self.path))

        async with self._running(tmp_path) as app, anyio.create_task_group() as tasks:
            for _ in range(MANY):
                tasks.start_soon(ask, app)
        assert len(statuses) == MANY
        assert set(statuses) == {min(statuses)}
        assert statuses[0] < 400

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "method", ["HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "BREW"]
    )
    async def test_a_method_that_it_does_not_have_is_refused_in_order(
        self, tmp_path: Path, method: str
    ) -> None:
        """Each method is answered, if only with 405, and is no failure of the server."""
        async with self._running(tmp_path) as app:
            status = await self._status(app, method, self.path)
            assert status < FIRST_SERVER_ERROR or status == 501

    @pytest.mark.anyio
    async def test_an_unknown_path_is_the_clients_error(self, tmp_path: Path) -> None:
        """Whatever is asked for below its prefix."""
        async with self._running(tmp_path) as app:
            for end in ODD:
                status = await self._status(app, "GET", f"{self._prefix}/{end}")
                assert status < FIRST_SERVER_ERROR, end

    @pytest.mark.anyio
    async def test_a_client_that_goes_away_in_its_body_is_left_alone(self, tmp_path: Path) -> None:
        """The request ends, and the next one is served."""
        async with self._running(tmp_path) as app:
            client = HttpClient(app)
            with anyio.fail_after(TIMEOUT):
                with suppress(ClientGone):  # unless it was answered before its body was read
                    await client.post(self.path, content=_torn())
            assert await self._status(app, "GET", self.path) < 400

    @pytest.mark.anyio
    async def test_a_client_that_goes_away_in_the_answer_is_left_alone(
        self, tmp_path: Path
    ) -> None:
        """The request ends with its client, and the next one is served."""
        async with self._running(tmp_path) as app:
            client = HttpClient(app)
            with anyio.fail_after(TIMEOUT):
                async with client.stream("GET", self.path) as response:
                    assert response.status < 400
            assert await self._status(app, "GET", self.path) < 400

    @pytest.mark.anyio
    async def test_it_answers_below_a_mount_point(self, tmp_path: Path) -> None:
        """The app may be a part of another one."""
        async with self._running(tmp_path) as app:
            client = HttpClient(_Mounted(app, "/host"))
            with anyio.fail_after(TIMEOUT):
                assert (await client.get(f"/host{self.path}")).status < 400

    @pytest.mark.anyio
    async def test_what_is_found_is_what_would_be_served(self, tmp_path: Path) -> None:
        """`Route.find` is a short way to the same answer."""
        async with self._running(tmp_path) as app:
            routes = self._routes(app)
            found = await self._status(_Direct(routes), "GET", self.path)
            plain = [Route(kind=each.kind, prefix=each.prefix, asgi=each.asgi) for each in routes]
            assert await self._status(_Direct(plain), "GET", self.path) == found

    @pytest.mark.anyio
    async def test_nothing_is_served_once_the_app_has_stopped(self, tmp_path: Path) -> None:
        """A route does not outlive its plugin."""
        async with self._running(tmp_path) as app:
            pass
        assert await self._status(app, "GET", self.path) == 503

    @property
    def _prefix(self) -> str:
        return "/" + self.path.split("/")[1]

    def _routes(self, app: App) -> list[Route]:
        plugin = self.plugin
        own = plugin if isinstance(plugin, str) else in_process_plugin(plugin).name
        return list(app.hooks.call(own, "asgi_routes", app=app))

    async def _status(self, app: Any, method: str, path: str) -> int:
        with anyio.fail_after(TIMEOUT):
            return (await HttpClient(app).request(method, path)).status

    def _running(self, project: Path) -> AbstractAsyncContextManager[App]:
        plugins = [*self.others, self.plugin]
        app = App("test", project=project, plugins=plugins, mods=self.mods, config=self.config)
        return watched(app)


async def _torn() -> AsyncIterator[bytes]:
    yield b"{"
    raise ClientGone


class _Direct:
    """Serves routes without an app around them."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._router = Router(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = self._router.find(scope["type"], scope["path"])
        await target(scope, receive, send)


class _Mounted:
    """Mounts an app, as frameworks do."""

    def __init__(self, app: App, root: str) -> None:
        self._asgi = app.asgi()
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._asgi({**scope, "root_path": self._root}, receive, send)
