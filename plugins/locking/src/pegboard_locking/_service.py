"""Check-out, work, check-in: files, their versions, and who works on them, kept in step."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pegboard.errors import PegboardError
from pegboard_database import CorruptError, Database, Snapshot, Transaction
from pegboard_locking import _checkout_table as table
from pegboard_locking._bound import Bounds
from pegboard_locking._checkout import Checkout, Content, Version
from pegboard_locking._error import FileMissingError, LockedError, StaleCheckoutError
from pegboard_locking._lock_manager import BOUNDS, PAGE, LockManager, nobody
from pegboard_locking._path_lock import FileLockManager, LockInfo
from pegboard_locking._repository import FileRepository, ObjectStore, digest_of

__all__ = ["FileService"]

PATIENCE = 10.0  # seconds to wait for another process that puts a content in its place
FOUND = "found in the folder"

_logger = logging.getLogger("pegboard.locking")


class FileService:
    """A repository with check-outs and versions.

    A check-in stores the content first; then one transaction tests the check-out and the version
    that it began with, numbers the new version and ends the check-out; then the content takes its
    place in the folder. If the process is killed in between, the next one that uses the file
    finishes that. What is found changed in the folder becomes a version of its own.

    Args:
        repo_path: Folder of the files.
        locks_file: File of the check-outs; what files have contained lies beside it.
        lease: Seconds after which a check-out ends unless it is renewed; None for never.
        may_override: Whether a user may end the check-outs of others; by default nobody may.
        clock: Answers the time, in seconds since 1970.
        bounds: How much of the past is kept.

    Attributes:
        repository: The files.
        lock_manager: The check-outs.

    Raises:
        CorruptError: If the file of the check-outs is damaged, or something else.
    """

    def __init__(
        self,
        repo_path: str | os.PathLike[str],
        locks_file: str | os.PathLike[str],
        *,
        lease: float | None = None,
        may_override: Callable[[str], bool] = nobody,
        clock: Callable[[], float] = time.time,
        bounds: Bounds = BOUNDS,
    ) -> None:
        locks = Path(locks_file)
        self.repository = FileRepository(repo_path)
        self.lock_manager = LockManager(
            locks, lease=lease, may_override=may_override, clock=clock, bounds=bounds
        )
        self._bounds = bounds
        self._contents = locks.with_name(f"{locks.name}-objects")
        self._objects = ObjectStore(self._contents)
        self._places = FileLockManager(locks.with_name(f"{locks.name}-places"))
        for path in self._database.read(table.all_pending):
            try:
                self._settle(path)
            except (CorruptError, OSError) as error:  # whoever uses that file is told as well
                _logger.error("%s cannot be put in its place: %s", path, error)  # noqa: TRY400 - the sentence says it all

    # -- as documented ---------------------------------------------------------------------

    def get_files_with_status(self, extension: str = ".mcam") -> list[dict[str, Any]]:
        """Return `name`, `size_bytes`, `status` and `locked_by` of each file.

        The status is `available` or `checked_out`.

        Args:
            extension: End of the names, whatever the case; empty for all files.
        """
        checkouts = {each.path: each for each in self.lock_manager.checkouts()}
        return [
            {
                "name": each["name"],
                "size_bytes": each["size_bytes"],
                "status": "checked_out" if each["name"] in checkouts else "available",
                "locked_by": checkouts[each["name"]].owner if each["name"] in checkouts else None,
            }
            for each in self.repository.list_files(extension)
        ]

    def checkout_file(
        self, filename: str, user: str, message: str = "", *, lease: float | None = None
    ) -> Checkout:
        """Check a file out.

        Raises:
            FileMissingError: If there is no such file; a `ValueError`.
            CheckedOutError: If somebody has it, the same user too; a `ValueError`.
            InputError: If the name leads out of the repository, or a text is empty or too long.
        """
        path = self.repository.name_of(filename)
        self._settle(path)
        with self._adding():
            lying = self._lying(path)
            if lying is None:
                msg = f"File not found: {filename}"
                raise FileMissingError(msg)
            self._adopt(path, lying)
        return self.lock_manager.acquire_lock(path, user, message, lease=lease)

    def checkin_file(
        self,
        filename: str,
        user: str,
        content: bytes | None = None,
        *,
        comment: str = "",
        token: str | None = None,
        fence: int | None = None,
        base_version: int | None = None,
    ) -> Version | None:
        """Check a file in, with a new content or with what its owner has put into the folder.

        Args:
            filename: The file.
            user: Who has it checked out.
            content: The new content; None takes the file as it lies in the folder.
            comment: What the user says about it.
            token: That of the check-out, from `Checkout`; None leaves it to the user's name.
            fence: That of the check-out; None for the same.
            base_version: Version that the content was made from; None for that of the check-out.

        Returns:
            The new version; None if the content is that of the newest one.

        Raises:
            NotCheckedOutError: If nobody has it; a `ValueError`.
            NotOwnerError: If somebody else has it; a `ValueError`.
            StaleCheckoutError: If the check-out is a later one than that of token or fence, or the
                newest version is not the one that the content was made from.
        """
        path = self.repository.name_of(filename)
        self._put_in_place(path)
        now = self.lock_manager.clock

        def require(rows: Snapshot) -> Checkout:
            held = table.require(rows, path, now=now(), owner=user, token=token, fence=fence)
            _require_base(path, held, table.head(rows, path), base_version)
            return held

        def checkin(rows: Transaction) -> Version | None:
            held, newest = require(rows), table.head(rows, path)
            table.release(rows, held, user, comment, now=now(), action="checkin")
            if lying is not None and lying != new and not _is_same(newest, lying):
                found = {"author": FOUND, "comment": ""}
                newest = table.add_version(rows, path, lying, **found, fence=0, now=now())
                table.audit_version(rows, newest, "adopt", now=now())
            if new is None or _is_same(newest, new):
                return None
            said = {"author": user, "comment": comment or held.comment}
            version = table.add_version(rows, path, new, **said, fence=held.fence, now=now())
            table.pend(rows, version)
            return version

        self._database.read(require)  # what will be refused takes no room on the disk
        with self._adding():
            lying = self._lying(path)
            new = lying if content is None else self._objects.add(content)
            version = self.lock_manager.change(checkin)
        self._settle(path)
        self._drop_surplus(path)
        return version

    # -- and more --------------------------------------------------------------------------

    def read_file(self, filename: str, version: int | None = None) -> bytes:
        """Return the content of a file, of the newest or of another version.

        Raises:
            FileMissingError: If there is no such file or version.
            InputError: If the name leads out of the repository.
            CorruptError: If the content is damaged.
        """
        path = self.repository.name_of(filename)
        if version is None:
            self._settle(path)
            digest = self._database.read(lambda rows: table.pending(rows, path))
            return self.repository.read_file(path) if digest is None else self._objects.get(digest)
        query = "select digest from version where path = ? and number = ?"
        digest = self._database.read(lambda rows: rows.value(query, path, version))
        if digest is None:
            msg = f"File not found: {filename}, version {version}"
            raise FileMissingError(msg)
        return self._objects.get(digest)

    def history(
        self, filename: str, *, before: int | None = None, limit: int = 100
    ) -> list[Version]:
        """Return the versions of a file, the newest first.

        Args:
            filename: The file.
            before: Only versions with a lower number.
            limit: Versions, at most 1,000.

        Raises:
            InputError: If the name leads out of the repository.
        """
        path, count = self.repository.name_of(filename), min(limit, PAGE)
        return self._database.read(
            lambda rows: table.versions(rows, path, before=before, limit=count)
        )

    def add_file(self, filename: str, user: str, content: bytes, comment: str = "") -> Version:
        """Add a file that does not exist yet, as its first version.

        Raises:
            StaleCheckoutError: If there is a file of that name, or was one.
            InputError: If the name leads out of the repository.
        """
        path = self.repository.name_of(filename)

        def refuse(rows: Snapshot) -> None:
            if self.repository.file_exists(path) or table.head(rows, path) is not None:
                msg = f"there is a file {filename} already: check it out"
                raise StaleCheckoutError(msg)

        def add(rows: Transaction) -> Version:
            refuse(rows)
            now = self.lock_manager.clock()
            said = {"author": user, "comment": comment}
            version = table.add_version(rows, path, new, **said, fence=0, now=now)
            table.audit_version(rows, version, "add", now=now)
            table.pend(rows, version)
            return version

        self._database.read(refuse)
        with self._adding():
            new = self._objects.add(content)
            version = self.lock_manager.change(add)
        self._settle(path)
        return version

    def prune(self) -> int:
        """Remove the versions that are not kept, and contents that no version has.

        A check-in does so for its file. This does it for all of them, after the bounds were
        changed, and removes what killed processes have left.

        Returns:
            Bytes that are free again.

        Raises:
            LockedError: If others add contents all the time.
            DurableError: If the folder cannot be read or written.
        """
        now = self.lock_manager.clock

        def prune(rows: Transaction) -> None:
            for path in table.every_path(rows):
                table.take_surplus(rows, path, self._bounds, now=now())

        self.lock_manager.change(prune)
        self._objects.sweep()
        with self._places.acquire_lock(self._contents, timeout=PATIENCE):
            return sum(map(self._remove, self._objects.digests()))

    def close(self) -> None:
        """Close the file of the check-outs; calling it again does nothing."""
        self.lock_manager.close()

    @property
    def _database(self) -> Database:
        return self.lock_manager.database

    def _adding(self) -> AbstractContextManager[LockInfo]:
        """Have no content removed from before it is added until a version has it."""
        return self._places.acquire_lock(self._contents, "shared", timeout=PATIENCE)

    def _drop_surplus(self, path: str) -> None:
        """Take away what is not to be kept; what cannot go now is left to `prune`."""
        bounds, now = self._bounds, self.lock_manager.clock()
        try:
            if self._database.read(lambda rows: table.surplus(rows, path, bounds, now=now)):
                gone = self.lock_manager.write(table.take_surplus, path, bounds)
                with self._places.acquire_lock(self._contents, timeout=0):
                    sum(map(self._remove, gone))
        except LockedError:
            return  # others add contents at the moment
        except (PegboardError, OSError) as error:  # the check-in is done, whatever this says
            _logger.warning("old versions of %s stay: %s", path, error)

    def _remove(self, digest: str) -> int:
        is_named = self._database.read(lambda rows: table.is_named(rows, digest))
        return 0 if is_named else self._objects.remove(digest)

    def _lying(self, path: str) -> Content | None:
        """Keep what lies in the folder; None where there is no file."""
        try:
            return self._objects.add(self.repository.read_file(path))
        except FileMissingError:
            return None

    def _adopt(self, path: str, lying: Content) -> None:
        """Make a version of what lies in the folder, if it is not the newest one."""
        if _is_same(self._database.read(lambda rows: table.head(rows, path)), lying):
            return

        def adopt(rows: Transaction) -> None:
            now = self.lock_manager.clock()
            is_settled = table.pending(rows, path) is None
            is_free = table.current(rows, path, now=now) is None
            if is_settled and is_free and not _is_same(table.head(rows, path), lying):
                found = {"author": FOUND, "comment": ""}
                version = table.add_version(rows, path, lying, **found, fence=0, now=now)
                table.audit_version(rows, version, "adopt", now=now)

        self.lock_manager.change(adopt)

    def _settle(self, path: str) -> None:
        """Put the newest version in its place, or say that it waits: it is safe already."""
        try:
            self._put_in_place(path)
        except (LockedError, OSError) as error:
            message = "%s is checked in, and will be put in its place later: %s"
            _logger.warning(message, path, error)

    def _put_in_place(self, path: str) -> None:
        """Put the content of the newest version in its place, if that was not done.

        Only what is pending while the lock is held is written: a process that slept cannot put an
        older content over a newer one.

        Raises:
            LockedError: If another process does so for too long.
            DurableError: If it cannot be written.
        """
        if self._database.read(lambda rows: table.pending(rows, path)) is None:
            return
        with self._places.acquire_lock(self.repository.repo_path / path, timeout=PATIENCE):
            digest = self._database.read(lambda rows: table.pending(rows, path))
            if digest is None:
                return
            self._save_found(path)
            self.repository.write_file(path, self._objects.get(digest))
            self._database.write(lambda rows: table.settled(rows, path, digest))

    def _save_found(self, path: str) -> None:
        """Make a version of what lies where the newest one belongs, if it is in none."""
        try:
            content = self.repository.read_file(path)
        except FileMissingError:
            return
        digest = digest_of(content)
        if self._database.read(lambda rows: table.has_contained(rows, path, digest)):
            return
        with self._adding():
            lying = self._objects.add(content)
            self.lock_manager.change(lambda rows: self._insert_found(rows, path, lying))

    def _insert_found(self, rows: Transaction, path: str, lying: Content) -> None:
        """Number a content that was found, and the newest one anew, which stays the newest."""
        now, newest = self.lock_manager.clock(), table.head(rows, path)
        found = table.add_version(rows, path, lying, author=FOUND, comment="", fence=0, now=now)
        table.audit_version(rows, found, "adopt", now=now)
        if newest is not None:
            content = Content(newest.digest, newest.size)
            said = {"author": newest.author, "comment": newest.comment}
            table.add_version(rows, path, content, **said, fence=newest.fence, now=now)


def _is_same(version: Version | None, content: Content) -> bool:
    return version is not None and version.digest == content.digest


def _require_base(
    path: str, held: Checkout, newest: Version | None, base_version: int | None
) -> None:
    base = held.base_version if base_version is None else base_version
    number = 0 if newest is None else newest.number
    if base != number:
        msg = f"{path} has version {number}, and this was made from version {base}: merge them"
        raise StaleCheckoutError(msg)
