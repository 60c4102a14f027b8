"""Is this set up so that it can work? Checks without a side effect that lasts."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard._app import App
from pegboard._config import AppSettings, load_config
from pegboard._serving.advice import advice
from pegboard._serving.control import ask
from pegboard._serving.failure import flattened
from pegboard._serving.listen import listen
from pegboard._serving.serve import choose_server
from pegboard.contracts.page import HealthCheck
from pegboard.contracts.server import ServeSettings
from pegboard.errors import PegboardError

if TYPE_CHECKING:
    from pegboard._mods import ModStatus
    from pegboard._plugins import PluginStatus

__all__ = ["Check", "examine"]


class Check(HealthCheck, frozen=True, kw_only=True):
    """What was found, and how bad it is.

    Attributes:
        is_warning: Whether it works, but not as it should.
    """

    is_warning: bool = False

    @property
    def state(self) -> str:
        """In one word."""
        return "failed" if not self.ok else "warning" if self.is_warning else "ok"


async def examine(project: Path) -> list[Check]:
    """Return the answers of all checks for a project; none raises."""
    checks = [_python(), _bytecode()]
    stuck = list(_stuck(project))
    if stuck:
        detail = "not tried: code that does not end would hold this command as well"
        return [*checks, *stuck, Check(name="start", ok=False, detail=detail)]
    try:
        async with App(project=project, brief=True) as app:
            checks += [check for each in (_config, _data, _server, _port) for check in each(app)]
            checks += _statuses("plugin", app.plugins.status)
            checks += _statuses("mod", app.mods.status)
            checks += _health(app)
            checks += _leftovers(app.data)
            checks += [
                Check(name="advice", ok=True, is_warning=True, detail=each) for each in advice(app)
            ]
    except (PegboardError, BaseExceptionGroup) as error:
        known = flattened(error)
        if known is None:
            raise
        checks.append(Check(name="start", ok=False, detail=str(known)))
    return checks


def _python() -> Check:
    ok = sys.version_info >= (3, 11) and sys.implementation.name == "cpython"
    detail = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    return Check(name="python", ok=ok, detail=detail)


def _bytecode() -> Check:
    """Check that compiled modules are kept: without them each start compiles everything anew."""
    if sys.dont_write_bytecode:
        detail = "PYTHONDONTWRITEBYTECODE is set: each start compiles everything anew"
        return Check(name="byte-compilation", ok=True, is_warning=True, detail=detail)
    source = str(sys.modules[App.__module__].__file__)
    cached = Path(importlib.util.cache_from_source(source))
    ok = cached.exists() or os.access(_existing(cached.parent), os.W_OK)
    detail = "kept" if ok else f"{cached.parent} is not writable: python -m compileall as its owner"
    return Check(name="byte-compilation", ok=True, is_warning=not ok, detail=detail)


def _config(app: App) -> Iterator[Check]:
    detail = ", ".join(sorted(set(app.config.origins.values()))) or "defaults only"
    yield Check(name="configuration", ok=True, detail=detail)


def _data(app: App) -> Iterator[Check]:
    folder = _existing(app.data)
    try:
        with tempfile.TemporaryFile(dir=folder):
            ok, detail = True, str(app.data)
    except OSError as error:
        ok, detail = False, f"cannot write in {folder}: {error.strerror or error}"
    yield Check(name="data folder", ok=ok, detail=detail)


def _server(app: App) -> Iterator[Check]:
    settings = app.config.section("serve", ServeSettings)
    try:
        server = choose_server(app, settings)
    except PegboardError as error:
        yield Check(name="server", ok=False, detail=str(error))
    else:
        offered = sorted(
            each.name for _, each in app.hooks.all("serve", app=app, settings=settings)
        )
        detail = f"{server.name}, of {', '.join(offered)}"
        yield Check(name="server", ok=True, detail=detail)
    for path in filter(None, (settings.certfile, settings.keyfile)):
        readable = os.access(path, os.R_OK)
        detail = path if readable else f"{path} cannot be read"
        yield Check(name="certificate", ok=readable, detail=detail)


def _port(app: App) -> Iterator[Check]:
    settings = app.config.section("serve", ServeSettings)
    try:
        for each in listen(settings.host, settings.port):
            each.close()
    except PegboardError as error:
        yield Check(name="port", ok=False, detail=str(error))
    else:
        detail = f"{settings.port} of {settings.host} is free"
        yield Check(name="port", ok=True, detail=detail)


def _statuses(
    kind: str, statuses: dict[str, PluginStatus] | dict[str, ModStatus]
) -> Iterator[Check]:
    broken = {name: each for name, each in statuses.items() if each.state not in ("active", "off")}
    for name, status in broken.items():
        yield Check(name=f"{kind} {name}", ok=False, detail=f"{status.state}: {status.reason}")
    yield from _rejected(kind, statuses)
    if not broken:
        active = [name for name, each in statuses.items() if each.state == "active"]
        yield Check(name=f"{kind}s", ok=True, detail=", ".join(sorted(active)) or "none")


def _rejected(
    kind: str, statuses: dict[str, PluginStatus] | dict[str, ModStatus]
) -> Iterator[Check]:
    for name, status in statuses.items():
        if status.rejected:
            detail = f"its newest version does not serve, the one before does: {status.rejected}"
            yield Check(name=f"{kind} {name}", ok=True, is_warning=True, detail=detail)


def _health(app: App) -> Iterator[Check]:
    """Ask the plugins themselves; one that raises is unhealthy."""
    for each in app.hooks.implementations("health"):
        name = each.plugin_name
        try:
            answers: Any = app.hooks.call(name, "health", app=app) or ()
            for check in answers:
                yield Check(name=f"{name}: {check.name}", ok=check.ok, detail=check.detail)
        except Exception as error:  # noqa: BLE001 - that is what is being found out
            yield Check(name=name, ok=False, detail=f"{type(error).__name__}: {error}")


def _stuck(project: Path) -> Iterator[Check]:
    """Ask the processes that serve the project for new code that does not end."""
    try:
        data = project / load_config(project).section("app", AppSettings).data
        for process, reports in ask(data, "stuck"):
            for each in reports:
                name = f"{each['kind']} {each['name']}"
                detail = f"{each['reason']}, in process {process}, which reloads nothing meanwhile"
                yield Check(name=name, ok=False, detail=detail)
    except (PegboardError, OSError):  # which will be said by what comes next
        return


def _leftovers(data: Path) -> Iterator[Check]:
    """Ask the processes that serve the project for old code that is not gone."""
    try:
        for process, reports in ask(data, "retired"):
            for each in reports:
                yield _leftover(process, each)
    except (PegboardError, OSError) as error:
        yield Check(name="old code", ok=True, is_warning=True, detail=str(error))


def _leftover(process: int, report: dict[str, Any]) -> Check:
    name = f"old code of {report['owner']}"
    which = f"generation {report['number']} in process {process}"
    if report["busy"]:
        detail = f"{which} still has {report['busy']} calls, streams or sockets"
        return Check(name=name, ok=True, detail=detail)
    holders = ", ".join(report["held_by"]) or "nobody that was found"
    alive = ", ".join(report["alive"])
    detail = f"{which} is not gone: {alive}; held by {holders}"
    return Check(name=name, ok=True, is_warning=True, detail=detail)


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    while not path.exists():
        path = path.parent
    return path
