"""Objects that track their own status, as `track_job` finds them: names looked up, never demanded.

The documented class is `CPluginScript`; any object with some of its attributes will do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from pegboard.contracts.job import JobFailure, JobStatus

__all__ = ["PluginObject", "status_of_code", "unfinished"]

CODES = {
    "SUCCEEDED": 0,
    "FAILED": 1,
    "RUNNING": 2,
    "UNSATISFACTORY": 3,
}
"""Codes of an object whose class names none."""

_STATUSES = {
    "SUCCEEDED": JobStatus.FINISHED,
    "FAILED": JobStatus.FAILED,
    "RUNNING": JobStatus.RUNNING,
    "UNSATISFACTORY": JobStatus.UNSATISFACTORY,
    "INTERRUPTED": JobStatus.INTERRUPTED,
    "MARK_TO_DELETE": JobStatus.TO_DELETE,
}

SIGNALS = ("statusChanged", "status_changed")
"""Attributes that may hold a signal: something with `connect` and `disconnect`."""


def status_of_code(code: Any, plugin: Any = None) -> JobStatus:
    """Return what a status code of a plugin object means; an unknown one means FAILED."""
    for name, status in _STATUSES.items():
        known = getattr(plugin, name, CODES.get(name))
        if known is not None and code == known:
            return status
    return JobStatus.FAILED


class PluginObject:
    """One tracked object.

    Args:
        plugin: The object.
    """

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin

    @property
    def task_name(self) -> str:
        """Name of its task."""
        names = (
            getattr(self._plugin, name, None) for name in ("TASKNAME", "taskName", "task_name")
        )
        return next((str(name) for name in names if name), "unknown")

    @property
    def title(self) -> str:
        """What people call it."""
        name = getattr(self._plugin, "name", None)
        name = name() if callable(name) else name
        return str(name or self.task_name)

    @property
    def parent(self) -> UUID | None:
        """The job of its parent object."""
        parent = getattr(self._plugin, "parent", None)
        parent = parent() if callable(parent) else parent
        return _uuid(getattr(parent, "_dbJobId", None))

    @property
    def job(self) -> UUID | None:
        """The job that it has already."""
        return _uuid(getattr(self._plugin, "_dbJobId", None))

    @property
    def container(self) -> Any:
        """What holds its data."""
        return getattr(self._plugin, "container", None) or self._plugin

    @property
    def outputs(self) -> Any:
        """What holds its output data, None if there is nothing."""
        for holder in (self._plugin, self.container):
            found = getattr(holder, "outputData", None)
            if found is not None:
                return found
        return None

    @property
    def status(self) -> JobStatus | None:
        """The status that it says, None if it says none."""
        ask = getattr(self._plugin, "get_status", None)
        code = ask() if callable(ask) else getattr(self._plugin, "_status", None)
        return None if code is None else self.meaning(code)

    def meaning(self, code: Any) -> JobStatus:
        """Return what one of its codes means; it may come wrapped in a mapping."""
        if isinstance(code, dict):
            code = code.get("finishStatus", code.get("status"))
        return status_of_code(code, self._plugin)

    def introduce(self, handler: Any, project: UUID, job: UUID, number: str, folder: str) -> None:
        """Set the documented attributes."""
        values = {
            "_dbHandler": handler,
            "_db_handler": handler,
            "_dbProjectId": project,
            "_dbJobId": job,
            "_dbJobNumber": number,
            "workDirectory": folder,
        }
        for name, value in values.items():
            with contextlib.suppress(AttributeError):  # one that its class does not let be set
                setattr(self._plugin, name, value)

    @contextlib.contextmanager
    def watched(self, changed: Callable[[JobStatus], None]) -> Iterator[None]:
        """Hear of each status that the object's signal tells while the block runs."""
        signal = next((getattr(self._plugin, name, None) for name in SIGNALS), None)
        if signal is None or not hasattr(signal, "connect"):
            yield
            return

        def hear(*values: Any) -> None:
            status = self.meaning(values[-1]) if values and values[-1] is not None else self.status
            if status is not None:
                changed(status)

        signal.connect(hear)
        try:
            yield
        finally:
            if hasattr(signal, "disconnect"):
                signal.disconnect(hear)

    @property
    def can_save(self) -> bool:
        """Whether it can write its parameters."""
        return callable(getattr(self._plugin, "saveParams", None))

    def save(self) -> None:
        """Let it write its parameters."""
        self._plugin.saveParams()


def _uuid(value: Any) -> UUID | None:
    if value is None or isinstance(value, UUID):
        return value
    return UUID(str(value))


def unfinished(status: JobStatus) -> tuple[JobStatus, JobFailure]:
    """Return how a job ends whose object never said that it has ended."""
    text = f"its block ended while the plugin object still said {status.name}"
    return JobStatus.INTERRUPTED, JobFailure(reason="unfinished", message=text)
