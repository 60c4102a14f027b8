"""An open folder: everything is named relative to its descriptor, so that it cannot be swapped.

Where the system has no such calls (Windows), names are joined to the folder's path instead.
"""

from __future__ import annotations

import os
import stat
import sys
from types import TracebackType
from typing import Self

__all__ = ["HAS_DESCRIPTORS", "Folder", "sync"]

HAS_DESCRIPTORS = os.open in os.supports_dir_fd
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NO_BLOCK = getattr(os, "O_NONBLOCK", 0)
_AS_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _BINARY
_AS_INNER = _AS_FOLDER | _NO_FOLLOW
_AS_FILE = _BINARY | _NO_FOLLOW | _NO_BLOCK
_OPEN = "/proc/self/fd/"  # Linux: where a descriptor leads


def sync(fd: int) -> None:
    """Return when the content of an open file is on the device.

    Raises:
        OSError: If the device does not take it; what was written since the last sync is lost.
    """
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # fsync leaves it in the cache of the disk there
    else:
        os.fsync(fd)


class Folder:
    """One open folder. A context manager that closes it.

    Attributes:
        path: Where it was when it was opened: for messages.
    """

    __slots__ = ("_fd", "path")

    def __init__(self, path: str, fd: int | None) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def open(cls, path: str) -> Self:
        """Open a folder by its path, following links.

        Raises:
            OSError: If there is none, or it may not be read.
        """
        return cls(path, os.open(path, _AS_FOLDER) if HAS_DESCRIPTORS else None)

    @classmethod
    def open_straight(cls, path: str) -> Self | None:
        """Open a folder by its absolute path if no link is on it; None where that is not certain.

        One step in the place of one for each part: the system tells afterwards where it has led.
        """
        if not HAS_DESCRIPTORS:
            return None
        try:
            folder = cls(path, os.open(path, _AS_INNER))
        except OSError:
            return None
        if folder._is_at(path):
            return folder
        folder.close()
        return None

    def _is_at(self, path: str) -> bool:
        try:
            return os.readlink(f"{_OPEN}{self._fd}") == path
        except OSError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptor back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def child(self, name: str) -> Folder:
        """Open a folder in this one.

        Raises:
            OSError: If there is none; NotADirectoryError or ELOOP if it is a link.
        """
        path = f"{self.path}{os.sep}{name}"
        if HAS_DESCRIPTORS:
            return Folder(path, os.open(name, _AS_INNER, dir_fd=self._fd))
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise NotADirectoryError(20, os.strerror(20), path)
        return Folder(path, None)

    def open_file(self, name: str, flags: int, mode: int = 0o666) -> int:
        """Open a file in this folder, never through a link, and never waiting for a pipe.

        Raises:
            OSError: If that is not possible.
        """
        return os.open(self._at(name), flags | _AS_FILE, mode, dir_fd=self._fd)

    def stat(self, name: str) -> os.stat_result | None:
        """Return what is at a name, a link as a link; None where nothing is.

        Raises:
            OSError: If that cannot be found out.
        """
        try:
            return os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def link_target(self, name: str) -> str | None:
        """Return where a link points to; None where there is no link.

        Raises:
            OSError: If that cannot be found out.
        """
        found = self.stat(name)
        if found is None or not stat.S_ISLNK(found.st_mode):
            return None
        return os.readlink(self._at(name), dir_fd=self._fd)

    def make(self, name: str, mode: int) -> None:
        """Make a folder in this one; somebody else may have been faster.

        Raises:
            OSError: If that is not possible.
        """
        try:
            os.mkdir(self._at(name), mode, dir_fd=self._fd)
        except FileExistsError:
            return
        self.sync()

    def rename(self, name: str, target: str, folder: Folder) -> None:
        """Put what is at `name` in the place of `target` in `folder`.

        Raises:
            OSError: If that is not possible; nothing has changed then.
        """
        os.replace(self._at(name), folder._at(target), src_dir_fd=self._fd, dst_dir_fd=folder._fd)

    def link(self, name: str, target: str) -> None:
        """Give a file a second name.

        Raises:
            FileExistsError: If the name is taken.
            OSError: If that is not possible here.
        """
        os.link(
            self._at(name),
            self._at(target),
            src_dir_fd=self._fd,
            dst_dir_fd=self._fd,
            follow_symlinks=not HAS_DESCRIPTORS,
        )

    def make_link(self, name: str, target: str) -> None:
        """Make a symbolic link.

        Raises:
            OSError: If that is not possible.
        """
        os.symlink(target, self._at(name), dir_fd=self._fd)

    def unlink(self, name: str) -> bool:
        """Remove a name; False where there was none.

        Raises:
            OSError: If that is not possible.
        """
        try:
            os.unlink(self._at(name), dir_fd=self._fd)
        except FileNotFoundError:
            return False
        return True

    def set_state(self, mode: int, modified_ns: int) -> None:
        """Give this folder a mode and a time, in nanoseconds since 1970.

        Raises:
            OSError: If that is not possible.
        """
        where = self.path if self._fd is None else self._fd
        os.chmod(where, mode)
        os.utime(where, ns=(modified_ns, modified_ns))

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder in this one.

        Raises:
            OSError: If it is not empty, or is none.
        """
        os.rmdir(self._at(name), dir_fd=self._fd)

    def names(self) -> list[str]:
        """Return the names in this folder, sorted.

        Raises:
            OSError: If it cannot be read.
        """
        return sorted(os.listdir(self.path if self._fd is None else self._fd))

    def sync(self) -> None:
        """Return when the names in this folder are on the device.

        Raises:
            OSError: If the device does not take them.
        """
        if self._fd is not None:
            sync(self._fd)

    def _at(self, name: str) -> str:
        return name if self._fd is not None else f"{self.path}{os.sep}{name}"
