"""The conformance suites: what is right passes them, and what is wrong does not."""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from textwrap import dedent

import anyio
import pytest

from pegboard import ANONYMOUS, Session, hookimpl
from pegboard.contracts.call import Stage
from pegboard.errors import UnauthorizedError
from pegboard.testing import MemoryBus
from pegboard.testing.bus_suite import BusSuite
from pegboard.testing.layer_suite import LayerSuite
from pegboard.testing.session_suite import SessionSuite
from tests.child import PYTEST


class InTurn:
    """A layer that lets one call after the other pass."""

    stage = Stage.LOCK

    def __init__(self):
        self._lock = anyio.Lock()

    def __call__(self, call):
        async def locked(*args, **kwargs):
            async with self._lock:
                return await call(*args, **kwargs)

        return locked


class InTurnPlugin:
    name = "in_turn"

    @hookimpl
    def register_export(self):
        return InTurn()


class TestLayer(LayerSuite):
    plugin = InTurnPlugin()


class SignedNames:
    """Takes a name for who asks, if it is signed."""

    name = "signed_names"

    def sign(self, name):
        return hmac.new(b"key", name.encode(), hashlib.sha256).hexdigest()

    @hookimpl
    def load_session(self, connection):
        return self._session(connection.headers.authorization)

    async def _session(self, header):
        if not header:
            return ANONYMOUS
        name, _, signature = header.partition(":")
        if not hmac.compare_digest(self.sign(name).encode(), signature.encode()):
            raise UnauthorizedError("the signature is wrong: sign in again")
        return Session(user_name=name, user_id=name, level=1, anonymous=False, validated=True)


class TestSessions(SessionSuite):
    plugin = SignedNames()

    async def credentials(self, app):
        return {"authorization": f"ada:{self.plugin.sign('ada')}"}


class TestMemoryBus(BusSuite):
    flood = 1_001

    @asynccontextmanager
    async def open(self):
        bus = MemoryBus()
        yield bus, bus


WRONG = {
    "layer": """
        from pegboard import hookimpl
        from pegboard.contracts.call import Stage
        from pegboard.testing.layer_suite import LayerSuite

        class Sticky:
            stage = Stage.LOCK
            def __call__(self, call):
                state = []
                async def once(*args, **kwargs):
                    if not state:
                        state.append(await call(*args, **kwargs))
                    return state[0]
                return once

        class Plugin:
            @hookimpl
            def register_export(self):
                return Sticky()

        class TestIt(LayerSuite):
            plugin = Plugin()
    """,
    "session": """
        from pegboard import Session, hookimpl
        from pegboard.testing.session_suite import SessionSuite

        class Plugin:
            @hookimpl
            def load_session(self, connection):
                return self._session(connection.headers.authorization)

            async def _session(self, header):
                return header and Session(level=int(header), anonymous=False)

        class TestIt(SessionSuite):
            plugin = Plugin()
            async def credentials(self, app):
                return {"authorization": "10"}
    """,
    "bus": """
        import contextlib
        from pegboard.testing import MemoryBus
        from pegboard.testing.bus_suite import BusSuite

        class Forgetful(MemoryBus):
            async def publish(self, topic, message):
                await super().publish(topic.lower(), message)

        class TestIt(BusSuite):
            flood = 1001
            @contextlib.asynccontextmanager
            async def open(self):
                yield (bus := Forgetful()), bus
    """,
    "route": """
        from pegboard import hookimpl
        from pegboard.contracts.asgi import Route
        from pegboard.testing.route_suite import RouteSuite

        async def serve(scope, receive, send):
            if scope["method"] == "GET":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b""})

        class Plugin:
            @hookimpl
            def asgi_routes(self):
                return [Route(kind="http", prefix="/it", asgi=serve)]

        class TestIt(RouteSuite):
            plugin = Plugin()
            path = "/it"
    """,
}
"""Implementations that work at first sight, by suite."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What pytest says of each test of each suite, run with what only looks right."""
    folder = tmp_path_factory.mktemp("wrong")
    for name, text in WRONG.items():
        (folder / f"test_{name}.py").write_text(dedent(text), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-rpfE", "-k", "asyncio"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **PYTEST}, capture_output=True, check=False
    )
    return done.stdout.decode().splitlines()


@pytest.mark.parametrize("name", WRONG)
def test_what_only_looks_right_fails_its_suite(name: str, outcomes: list[str]) -> None:
    own = [line.split()[0] for line in outcomes if f" test_{name}.py::" in line]
    assert set(own) == {"PASSED", "FAILED"}
