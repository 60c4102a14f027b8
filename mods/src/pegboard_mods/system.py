"""What runs here: plugins, mods, exports, connections, counters.

Try it: `pegboard call system.overview --json`.
"""

import platform
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

import pegboard
from pegboard import App, RequestData, Result, get_app
from pegboard.contracts.channel import Channels
from pegboard.contracts.reload import Reloaded
from pegboard.errors import MissingPluginError
from pegboard_mods._look import style_sheet

export = get_app("system").tb

ADMIN_LEVEL = 10

_PAGES = Path(__file__).with_name("pages")


@export(initial=True)
def note_start(state: SimpleNamespace) -> None:
    """Remember when the app came up; a reload of this file does not change that."""
    state.started = getattr(state, "started", time.time())


@export(api=True, api_methods=["GET"])
async def overview(app: App, request: RequestData | None = None) -> dict[str, Any]:
    """Tell what runs here.

    Insiders (callers in process, administrators, and everyone in development mode) are told also
    why something does not run and what is exported for use in process only.
    """
    is_insider = request is None or app.dev or request.session.is_admin
    return {
        "app": _app(app),
        "plugins": _plugins(app, is_insider=is_insider),
        "mods": _mods(app, is_insider=is_insider),
        "exports": _exports(app, is_insider=is_insider),
        "sockets": _sockets(app, is_insider=is_insider),
        "statistics": app.statistics(),
    }


@export(api=True, api_methods=["GET"], page="System")
def page() -> Result[Any]:
    """See what runs here."""
    return Result.html((_PAGES / "system.html").read_text("utf-8"))


@export(api=True, api_methods=["GET"], listed=False)
def script() -> Result[str]:
    """Return what the page runs."""
    return Result.text((_PAGES / "system.js").read_text("utf-8"), "text/javascript")


@export(api=True, api_methods=["GET"], listed=False)
def style() -> Result[str]:
    """Return how the page looks."""
    return style_sheet()


@export(api=True, api_methods=["POST"], level=ADMIN_LEVEL)
async def reload(app: App, name: str | None = None) -> list[Reloaded]:
    """Bring changed code live: of one mod or plugin, or whatever has changed.

    Administrators do here, in each process that serves, what `pegboard reload` does on the command
    line. What fails is told with its reason, and what was before goes on.
    """
    return await app.reloader.reload_everywhere(name)


def _app(app: App) -> dict[str, Any]:
    return {
        "name": app.name,
        "version": pegboard.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "development": app.dev,
        "uptime": time.time() - app.state("system").started,
    }


def _plugins(app: App, *, is_insider: bool) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "state": status.state,
            "reason": status.reason if is_insider else None,
            "summary": status.candidate.manifest.summary if status.candidate.manifest else "",
            "version": status.candidate.version,
        }
        for name, status in sorted(app.plugins.status.items())
    ]


def _mods(app: App, *, is_insider: bool) -> list[dict[str, Any]]:
    generations = app.mods.generations
    return [
        {
            "name": name,
            "state": status.state,
            "reason": status.reason if is_insider else None,
            "generation": generations[name].number if name in generations else None,
            "calls": generations[name].leases if name in generations else 0,
        }
        for name, status in sorted(app.mods.status.items())
    ]


def _exports(app: App, *, is_insider: bool) -> list[dict[str, Any]]:
    exports = [slot.export for _, slot in sorted(app.registry.table.items())]
    return [
        {
            "address": each.address,
            "summary": each.summary,
            "reachable": each.options.api and not each.internal,
            "methods": each.methods if each.options.api else (),
            "level": each.required_level,
            "public": each.options.api and each.public,
        }
        for each in exports
        if each is not None and ((each.options.api and not each.internal) or is_insider)
    ]


def _sockets(app: App, *, is_insider: bool) -> dict[str, Any] | None:
    """Tell what the WebSockets do; None where nothing serves any.

    Which channels there are is for insiders: their names may say who talks to whom.
    """
    try:
        statistics = app.service(Channels).statistics()  # type: ignore[type-abstract]  # a Protocol stands for its implementations
    except MissingPluginError:
        return None
    told = msgspec.structs.asdict(statistics)
    return told if is_insider else told | {"channels": len(statistics.channels)}
