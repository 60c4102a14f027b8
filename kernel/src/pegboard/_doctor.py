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
from pegboard._failure import flattened
from pegboard._listen import listen
from pegboard._page import HealthCheck
from pegboard._serve import choose_server
from pegboard.contracts.server import ServeSettings
from pegboard.errors import PegboardError

if TYPE_CHECKING:
    from pegboard._mods import ModStatus
    from pegboard._plugins import PluginStatus

__all__ = ["examine"]


async def examine(project: Path) -> list[HealthCheck]:
    """Return the answers of all checks for a project; none raises."""
    checks = [_python(), _bytecode()]
    try:
        async with App(project=project) as app:
            checks += [check for each in (_config, _data, _server, _port) for check in each(app)]
            checks += _statuses("plugin", app.plugins.status)
            checks += _statuses("mod", app.mods.status)
            checks += _health(app)
    except (PegboardError, BaseExceptionGroup) as error:
        known = flattened(error)
        if known is None:
            raise
        checks.append(HealthCheck(name="start", ok=False, detail=str(known)))
    return checks


def _python() -> HealthCheck:
    ok = sys.version_info >= (3, 11) and sys.implementation.name == "cpython"
    detail = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    return HealthCheck(name="python", ok=ok, detail=detail)


def _bytecode() -> HealthCheck:
    """Check that compiled modules are kept: without them each start compiles everything anew."""
    if sys.dont_write_bytecode:
        detail = "PYTHONDONTWRITEBYTECODE is set: each start compiles everything anew"
        return HealthCheck(name="byte-compilation", ok=False, detail=detail)
    source = str(sys.modules[App.__module__].__file__)
    cached = Path(importlib.util.cache_from_source(source))
    ok = cached.exists() or os.access(_existing(cached.parent), os.W_OK)
    detail = "kept" if ok else f"{cached.parent} is not writable: python -m compileall as its owner"
    return HealthCheck(name="byte-compilation", ok=ok, detail=detail)


def _config(app: App) -> Iterator[HealthCheck]:
    app.config.section("serve", ServeSettings)
    origins = {each.origin for each in app.config.settings()} - {"default"}
    detail = ", ".join(sorted(origins)) or "defaults only"
    yield HealthCheck(name="configuration", ok=True, detail=detail)


def _data(app: App) -> Iterator[HealthCheck]:
    folder = _existing(app.data)
    try:
        with tempfile.TemporaryFile(dir=folder):
            ok, detail = True, str(app.data)
    except OSError as error:
        ok, detail = False, f"cannot write in {folder}: {error.strerror or error}"
    yield HealthCheck(name="data folder", ok=ok, detail=detail)


def _server(app: App) -> Iterator[HealthCheck]:
    settings = app.config.section("serve", ServeSettings)
    try:
        server = choose_server(app, settings)
    except PegboardError as error:
        yield HealthCheck(name="server", ok=False, detail=str(error))
    else:
        offered = sorted(
            each.name for _, each in app.hooks.all("serve", app=app, settings=settings)
        )
        detail = f"{server.name}, of {', '.join(offered)}"
        yield HealthCheck(name="server", ok=True, detail=detail)
    for path in filter(None, (settings.certfile, settings.keyfile)):
        readable = os.access(path, os.R_OK)
        detail = path if readable else f"{path} cannot be read"
        yield HealthCheck(name="certificate", ok=readable, detail=detail)


def _port(app: App) -> Iterator[HealthCheck]:
    settings = app.config.section("serve", ServeSettings)
    try:
        for each in listen(settings.host, settings.port):
            each.close()
    except PegboardError as error:
        yield HealthCheck(name="port", ok=False, detail=str(error))
    else:
        detail = f"{settings.port} of {settings.host} is free"
        yield HealthCheck(name="port", ok=True, detail=detail)


def _statuses(
    kind: str, statuses: dict[str, PluginStatus] | dict[str, ModStatus]
) -> Iterator[HealthCheck]:
    broken = {name: each for name, each in statuses.items() if each.state not in ("active", "off")}
    for name, status in broken.items():
        yield HealthCheck(
            name=f"{kind} {name}", ok=False, detail=f"{status.state}: {status.reason}"
        )
    if not broken:
        active = [name for name, each in statuses.items() if each.state == "active"]
        yield HealthCheck(name=f"{kind}s", ok=True, detail=", ".join(sorted(active)) or "none")


def _health(app: App) -> Iterator[HealthCheck]:
    """Ask the plugins themselves; one that raises is unhealthy."""
    for each in app.hooks.implementations("health"):
        name = each.plugin_name
        try:
            answers: Any = app.hooks.call(name, "health", app=app) or ()
            for check in answers:
                yield HealthCheck(name=f"{name}: {check.name}", ok=check.ok, detail=check.detail)
        except Exception as error:  # noqa: BLE001 - that is what is being found out
            yield HealthCheck(name=name, ok=False, detail=f"{type(error).__name__}: {error}")


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    while not path.exists():
        path = path.parent
    return path
