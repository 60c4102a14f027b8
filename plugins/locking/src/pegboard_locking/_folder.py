"""Locks by name, in one folder: the lock provider of one machine."""

from __future__ import annotations

import os
import secrets
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from threading import Lock

from pegboard.contracts.lock import LockHolder
from pegboard.errors import InputError, UnavailableError
from pegboard_locking._attempt import Grant
from pegboard_locking._file_lock import FileLock
from pegboard_locking._lock_file import SUFFIX, LockFile, View, peek
from pegboard_locking._waiter import Waiter

__all__ = ["LockFolder"]

IDLE = 64  # lock files that stay open for the next time
KNOWN = 4096  # names whose file names are remembered
OLD = 3600.0  # seconds after its last use that a lock file may be removed
TIDY = 256  # files that are opened before a sixteenth of all is looked at for old ones


class _Line:
    """Those of this process that want one lock, in the order they came, and those that have it."""

    __slots__ = ("grants", "queue")

    def __init__(self) -> None:
        self.queue: deque[Waiter] = deque()
        self.grants: list[Grant] = []


class LockFolder:
    """Locks by name for all threads, tasks and processes that use the folder.

    Each name has a file there, made when the lock is first taken; what the file is locked with ends
    with the process. The folder has to be on a local disk.

    Args:
        path: The folder; made, for its owner only, where it is missing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._reset()
        _folders.add(self)

    def lock(
        self,
        name: str,
        *,
        shared: bool = False,
        timeout: float | None = None,
        title: str | None = None,
    ) -> FileLock:
        """Return the lock of a name; see `pegboard.contracts.lock.LockProvider`.

        Args:
            name: Any text that is not empty.
            shared: Whether others may hold it too.
            timeout: Seconds to wait, None to wait for ever.
            title: What errors call it; the name, where none is given.

        Raises:
            InputError: If the name is empty or the timeout negative.
        """
        if not name:
            msg = "a lock needs a name that is not empty"
            raise InputError(msg)
        if timeout is not None and not timeout >= 0:
            msg = f"a lock waits 0 seconds or longer, or for ever with None, not {timeout}"
            raise InputError(msg)
        return FileLock(self, name, shared=shared, timeout=timeout, title=title)

    def holders(self, name: str) -> list[LockHolder]:
        """Return who holds a lock at the moment, in any process.

        Raises:
            UnavailableError: If the folder cannot be read.
        """
        return self._peek(self._path_of(name)).holders

    def is_locked(self, name: str) -> bool:
        """Whether anybody holds a lock at the moment.

        Raises:
            UnavailableError: If the folder cannot be read.
        """
        return self._peek(self._path_of(name)).is_held

    def held(self) -> dict[str, list[LockHolder]]:
        """Return all locks of the folder that are held, by the beginning of their names.

        Raises:
            UnavailableError: If the folder cannot be read.
        """
        found = (self._peek(os.fspath(path.with_suffix(""))) for path in self._files())
        return {each.name: each.holders for each in found if each.is_held}

    def sweep(self, older_than: float = OLD) -> int:
        """Remove the files of locks that nobody has had for a while, and return how many.

        Raises:
            UnavailableError: If the folder cannot be read.
        """
        return sum(self._remove(path, time.time() - older_than) for path in self._files())

    def close(self) -> None:
        """Close the files that are kept open for the next time; held locks stay held."""
        with self._mutex:
            idle = [file for files in self._idle.values() for file in files]
            self._idle.clear()
            self._count = 0
            self._open.difference_update(idle)
        for file in idle:
            file.close()

    # -- for attempts and grants -----------------------------------------------------------

    def grant_now(self, name: str, *, shared: bool, who: tuple[int, int]) -> Grant | None:
        """Grant a lock that nobody has or wants, and whose file is open; else answer None."""
        path = self._path_of(name)
        with self._mutex:
            files = self._idle.get(path)
            if not files or name in self._lines:
                return None
            file = files.pop()
            self._count -= 1
        try:
            with self.translated("used"):
                is_taken = file.try_all(name, shared=shared)
        except BaseException:
            self.discard(file)
            raise
        if not is_taken:
            self.give_back(file)
            return None
        grant = Grant(self, file, name, shared=shared, who=who)
        self.enter(grant)
        return grant

    def is_next(self, name: str, waiter: Waiter) -> bool:
        """Whether it is the turn of this one among those of this process; if not, it is in line."""
        with self._mutex:
            queue = self._line(name).queue
            if waiter not in queue:
                queue.append(waiter)
            return queue[0] is waiter

    def leave_queue(self, name: str, waiter: Waiter) -> None:
        """Take somebody out of the line, so that the next one has its turn."""
        with self._mutex:
            line = self._lines.get(name)
            if line is None or waiter not in line.queue:
                return
            line.queue.remove(waiter)
            self._pass_on(name, line)

    def enter(self, grant: Grant) -> None:
        """Note that a lock is held."""
        with self._mutex:
            self._line(grant.name).grants.append(grant)

    def leave(self, grant: Grant) -> None:
        """Note that a lock is not held any more, and tell the one who is next."""
        with self._mutex:
            line = self._lines.get(grant.name)
            if line is not None and grant in line.grants:
                line.grants.remove(grant)
                self._pass_on(grant.name, line)

    def grants(self, name: str) -> tuple[Grant, ...]:
        """Return the holders of a lock in this process."""
        if name not in self._lines:
            return ()
        with self._mutex:
            line = self._lines.get(name)
            return () if line is None else tuple(line.grants)

    def borrow(self, name: str) -> LockFile:
        """Return an opening of the file of a lock.

        Raises:
            UnavailableError: If it cannot be made.
        """
        path = self._path_of(name)
        with self._mutex:
            files = self._idle.get(path)
            if files:
                self._count -= 1
                return files.pop()
        file = self._make(path)
        with self._mutex:
            self._open.add(file)
        return file

    def give_back(self, file: LockFile) -> None:
        """Keep an opening for the next time, in place of the one that was used longest ago."""
        surplus: list[LockFile] = []
        with self._mutex:
            self._idle.setdefault(file.path, []).append(file)
            self._idle.move_to_end(file.path)
            self._count += 1
            if self._count > IDLE:
                surplus = self._idle.popitem(last=False)[1]
                self._count -= len(surplus)
                self._open.difference_update(surplus)
        for each in surplus:
            each.close()

    def discard(self, file: LockFile) -> None:
        """Close an opening that was borrowed."""
        with self._mutex:
            self._open.discard(file)
        file.close()

    @contextmanager
    def translated(self, what: str) -> Iterator[None]:
        """Raise what the system says about a lock file as an error that says what to look at.

        Raises:
            UnavailableError: If the block raises an OSError.
        """
        try:
            yield
        except OSError as error:
            msg = f"the folder of the locks, {self.path.name}, cannot be {what}: {error.strerror}"
            raise UnavailableError(msg) from error

    def forget(self) -> None:
        """In a forked child: close what the parent has open, so that it alone holds its locks."""
        for file in self._open:
            file.close()
        self._reset()

    # --------------------------------------------------------------------------------------

    def _reset(self) -> None:
        self._mutex = Lock()
        self._lines: dict[str, _Line] = {}
        self._idle: OrderedDict[str, list[LockFile]] = OrderedDict()
        self._count = 0
        self._open: set[LockFile] = set()
        self._paths: dict[str, str] = {}
        self._makes = 0

    def _line(self, name: str) -> _Line:
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = _Line()
        return line

    def _pass_on(self, name: str, line: _Line) -> None:
        if line.queue:
            line.queue[0].wake()
        elif not line.grants:
            del self._lines[name]

    def _path_of(self, name: str) -> str:
        path = self._paths.get(name)
        if path is None:
            digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
            path = os.path.join(self.path, digest)  # noqa: PTH118 - text, for every call below
            if len(self._paths) < KNOWN:
                self._paths[name] = path
        return path

    def _make(self, path: str) -> LockFile:
        self._tidy()
        with self.translated("used"):
            try:
                return LockFile(path)
            except FileNotFoundError:
                self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
                return LockFile(path)

    def _tidy(self) -> None:
        """Now and then, remove some of what nobody has used for long: files are not for ever."""
        self._makes += 1
        if self._makes % TIDY:
            return
        share = secrets.choice("0123456789abcdef")  # that names begin with
        before = time.time() - OLD
        with suppress(OSError):  # that is for whoever makes the file, who may fail as well
            for path in self._files():
                if path.name.startswith(share):
                    self._remove(path, before)

    def _peek(self, path: str) -> View:
        with self.translated("read"):
            return peek(path)

    def _files(self) -> list[Path]:
        try:
            return [path for path in self.path.iterdir() if path.suffix == SUFFIX]
        except FileNotFoundError:
            return []

    def _remove(self, path: Path, before: float) -> bool:
        try:
            if path.stat().st_mtime >= before:
                return False
            file = LockFile(os.fspath(path.with_suffix("")))
        except FileNotFoundError:
            return False
        try:
            is_free = file.try_gate() and file.try_main(shared=False) and file.is_current()
            if is_free:
                file.remove()
            return is_free
        finally:
            file.close()


_folders: weakref.WeakSet[LockFolder] = weakref.WeakSet()


def _forget_all() -> None:
    for folder in list(_folders):
        folder.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
