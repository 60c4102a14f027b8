"""The versions of the files below a folder. It takes no locks on the files: its callers do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import msgspec

from pegboard_durable import Root
from pegboard_files._archive import PATIENCE, Archive
from pegboard_files._checksum import checksum_of, new_hasher
from pegboard_files._compaction import compact, drop
from pegboard_files._error import DamagedError, MissingError
from pegboard_files._metadata import FileMetadata
from pegboard_files._retention import Retention
from pegboard_files._session import Session, session

__all__ = ["History", "Version"]

PIECE = 32 * 1024 * 1024  # bytes of a file that are kept, and told apart, as one


class Version(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A version as it is kept.

    Attributes:
        path: True path of the file below the base path.
        algorithm: Which digest `checksum` is.
        mode: Mode of the file.
        created_at: Seconds since 1970.
        modified_at: Seconds since 1970.
        author: Who had it kept.
        comment: Why.
        kept_at: When it was taken, in seconds since 1970.
        size: Bytes.
        checksum: Digest of the content.
        pieces: Ids of the contents of its pieces.
    """

    path: str
    algorithm: str
    mode: int
    created_at: float
    modified_at: float
    author: str = ""
    comment: str = ""
    kept_at: float = 0.0
    size: int = 0
    checksum: str = ""
    pieces: Sequence[bytes] = ()

    def metadata(self, number: int) -> FileMetadata:
        """Return it as its users know it."""
        return FileMetadata(
            filename=self.path,
            size=self.size,
            checksum=self.checksum,
            checksum_algorithm=self.algorithm,
            created_at=datetime.fromtimestamp(self.created_at, UTC),
            modified_at=datetime.fromtimestamp(self.modified_at, UTC),
            version=number,
            permissions=f"{self.mode & 0o777:o}",
            author=self.author,
            comment=self.comment,
        )


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Version).decode


class History:
    """Keeps and gives back versions.

    Args:
        root: The folder that the files are in.
        folder: Where versions are kept.
        patience: Seconds to wait for others that use that folder.

    Attributes:
        archive: Where they are kept.
    """

    def __init__(
        self, root: Root, folder: str | os.PathLike[str], *, patience: float = PATIENCE
    ) -> None:
        self._root = root
        self._folder = Path(folder)
        self._patience = patience
        self._opening = Lock()
        self._archive: Archive | None = None

    @property
    def archive(self) -> Archive:
        with self._opening:
            if self._archive is None:
                self._archive = Archive(self._folder, patience=self._patience)
            return self._archive

    def keep(
        self, path: str, *, algorithm: str = "sha256", author: str = "", comment: str = ""
    ) -> FileMetadata:
        """Keep what a file holds now as its next version.

        Raises:
            OSError: If there is no such file, or it or the archive fails.
        """
        with self._root.open(path) as file, session(self.archive) as kept:
            found = os.fstat(file.fileno())
            about = Version(
                path=path,
                algorithm=algorithm,
                mode=found.st_mode,
                created_at=_created_at(found),
                modified_at=found.st_mtime,
                author=author,
                comment=comment,
            )
            return self._keep(kept, file, about)

    def keep_content(self, path: str, content: bytes) -> FileMetadata:
        """Keep a content as the next version, unless it is the last one already.

        Raises:
            OSError: If the archive fails.
        """
        checksum = checksum_of(content, "sha256")
        latest = self.latest(path)
        if latest is not None and latest.checksum == checksum:
            return latest
        with session(self.archive) as kept:
            now = time.time()
            about = Version(
                path=path, algorithm="sha256", mode=0o600, created_at=now, modified_at=now
            )
            return self._keep(kept, BytesIO(content), about)

    def versions(
        self, path: str, *, before: int | None = None, limit: int | None = None
    ) -> list[FileMetadata]:
        """Return the versions of a file in order; with a limit the last ones, below `before`."""
        key = self.archive.key(path)
        with session(self.archive) as kept:
            entries = self.archive.index.entries(key, before=before, limit=limit)
            return [
                _version(kept, key, entry.number, entry.content).metadata(entry.number)
                for entry in entries
            ]

    def version(self, path: str, number: int) -> FileMetadata:
        """Return what is remembered about a version.

        Raises:
            MissingError: If there is none of that number.
        """
        with session(self.archive) as kept:
            return self._find(kept, path, number).metadata(number)

    def latest(self, path: str) -> FileMetadata | None:
        """Return what is remembered about the last version, None where there is none."""
        found = self.versions(path, limit=1)
        return found[0] if found else None

    def paths(self) -> list[str]:
        """Return the files that have versions, sorted."""
        with session(self.archive) as kept:
            last = self.archive.index.keys()
            found = [_version(kept, key, entry.number, entry.content) for key, entry in last]
        return sorted(version.path for version in found)

    def write_to(self, file: BinaryIO, path: str, number: int) -> Version:
        """Write the content of a version to a file, checked.

        Raises:
            MissingError: If there is none of that number.
            DamagedError: If it is not what was kept.
            OSError: If the file cannot be written.
        """
        with session(self.archive) as kept:
            version = self._find(kept, path, number)
            made = new_hasher(version.algorithm)
            for content in _contents(kept, version, path, number):
                made.update(content)
                file.write(content)
        if made.hexdigest() != version.checksum:
            raise DamagedError(f"version {number} of {path} is not what was kept")
        return version

    def content(self, path: str, number: int) -> bytes:
        """Return the content of a version, checked.

        Raises:
            MissingError: If there is none of that number.
            DamagedError: If it is not what was kept.
        """
        file = BytesIO()
        self.write_to(file, path, number)
        return file.getvalue()

    def prune(self, paths: Iterable[str], rule: Retention) -> list[tuple[str, int]]:
        """Take away the versions that a rule does not keep, and return path and number of each.

        Raises:
            OSError: If the archive cannot be written.
        """
        gone: list[tuple[str, int]] = []
        for path in paths:
            key = self.archive.key(path)
            with session(self.archive) as kept:
                times = {
                    entry.number: _version(kept, key, entry.number, entry.content).kept_at
                    for entry in self.archive.index.entries(key)
                }
            numbers = sorted(times.keys() - rule.kept(times, time.time()))
            if numbers:
                drop(self.archive, key, numbers)
                gone += [(path, number) for number in numbers]
        if gone:
            compact(self.archive, _references)
        return gone

    def damaged(self) -> list[str]:
        """Return what is damaged and which versions it takes with it, in words.

        Raises:
            OSError: If the archive cannot be read.
        """
        found = self.archive.damaged()
        with session(self.archive) as kept:
            for key, number, content in self.archive.index.every_entry():
                found += _unreadable(kept, key, number, content)
        return found

    def close(self) -> None:
        """Close the archive."""
        if self._archive is not None:
            self._archive.close()
            self._archive = None

    def _keep(self, kept: Session, file: BinaryIO, about: Version) -> FileMetadata:
        key = self.archive.key(about.path)
        last = self.archive.index.last_entry(key)
        before = [] if last is None else _version(kept, key, last.number, last.content).pieces
        made = new_hasher(about.algorithm)
        pieces: list[bytes] = []
        size = 0
        while content := file.read(PIECE):
            made.update(content)
            size += len(content)
            like = before[len(pieces)] if len(pieces) < len(before) else None
            pieces.append(kept.put(content, like=like))
        version = msgspec.structs.replace(
            about, kept_at=time.time(), size=size, checksum=made.hexdigest(), pieces=pieces
        )
        return version.metadata(kept.commit(key, _encode(version)))

    def _find(self, kept: Session, path: str, number: int) -> Version:
        key = self.archive.key(path)
        entry = self.archive.index.entry(key, number)
        if entry is None:
            raise MissingError(f"{path} has no version {number}; list its versions to see which")
        return _version(kept, key, number, entry.content)


def _version(kept: Session, key: bytes, number: int, content: bytes) -> Version:
    return _decode(kept.opened(key, number, content))


def _references(kept: Session, key: bytes, number: int, content: bytes) -> Sequence[bytes]:
    return _version(kept, key, number, content).pieces


def _contents(kept: Session, version: Version, path: str, number: int) -> Iterator[bytes]:
    for piece in version.pieces:
        try:
            yield kept.get(piece)
        except DamagedError as error:
            msg = f"version {number} of {path} cannot be restored: {error}"
            raise DamagedError(msg) from error


def _unreadable(kept: Session, key: bytes, number: int, content: bytes) -> Iterator[str]:
    version = _version(kept, key, number, content)
    try:
        for _ in _contents(kept, version, version.path, number):
            """Each is checked as it is read."""
    except DamagedError as error:
        yield str(error)


def _created_at(stat: os.stat_result) -> float:
    return float(getattr(stat, "st_birthtime", min(stat.st_ctime, stat.st_mtime)))
