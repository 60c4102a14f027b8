"""Whether this app works: what its plugins say when they are asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from pegboard import App

__all__ = ["Check", "Health", "HealthReport"]

_logger = logging.getLogger("pegboard.http")

KEPT = 1.0
"""Seconds that a report is kept, so that whoever asks often costs little."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check.

    Attributes:
        plugin: Who has checked.
        name: What was checked.
        ok: Whether it works.
        detail: What was found.
    """

    plugin: str
    name: str
    ok: bool
    detail: str = ""


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `/health`.

    Attributes:
        status: `ok`; `degraded` where a plugin or mod was left out, or its newest code was, and
            the rest works; `failing` where a check of a plugin fails; `stopping` while the app
            stops and wants no new work.
        checks: What the plugins have answered, and those of `pegboard`: what was left out.
    """

    status: Literal["ok", "degraded", "failing", "stopping"]
    checks: list[Check]

    @property
    def is_serving(self) -> bool:
        """Whether requests should be sent here."""
        return self.status in {"ok", "degraded"}


class Health:
    """Asks the plugins of an app, at most once a second."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._report: HealthReport | None = None
        self._asked = 0.0

    def report(self) -> HealthReport:
        """Return how it is, or was up to a second ago."""
        now = time.monotonic()
        if self._app.stopping.is_set():
            return HealthReport(status="stopping", checks=[])
        if self._report is None or now - self._asked >= KEPT:
            self._report, self._asked = self._ask(), now
        return self._report

    def _ask(self) -> HealthReport:
        checks = list(self._checks())
        if not all(each.ok for each in checks):
            return HealthReport(status="failing", checks=checks)
        lacking = list(self._lacking())
        return HealthReport(status="degraded" if lacking else "ok", checks=checks + lacking)

    def _checks(self) -> Iterator[Check]:
        for each in self._app.hooks.implementations("health"):
            plugin = each.plugin_name
            try:
                arguments = {"app": self._app}
                found = each.function(*(arguments[name] for name in each.argnames)) or ()
                checks = [
                    Check(plugin=plugin, name=one.name, ok=one.ok, detail=one.detail)
                    for one in found
                ]
            except (Exception, SystemExit):
                _logger.exception("the health check of plugin %s failed", plugin)
                checks = [Check(plugin=plugin, name="check", ok=False, detail="it raised")]
            yield from checks

    def _lacking(self) -> Iterator[Check]:
        """Name what was left out; why, which may name paths, only to those who develop it."""
        for each in self._app.reloader.unserved():
            what = "its newest code does not serve, the code before does"
            why = each.reason if self._app.dev else "the log says why"
            detail = f"{what if each.generation else 'it does not serve'}: {why}"
            yield Check(plugin="pegboard", name=f"{each.kind} {each.name}", ok=False, detail=detail)
