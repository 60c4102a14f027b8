"""An app for one test: isolated, started, closed at the end, and watched for what it leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
from anyio import TaskInfo, lowlevel

from pegboard._app import App

__all__ = ["AppFactory", "LeakError", "retired", "watched"]

SETTLING = 20  # turns of the event loop that ended tasks get to vanish


class LeakError(AssertionError):
    """Something of an app was still there after the app had stopped."""


class AppFactory:
    """Makes the apps of one test.

    Attributes:
        project: Folder of the project; put mods into `project / "mods"` before the app starts.

    Args:
        project: Folder that is made, and used by all apps of this factory.
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        (project / "mods").mkdir(parents=True, exist_ok=True)

    def __call__(
        self,
        *,
        plugins: Sequence[str | object] | None = (),
        mods: Sequence[str | ModuleType | Path] | None = None,
        config: Mapping[str, Any] | None = None,
        name: str = "test",
        dev: bool = False,
    ) -> AbstractAsyncContextManager[App]:
        """Return a context manager that starts an app and stops it at the end.

        Args:
            plugins: Names of installed plugins, or plugin objects; None takes all installed.
            mods: Names, modules or paths; None takes those in the project's folder, and only
                those.
            config: Nested settings.
            name: Name of the app.
            dev: Whether clients see tracebacks.

        Raises:
            LeakError: On leaving, if tasks or worker threads of the app are still busy. What the
                test itself starts inside of the block has to end inside of it.
        """
        chosen = sorted(_mods_in(self.project / "mods")) if mods is None else mods
        app = App(
            name,
            project=self.project,
            plugins=plugins,
            mods=chosen,
            config=config,
            dev=dev,
            testing=True,
        )
        return watched(app)


@asynccontextmanager
async def watched(app: App) -> AsyncIterator[App]:
    """Run an app inside the block, and look for what it leaves behind.

    Raises:
        LeakError: On leaving, if tasks or worker threads of the app are still busy.
    """
    before = {task.id for task in anyio.get_running_tasks()}
    async with app:
        yield app
    left = await _left_tasks(before)
    if left:
        msg = f"still running after {app!r} has stopped: {', '.join(left)}"
        raise LeakError(msg)
    if app.threads.borrowed_tokens:
        msg = f"{app.threads.borrowed_tokens:g} worker threads of {app!r} are still busy"
        raise LeakError(msg)


async def _left_tasks(before: set[int]) -> list[str]:
    left: list[str] = []
    for _ in range(SETTLING):
        own = anyio.get_current_task()
        left = [
            str(task.name)
            for task in anyio.get_running_tasks()
            if task.id not in before and task.id != own.id and not _is_of_runner(task)
        ]
        if not left:
            break
        await lowlevel.checkpoint()
    return left


def _is_of_runner(task: TaskInfo) -> bool:
    """Whether a task only waits for a test, or for the end of a fixture, on behalf of pytest.

    On asyncio the plugin of anyio makes a new one each time that it enters the loop.
    """
    return getattr(task.coro, "__qualname__", "") == "TestRunner._call_in_runner_task"


def _mods_in(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.iterdir()
        if not path.name.startswith(("_", "."))
        and (path.suffix == ".py" or (path / "__init__.py").is_file())
    ]


async def retired(app: App, *, within: float = 5.0) -> None:
    """Wait until every generation that was replaced in this app is gone.

    Args:
        app: The app, which runs.
        within: Seconds that calls and streams of old generations get to end.

    Raises:
        LeakError: If one is still there, naming what is alive of it and who holds that.
    """
    with anyio.move_on_after(within):
        await app.reloader.settle()
    for each in app.reloader.retired():
        what = f"generation {each.number} of {each.owner}"
        if each.busy:
            msg = f"{each.busy} calls or streams still run in {what}"
        else:
            holders = ", ".join(each.held_by) or "nobody that was found"
            msg = f"{what} is not gone: {', '.join(each.alive)}; held by: {holders}"
        raise LeakError(msg)
