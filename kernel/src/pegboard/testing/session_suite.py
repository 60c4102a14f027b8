"""What every plugin that knows who asks has to do: subclass `SessionSuite` and sign somebody in.

```python
class TestMySessions(SessionSuite):
    plugin = "my_plugin"

    async def credentials(self, app: App) -> Mapping[str, str]:
        return {"authorization": f"Bearer {await my_token(app, 'ada')}"}
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from pegboard._app import App
from pegboard._request import Session
from pegboard.contracts.session import Connection
from pegboard.errors import AccessError, UnauthorizedError
from pegboard.testing._hosting import connection_scope
from pegboard.testing.harness import watched

__all__ = ["SessionSuite"]

TIMEOUT = 10.0  # seconds after which finding out who asks is taken to hang
MANY = 20  # requests that are made at once
NONSENSE: tuple[str, ...] = (
    *("", " ", "x", "=", ";", "a=b=c; ;", "\x00", "\xff" * 20),
    *("Bearer", "Bearer  ", "Bearer a.b.c", "Bearer ..", "Bearer " + "x" * 10_000),
    *("Basic !", "Basic OjpB", "session=" + "A" * 200),
)
"""Values of headers that anybody may send."""


class SessionSuite:
    """The tests of what a plugin answers `load_session` with.

    Attributes:
        plugin: Name of the installed plugin, or the plugin object.
        others: Plugins that it requires.
        config: Settings that it cannot do without.
        headers: Headers that it looks at; nonsense is sent in them.
    """

    plugin: ClassVar[str | object]
    others: ClassVar[Sequence[str | object]] = ()
    config: ClassVar[Mapping[str, Any]] = {}
    headers: ClassVar[Sequence[str]] = ("authorization", "cookie")

    async def credentials(self, app: App) -> Mapping[str, str]:
        """Return the headers of somebody who is signed in; your suite says how to get them.

        Raises:
            NotImplementedError: If your suite does not say it.
        """
        raise NotImplementedError

    @pytest.mark.anyio
    async def test_who_says_nothing_is_nobody(self, tmp_path: Path) -> None:
        """And may not do what needs a signed-in caller."""
        async with self._running(tmp_path) as app:
            assert (await _session(app, {})).anonymous
            with pytest.raises(UnauthorizedError):
                await self._authorized(app, {})

    @pytest.mark.anyio
    @pytest.mark.parametrize("kind", ["http", "websocket"])
    async def test_who_is_signed_in_is_known(self, tmp_path: Path, kind: str) -> None:
        """In requests and in handshakes, each time."""
        async with self._running(tmp_path) as app:
            headers = await self.credentials(app)
            for _ in range(2):
                session = await _session(app, headers, kind)
                assert not session.anonymous
                assert session.level >= 1
                assert session == await self._authorized(app, headers)

    @pytest.mark.anyio
    async def test_a_session_can_be_kept_as_data(self, tmp_path: Path) -> None:
        """It is what transports hand to mods, and what they may store."""
        async with self._running(tmp_path) as app:
            session = await _session(app, await self.credentials(app))
            assert Session.from_dict(session.to_dict()) == session

    @pytest.mark.anyio
    async def test_changed_credentials_are_worth_nothing(self, tmp_path: Path) -> None:
        """A character less, more, or another one, anywhere."""
        async with self._running(tmp_path) as app:
            headers = await self.credentials(app)
            for name, value in headers.items():
                for forged in _forged(value):
                    with pytest.raises(AccessError):
                        await self._authorized(app, {**headers, name: forged})

    @pytest.mark.anyio
    async def test_nonsense_is_refused_and_fails_nothing(self, tmp_path: Path) -> None:
        """It may be nobody or an access error, never a failure of the server."""
        async with self._running(tmp_path) as app:
            for name in self.headers:
                for value in NONSENSE:
                    with pytest.raises(AccessError):
                        await self._authorized(app, {name: value})

    @pytest.mark.anyio
    async def test_requests_at_once_are_told_apart(self, tmp_path: Path) -> None:
        """Nobody gets the session of somebody else who asks at the same time."""
        known: list[bool] = []

        async def ask(app: App, headers: Mapping[str, str]) -> None:
            known.append((await _session(app, headers)).anonymous is not bool(headers))

        async with self._running(tmp_path) as app:
            headers = await self.credentials(app)
            async with anyio.create_task_group() as tasks:
                for number in range(MANY):
                    tasks.start_soon(ask, app, headers if number % 2 else {})
        assert known == [True] * MANY

    async def _authorized(self, app: App, headers: Mapping[str, str]) -> Session:
        if "Suite.inner" not in app.registry.table:
            app.export("inner", mod_name="Suite", api=True, level=1)(_inner)
        export = app.registry.table["Suite.inner"].export
        assert export is not None
        with anyio.fail_after(TIMEOUT):
            return await app.access.admit(export, _connection(headers, "http"))

    def _running(self, project: Path) -> AbstractAsyncContextManager[App]:
        plugins = [*self.others, self.plugin]
        return watched(App("test", project=project, plugins=plugins, mods=[], config=self.config))


async def _inner() -> None:
    """Do what only a signed-in caller may."""


async def _session(app: App, headers: Mapping[str, str], kind: str = "http") -> Session:
    with anyio.fail_after(TIMEOUT):
        return await app.access.session(_connection(headers, kind))


def _connection(headers: Mapping[str, str], kind: str) -> Connection:
    pairs = [("host", "testserver"), *((name.lower(), each) for name, each in headers.items())]
    scope = connection_scope(kind, "/api/Suite/inner", None, pairs, ("127.0.0.1", 50_000))
    return Connection({**scope, "method": "GET"} if kind == "http" else scope)


def _forged(value: str) -> list[str]:
    """Return versions of a secret value that differ from it in one character."""
    middle = len(value) * 3 // 4
    other = "A" if value[middle] != "A" else "B"
    return [value[:middle] + other + value[middle + 1 :], value + "A", value[:-2]]
