"""A folder of files that strangers may fill: bounded, and safe against names, crashes and races."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec

from pegboard.errors import InputError, NotFoundError, TooLargeError, UnavailableError
from pegboard_mods._filename import candidates, safe_name

__all__ = ["Limits", "Shelf", "StoredFile"]

CHUNK = 1024 * 1024
STALE = 24 * 3600.0  # seconds after which an unfinished upload is what a crash has left

_TEMPORARY = ".upload-"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a shelf takes, at most.

    Attributes:
        file_bytes: Size of one file.
        files: Number of files.
        total_bytes: Size of all files.
    """

    file_bytes: int
    files: int
    total_bytes: int


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file.

    Attributes:
        name: Its name, unique on the shelf.
        size: Its length in bytes.
        modified: When it was stored, in seconds since 1970.
    """

    name: str
    size: int
    modified: float


class Shelf:
    """Files in one folder. Several processes may use it at once.

    A file becomes visible in one step, complete and on the disk, under a name that no other has:
    nothing is ever overwritten. What lies unfinished has a hidden name, which no stored file has.

    Args:
        folder: Where the files are; made when the first one comes.
        limits: What is taken.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits

    def files(self) -> list[StoredFile]:
        """Return what is here, the newest first."""
        return sorted(self._scan(), key=lambda each: (-each.modified, each.name))

    def path(self, name: str) -> Path:
        """Return where a file is.

        Raises:
            NotFoundError: If there is none with exactly that name.
        """
        path = self._folder / name
        # Only a name that `save` could have given leads to a file: none of them leaves the folder.
        if safe_name(name) != name or path.is_symlink() or not path.is_file():
            msg = f"there is no file {name[:100]!r}"
            raise NotFoundError(msg)
        return path

    def save(self, name: str, source: IO[bytes]) -> StoredFile:
        """Store what `source` has, under a name like `name`.

        Raises:
            InputError: If the name has nothing that could be used.
            TooLargeError: If a limit would be passed.
            UnavailableError: If the disk is full.
        """
        wanted = safe_name(name)
        if wanted is None:
            msg = f"{name[:100]!r} cannot be the name of a file"
            raise InputError(msg)
        with _disk_has_room():
            self._folder.mkdir(parents=True, exist_ok=True)
            return self._publish(wanted, source)

    def delete(self, name: str) -> None:
        """Remove a file.

        Raises:
            NotFoundError: If there is none with exactly that name.
        """
        self.path(name).unlink(missing_ok=True)
        _sync(self._folder)

    def sweep(self) -> None:
        """Remove what uploads have left that were broken off by a crash."""
        for path in self._folder.glob(f"{_TEMPORARY}*"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > STALE:
                    path.unlink()

    def _scan(self) -> Iterator[StoredFile]:
        if not self._folder.is_dir():
            return
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if safe_name(entry.name) != entry.name or not entry.is_file(follow_symlinks=False):
                    continue
                with suppress(FileNotFoundError):  # deleted just now
                    yield _stored(Path(entry.path))

    def _publish(self, wanted: str, source: IO[bytes]) -> StoredFile:
        temporary = self._folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
        try:
            self._write(temporary, source)
            target = self._link(temporary, wanted)
        finally:
            temporary.unlink(missing_ok=True)
        self._check(target)
        _sync(self._folder)
        return _stored(target)

    def _write(self, path: Path, source: IO[bytes]) -> None:
        with path.open("xb") as file:
            while chunk := source.read(CHUNK):
                file.write(chunk)
                if file.tell() > self._limits.file_bytes:
                    msg = f"a file may have {self._limits.file_bytes:,} bytes, this one has more"
                    raise TooLargeError(msg)
            file.flush()
            os.fsync(file.fileno())

    def _link(self, temporary: Path, wanted: str) -> Path:
        """Give the file its name: a link, unlike a rename, fails where the name is taken."""
        taken = {each.name.casefold() for each in self._scan()}
        for name in candidates(wanted):
            if name.casefold() in taken:  # on some systems `A.txt` and `a.txt` are one file
                continue
            try:
                os.link(temporary, self._folder / name)
            except FileExistsError:
                continue
            return self._folder / name
        raise AssertionError  # there is no last candidate

    def _check(self, target: Path) -> None:
        """Take the file back if it is one too many; two that come at once may both have to go."""
        files = list(self._scan())
        if len(files) > self._limits.files:
            problem = f"there is room for {self._limits.files:,} files"
        elif sum(each.size for each in files) > self._limits.total_bytes:
            problem = f"there is room for {self._limits.total_bytes:,} bytes in all"
        else:
            return
        target.unlink()
        msg = f"{problem}: delete something first"
        raise TooLargeError(msg)


def _stored(path: Path) -> StoredFile:
    status = path.stat()
    return StoredFile(name=path.name, size=status.st_size, modified=status.st_mtime)


@contextmanager
def _disk_has_room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        msg = "the disk is full"
        raise UnavailableError(msg) from error


def _sync(folder: Path) -> None:
    """Make names durable, where the system has a way to."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
