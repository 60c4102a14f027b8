"""Locks of files by their path: `FileLockManager`, `LockedFile`."""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

import msgspec

from pegboard.contracts.lock import LockHolder
from pegboard.errors import ConfigError, InputError
from pegboard_durable import writing
from pegboard_locking._file_lock import FileLock
from pegboard_locking._folder import LockFolder

__all__ = ["FileLockManager", "LockInfo", "LockedFile", "PathLock"]

LockType = Literal["exclusive", "write", "shared", "read"]

_IS_SHARED = {"exclusive": False, "write": False, "shared": True, "read": True}
_MODES = frozenset({"r", "rb", "w", "wb", "a", "ab", "x", "xb", "r+", "r+b", "rb+"})

Path_ = str | os.PathLike[str]


class LockInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock of a file.

    Attributes:
        pid: Process that holds it.
        timestamp: When it took the lock.
        lock_type: `exclusive` or `shared`.
        host: Name of its machine.
    """

    pid: int
    timestamp: datetime
    lock_type: str
    host: str


class FileLockManager:
    """Locks files by path: for all threads and processes that ask for the same file.

    A file may exist or not, and is not touched; however its path is spelled, and through whatever
    links, it has one lock. What the locks need lies in a folder of its own.

    Args:
        folder: That folder. All that exclude one another use the same one; the default is one for
            all programs of the user on this machine.
    """

    def __init__(self, folder: Path_ | None = None) -> None:
        self._folder = _shared_folder() if folder is None else LockFolder(folder)

    def acquire_lock(
        self, path: Path_, lock_type: LockType = "exclusive", timeout: float | None = 10.0
    ) -> PathLock:
        """Return the lock of a file, to be entered with `with` or `async with`.

        Args:
            path: The file.
            lock_type: `exclusive` or `write` for one holder, `shared` or `read` for several.
            timeout: Seconds to wait, 0 to take it now or not at all, None to wait for ever.

        Raises:
            InputError: If there is no such type, or the timeout is negative.
        """
        if lock_type not in _IS_SHARED:
            msg = f"there is no lock type {lock_type!r}, only {', '.join(_IS_SHARED)}"
            raise InputError(msg)
        return PathLock(self._folder, _key(path), shared=_IS_SHARED[lock_type], timeout=timeout)

    def is_locked(self, path: Path_) -> bool:
        """Whether anybody holds the lock of a file, in whatever process.

        Raises:
            UnavailableError: If the folder of the locks cannot be read.
        """
        return self._folder.is_locked(_key(path))

    def get_lock_info(self, path: Path_) -> LockInfo | None:
        """Return who holds the lock of a file, the first of several; None if nobody does.

        Raises:
            UnavailableError: If the folder of the locks cannot be read.
        """
        holders = self._folder.holders(_key(path))
        return _info(min(holders, key=lambda each: each.since)) if holders else None


class PathLock:
    """The lock of a file; entering it waits, and answers a `LockInfo`.

    Args:
        folder: Where the lock is.
        key: The true path.
        shared: Whether others may hold it too.
        timeout: Seconds to wait, None to wait for ever.
    """

    def __init__(
        self, folder: LockFolder, key: str, *, shared: bool, timeout: float | None
    ) -> None:
        title = os.path.basename(key)  # noqa: PTH119 - errors may reach a client: no folders
        self._lock: FileLock = folder.lock(key, shared=shared, timeout=timeout, title=title)

    def __enter__(self) -> LockInfo:
        """Take the lock; waits in this thread.

        Raises:
            LockedError: If it was not free in time.
            AlreadyHeldError: If this thread has it already.
        """
        return _info(self._lock.hold().holder)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        self._lock.__exit__(kind, error, trace)

    async def __aenter__(self) -> LockInfo:
        """Take the lock, without blocking the event loop.

        Raises:
            LockedError: If it was not free in time.
            AlreadyHeldError: If this task has it already.
        """
        return _info((await self._lock.hold_async()).holder)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        await self._lock.__aexit__(kind, error, trace)


class LockedFile:
    """Opens a file while its lock is held: shared for reading, alone for writing.

    With `w` the old content stays, also for those who ask for no lock, until the block has ended
    well; then the new one takes its place in one step. `a`, `x` and `r+` write in place.

    Args:
        path: The file.
        mode: `r`, `w`, `a`, `x` or `r+`, with or without `b`.
        timeout: Seconds to wait for the lock, None to wait for ever.
        encoding: Encoding of text.
        folder: Folder of the locks; see `FileLockManager`.

    Raises:
        InputError: If there is no such mode.
    """

    def __init__(
        self,
        path: Path_,
        mode: str = "r",
        timeout: float | None = 10.0,
        *,
        encoding: str = "utf-8",
        folder: Path_ | None = None,
    ) -> None:
        if mode not in _MODES:
            msg = f"a locked file has no mode {mode!r}, only {', '.join(sorted(_MODES))}"
            raise InputError(msg)
        self._path = Path(path)
        self._mode = mode
        self._encoding = None if "b" in mode else encoding
        kind: LockType = "shared" if mode in {"r", "rb"} else "exclusive"
        self._lock = FileLockManager(folder).acquire_lock(path, kind, timeout)
        self._stack = ExitStack()

    def __enter__(self) -> IO[Any]:
        """Take the lock and open the file.

        Raises:
            LockedError: If it was not free in time.
            OSError: If the file cannot be opened.
        """
        with ExitStack() as entering:
            entering.enter_context(self._lock)
            file = entering.enter_context(_opened(self._path, self._mode, self._encoding))
            self._stack = entering.pop_all()
        return file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file and give the lock back.

        Raises:
            DurableError: If the new content could not be put in its place.
        """
        self._stack.__exit__(kind, error, trace)


@contextmanager
def _opened(path: Path, mode: str, encoding: str | None) -> Iterator[IO[Any]]:
    if not mode.startswith("w"):
        with path.open(mode, encoding=encoding) as file:
            yield file
        return
    with writing(path) as file:
        if encoding is None:
            yield file
            return
        text = io.TextIOWrapper(file, encoding=encoding)
        try:
            yield text
        finally:
            text.detach()  # flushes; what is below is closed by its owner


def _key(path: Path_) -> str:
    """Return what all spellings of a path have in common."""
    return os.path.realpath(path)


def _info(holder: LockHolder) -> LockInfo:
    kind = "shared" if holder.shared else "exclusive"
    return LockInfo(pid=holder.pid, timestamp=holder.since, lock_type=kind, host=holder.host)


@cache
def _shared_folder() -> LockFolder:
    """Return the folder of all programs of the user: the same wherever and however they start.

    Raises:
        ConfigError: If somebody else has taken its name.
    """
    if sys.platform == "win32":
        return LockFolder(Path(tempfile.gettempdir()) / "pegboard" / "locks")
    path = Path("/tmp") / f"pegboard-{os.getuid()}"  # noqa: S108 - owner and mode are looked at
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        msg = f"{path} is no folder of this user alone: remove it, or name a folder for the locks"
        raise ConfigError(msg)
    return LockFolder(path / "locks")
