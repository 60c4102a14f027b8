"""Follows the files of an app for as long as it runs, whatever happens to them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import msgspec
from anyio import to_thread

from pegboard_hot_reload._burst import Burst, is_source
from pegboard_hot_reload._closing import Closings
from pegboard_hot_reload._installed import Installed, add_paths, is_installed, site_folders
from pegboard_hot_reload._source import events
from pegboard_hot_reload._unfinished import (
    git_locks,
    is_being_written,
    is_blank,
    is_git_busy,
    is_missing,
)

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

    from pegboard import App
    from pegboard_hot_reload.config import HotReloadConfig

__all__ = ["Watcher"]

INSTALLED = frozenset({".dist-info", ".pth"})
"""Suffixes of what an installation writes, or removes, in the folder of distributions."""

QUIET_INSTALL = 0.3
"""Seconds without an event that end an installation, if all its files are there."""

LONGEST_INSTALL = 120.0
"""Seconds that an installation may take."""

HANGS = 1.0
"""Seconds after which a further save gives up new code that is still beginning."""

CHECK = 1.0
"""Seconds between two looks at whether what is watched is what it was when that began."""

FIRST_RETRY = 0.1
"""Seconds before watching begins again after it has failed; each further time twice as long."""

LONGEST_RETRY = 5.0

_logger = logging.getLogger("pegboard.hot_reload")


class Watcher:
    """Watches, and has the app follow.

    Attributes:
        problem: Why nothing is watched at the moment, empty where all is well.
        restarts: How often watching had to begin again.
    """

    def __init__(self, app: App, config: HotReloadConfig) -> None:
        self.problem = ""
        self.restarts = 0
        self._app = app
        self._config = config
        self._changed: set[Path] = set()
        self._woken = anyio.Event()
        self._installing = anyio.Event()
        self._stop = anyio.Event()
        self._closings: Closings | None = None
        self._locks: list[Path] = []
        self._hangs_from = inf
        self._ended = False

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Watch and follow until `close`; it has started once there are events, or an error."""
        self._started: TaskStatus[None] | None = task_status
        async with anyio.create_task_group() as group:
            group.start_soon(self._follow, name="following changes")
            group.start_soon(self._listen_closely, name="listening to Linux")
            if self._config.installed:
                group.start_soon(self._follow_installed, name="following distributions")
            await self._watch()
            group.cancel_scope.cancel()

    def _note_start(self) -> None:
        if self._started is not None:
            self._started.started()
            self._started = None

    def close(self) -> None:
        """Let `run` end."""
        self._ended = True
        self._stop.set()

    # -- what happens ----------------------------------------------------------------------

    async def _watch(self) -> None:
        wait = FIRST_RETRY
        while not self._ended:
            try:
                await self._session()
                wait = FIRST_RETRY
            except Exception as error:  # noqa: BLE001 - whatever it is, watching goes on
                self.problem = ", ".join(_causes(error))
                self._note_start()
                _logger.error("files are not watched: %s; trying again", self.problem)  # noqa: TRY400 - the sentence says it all
                with anyio.move_on_after(wait):
                    await self._stop.wait()
                wait = min(2 * wait, LONGEST_RETRY)
            self.restarts += not self._ended

    async def _session(self) -> None:
        """Watch until what is to be watched is something else."""
        self._stop = anyio.Event()
        watched = _Watched.of(self._app)
        async with anyio.create_task_group() as group:
            if watched.deep:
                group.start_soon(self._listen, watched, True)
            if watched.flat:
                group.start_soon(self._listen, watched, False)
            await anyio.wait_all_tasks_blocked()
            self._note_start()
            self._note(())  # for what has changed before there were events
            self.problem = "" if watched.deep or watched.flat else "there is nothing to watch"
            while not self._ended and not self._stop.is_set() and watched == _Watched.of(self._app):
                if self._closings is not None:
                    self._closings.add(self._code_folders())
                with anyio.move_on_after(CHECK):
                    await self._stop.wait()
            self._stop.set()

    async def _listen(self, watched: _Watched, recursive: bool) -> None:  # noqa: FBT001 - for `start_soon`
        folders = watched.deep if recursive else watched.flat
        async for paths in events(folders, self._config, self._stop, recursive=recursive):
            if recursive:
                relevant = [path for path in paths if is_source(path) and self._is_news(path)]
                if relevant:
                    self._note(relevant)
            elif any(_is_entry(path) for path in paths):
                self._stop.set()
            elif any(path.suffix in INSTALLED for path in paths):
                self._installing.set()
        self._stop.set()

    async def _listen_closely(self) -> None:
        """Hear sooner of files that are written, where the system can tell."""
        if self._config.polling:
            return
        try:
            self._closings = closings = Closings()
        except OSError as error:
            _logger.debug("changes are seen a little later: %s", error)
            return
        try:
            while True:
                paths = [path for path in await closings.next() if is_source(path)]
                if paths:
                    self._note(paths)
        finally:
            self._closings = None
            closings.close()

    def _is_news(self, path: Path) -> bool:
        return self._closings is None or not self._closings.has_told(path)

    def _code_folders(self) -> set[Path]:
        return {path.parent for path in self._loaded() if not is_installed(path)}

    def _note(self, paths: Iterable[Path]) -> None:
        self._changed.update(paths)
        self._woken.set()
        if paths and anyio.current_time() > self._hangs_from:
            self._app.reloader.interrupt()

    # -- what is done about it -------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            await self._woken.wait()
            self._woken = anyio.Event()
            paths, look = await self._whole()
            # What has been waited for, and is still open, is taken as it is: its writer may never
            # close it, and code must not be executed only to be dropped. So it is with git.
            locks = [] if look.is_blocked else self._locks
            halves = _Halves(locks, look.missing, ask_writers=not look.is_unfinished)
            try:
                self._hangs_from = anyio.current_time() + HANGS
                await self._app.reloader.follow(self._known(paths), unfinished=halves.has)
                if halves.paths:
                    self._note(paths | halves.paths)
            except Exception:
                _logger.exception("a change could not be followed")
            finally:
                self._hangs_from = inf

    async def _follow_installed(self) -> None:
        """Have the app follow distributions that come, change and go, each when it is complete."""
        before = Installed.now()
        while True:
            await self._installing.wait()
            now = before
            deadline = anyio.current_time() + LONGEST_INSTALL
            while anyio.current_time() < deadline:
                self._installing = anyio.Event()
                with anyio.move_on_after(QUIET_INSTALL):
                    await self._installing.wait()
                    continue
                now = await to_thread.run_sync(Installed.now)
                if await to_thread.run_sync(now.is_whole, before):
                    break
            self._installing = anyio.Event()
            add_paths(sorted(now.since(before)))
            before = now
            try:
                await self._app.reloader.sync()
            except Exception:
                _logger.exception("what is installed could not be followed")
            self._stop.set()

    async def _whole(self) -> tuple[set[Path], _Look]:
        """Wait until what has changed has changed entirely; return it, and how it was then."""
        now = anyio.current_time()
        burst = Burst(self._config, now, now, set())
        self._locks = git_locks(self._roots)
        while True:
            changed, self._changed = self._changed, set()
            now = anyio.current_time()
            if changed:
                burst.add(changed, now)
            looked_at = burst.paths or self._loaded()
            look = await self._looked(looked_at, changed)
            wait = burst.wait(
                now,
                unfinished=look.is_unfinished,
                blocked=look.is_blocked,
                gone=bool(look.missing) and not look.missing.isdisjoint(self._loaded()),
            )
            if not wait and not self._changed:
                return burst.paths, look
            await anyio.sleep(wait)

    async def _looked(self, paths: set[Path], changed: set[Path]) -> _Look:
        def look() -> _Look:
            return _Look(
                is_unfinished=any(map(is_being_written, paths)) or any(map(is_blank, changed)),
                is_blocked=is_git_busy(self._locks),
                missing={path for path in paths if is_missing(path)},
            )

        return look() if len(paths) < self._config.burst_files else await to_thread.run_sync(look)

    @property
    def _roots(self) -> list[Path]:
        project = self._app.project
        return [] if project is None else [project, *project.parents]

    def _known(self, paths: set[Path]) -> set[Path] | None:
        """Return the paths if nothing but files that are loaded has changed, else None."""
        editions = list(self._app.library.editions.values())
        known = all(any(path in each.sources for each in editions) for path in paths)
        return paths if paths and known else None

    def _loaded(self) -> set[Path]:
        editions = list(self._app.library.editions.values())
        return {path for each in editions for path in each.sources}


class _Look(msgspec.Struct, frozen=True):
    """How files are at a moment.

    Attributes:
        is_unfinished: Whether one of them is being written.
        is_blocked: Whether a tool says that it is changing files.
        missing: Those that are not there.
    """

    is_unfinished: bool
    is_blocked: bool
    missing: set[Path]


class _Watched(msgspec.Struct, frozen=True):
    """Folders, each with what tells whether it is still the same one.

    Attributes:
        deep: Watched with all that is below.
        flat: Watched themselves: the project, for its folder of mods, and where distributions are.
        marks: Device and number of each folder.
    """

    deep: tuple[Path, ...]
    flat: tuple[Path, ...]
    marks: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, app: App) -> _Watched:
        """Return what is to be watched as things are now."""
        deep = tuple(sorted(each for each in app.reloader.folders() if each.is_dir()))
        flat = tuple(each for each in (app.project, *site_folders()) if each and each.is_dir())
        status = [each.stat() for each in (*deep, *flat)]
        return cls(deep, flat, tuple((each.st_dev, each.st_ino) for each in status))


class _Halves:
    """Finds out, while new code is built, which files are not there to their end.

    Args:
        locks: What git holds while it makes files anew.
        gone: Files that are known not to be there; others may be on their way.
        ask_writers: Whether a file that somebody has open is such a one.

    Attributes:
        paths: Those files.
    """

    def __init__(self, locks: list[Path], gone: set[Path], *, ask_writers: bool) -> None:
        self.paths: set[Path] = set()
        self._locks = locks
        self._gone = gone
        self._ask_writers = ask_writers

    def has(self, path: Path) -> bool:
        """Whether it is one of them."""
        is_new = path not in self._gone and is_missing(path)
        is_open = self._ask_writers and is_being_written(path)
        if is_new or is_open or is_git_busy(self._locks):
            self.paths.add(path)
        return path in self.paths


def _causes(error: BaseException) -> set[str]:
    if isinstance(error, BaseExceptionGroup):
        return {cause for each in error.exceptions for cause in _causes(each)}
    return {f"{type(error).__name__}: {error}"}


def _is_entry(path: Path) -> bool:
    """Whether a name in a folder that is watched flatly is of any matter."""
    return path.name in {"mods", "pegboard.toml"}
