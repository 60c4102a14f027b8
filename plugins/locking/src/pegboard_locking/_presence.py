"""Shows other processes that this one lives: they notice within milliseconds when it does not.

No heartbeat: a lock of the operating system, which ends with the process in whatever way that ends,
and which a busy event loop, a stopped process or a slow disk does not lose.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from pegboard.errors import UnavailableError
from pegboard_locking._flock import try_lock, unlock
from pegboard_locking._record import Process

__all__ = ["Presence", "PresenceFolder"]

SUFFIX = ".alive"
NEW = ".new"


class PresenceFolder:
    """The presences of all processes that use a folder on a local disk.

    Args:
        path: The folder; made, for its owner only, where it is missing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()

    def enter(self) -> Presence:
        """Show that this process lives, under an id that no other ever had, until it ends.

        Raises:
            UnavailableError: If the folder cannot be used.
        """
        try:
            return Presence(self.path)
        except OSError as error:
            msg = f"presence cannot be shown in {self.path.name}: {error.strerror}"
            raise UnavailableError(msg) from error

    def is_alive(self, id_: str) -> bool:
        """Whether the process that entered under this id lives; False for an id nobody has."""
        return _is_held(self.path / f"{id_}{SUFFIX}")

    def alive(self) -> set[str]:
        """Return the ids of all processes that live."""
        return {path.stem for path in self._files() if _is_held(path)}

    def dead(self) -> set[str]:
        """Return the ids of processes that ended without leaving, and were not forgotten yet."""
        return {path.stem for path in self._files() if not _is_held(path)}

    def forget(self, id_: str) -> None:
        """Remove what a dead process has left; one that lives stays."""
        path = self.path / f"{id_}{SUFFIX}"
        if not _is_held(path):
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        try:
            return [path for path in self.path.iterdir() if path.suffix == SUFFIX]
        except FileNotFoundError:
            return []


class Presence:
    """This process, shown in a folder; a child that is forked is not shown, and holds nothing.

    Attributes:
        id: What others ask for.

    Args:
        folder: Where it is shown.
    """

    def __init__(self, folder: Path) -> None:
        self.id = secrets.token_hex(8)
        self._path = folder / f"{self.id}{SUFFIX}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Locked before it has its name: nobody ever sees it unlocked while we live.
        new = folder / f"{self.id}{NEW}"
        self._descriptor: int | None = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try_lock(self._descriptor, shared=False)
            os.write(self._descriptor, Process.current().encode())
            new.rename(self._path)
        except BaseException:
            os.close(self._descriptor)
            new.unlink(missing_ok=True)
            raise
        _presences.add(self)

    @property
    def is_shown(self) -> bool:
        """Whether others take this process for alive: entered, not left, and not a forked child."""
        return self._descriptor is not None

    def leave(self) -> None:
        """Be gone, in order; calling it again does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            _presences.discard(self)
            self._path.unlink(missing_ok=True)
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def disown(self) -> None:
        """In a forked child: close what the parent has open, so that it alone is shown."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        if not try_lock(descriptor, shared=True):
            return True
        unlock(descriptor)
        return False
    finally:
        os.close(descriptor)


_presences: set[Presence] = set()
"""Also those that nobody refers to any more: their files are open, and a fork would copy them."""


def _disown_all() -> None:
    for presence in _presences:
        presence.disown()
    _presences.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)
