"""Every hook is asked where its declaration says so, with all that it declares."""

from __future__ import annotations

import inspect
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import Any

import click
import msgspec
import pytest

from pegboard import ANONYMOUS, App, Connection, HealthCheck, Page, RequestData, Session, hookimpl
from pegboard._hooks import HookCaller
from pegboard.contracts.asgi import Route
from pegboard.contracts.server import ServeSettings
from pegboard.hookspecs import Hooks
from pegboard.testing import HttpClient

HOOKS = [name for name in vars(Hooks) if not name.startswith("_")]
OF_PLUGINS = ("persist_file", "track_job", "provide_lock", "provide_cache", "provide_bus")
"""Hooks that plugins ask and not the kernel; their own tests ask them with what they ask with."""


class Settings(msgspec.Struct, frozen=True):
    size: int = 1


class Options(msgspec.Struct, frozen=True):
    colour: str = "red"


async def serve(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def session():
    return Session(user_name="ada", level=1, anonymous=False)


async def nothing():
    return None


@asynccontextmanager
async def lifespan():
    yield


ANSWERS: dict[str, Any] = {
    "config_schema": lambda: Settings,
    "export_options": lambda: Options,
    "lifespan": lifespan,
    "load_session": session,
    "handle_request": nothing,
    "asgi_routes": lambda: [Route(kind="http", prefix="/own", asgi=serve)],
    "cli_commands": lambda: [click.Command("own", callback=lambda: None)],
    "health": lambda: [HealthCheck(name="own", ok=True)],
    "pages": lambda: [Page(title="Own", path="/own")],
}
"""What a hook has to be answered with so that the app goes on; any other answers None."""


def witness() -> Any:
    """Return a plugin that implements every hook and notes what each was given."""
    calls: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def implementation(name: str) -> Any:
        def implement(self, **given):
            calls[name].append(given)
            return ANSWERS.get(name, lambda: None)()

        names = sorted(declared(name))
        given = ", ".join(f"{each}={each}" for each in names)
        scope: dict[str, Any] = {"implement": implement}
        exec(f"def {name}(self, {', '.join(names)}): return implement(self, {given})", scope)
        return hookimpl(scope[name])

    kind = type("Witness", (), {name: implementation(name) for name in HOOKS})
    plugin = kind()
    plugin.name, plugin.calls = "witness", calls
    return plugin


async def ask_all(app: App) -> None:
    """Do all for which some hook is asked, as the kernel and plugins do it."""
    assert app.project is not None
    (app.project / "mods" / "changing.py").write_text("NUMBER = 2")
    await app.reloader.reload("changing")
    app.export("price", mod_name="Shop", api=True, colour="blue")(nothing)
    client = HttpClient(app)
    for path in ("/api/Shop/price", "/health", "/", "/own"):
        assert (await client.get(path)).status < 400
    await app.access.session(Connection({"type": "http", "path": "/", "headers": []}))
    await app.intercept(RequestData.moc())
    app.hooks.all("serve", app=app, settings=ServeSettings())
    app.hooks.all("sessions_changed", app=app, subjects=())
    witness = app.plugins.active["witness"].plugin
    app.hooks.call("witness", "hand_over", app=app, previous=witness)  # as when it is replaced
    for name in OF_PLUGINS:
        given = dict.fromkeys(declared(name))
        app.hooks.first(name, **{**given, "app": app})


def declared(hook: str) -> set[str]:
    return set(inspect.signature(getattr(Hooks, hook)).parameters) - {"self"}


@pytest.mark.anyio
async def test_every_hook_is_asked_with_what_it_declares(pegboard_app) -> None:
    plugin = witness()
    (pegboard_app.project / "mods" / "changing.py").write_text("NUMBER = 1")
    async with pegboard_app(plugins=["transport_http", plugin]) as app:
        await ask_all(app)
    hooks = HookCaller()
    hooks.add("witness", plugin)
    hooks.call("witness", "cli_commands")
    assert [name for name in HOOKS if not plugin.calls[name]] == [], "add it to `ask_all`"
    for name in HOOKS:
        assert set(plugin.calls[name][0]) == declared(name)


@pytest.mark.anyio
async def test_an_implementation_takes_as_few_arguments_as_it_likes(pegboard_app) -> None:
    class Brief:
        name = "brief"

        @hookimpl
        def load_session(self):
            return session()

        @hookimpl
        def asgi_routes(self):
            return [Route(kind="http", prefix="/brief", asgi=serve)]

    async with pegboard_app(plugins=[Brief()]) as app:
        assert (await HttpClient(app).get("/brief")).status == 204
        found = await app.access.session(Connection({"type": "http", "path": "/", "headers": []}))
        assert found != ANONYMOUS


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_answers_the_six_questions(name: str) -> None:
    text = inspect.getdoc(getattr(Hooks, name)) or ""
    assert text.partition("\n")[0].endswith("."), "its first line is a sentence"
    assert "Called" in text or "they ask" in text or "Entered" in text, "when, and by whom"
    assert "Since API " in text
