"""One file on disk, with what lies beside it: the content before, the next one, and the lock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from pegboard.contracts.storage import ABSENT, FileKey
from pegboard.errors import ConflictError, CorruptError
from pegboard_durable import DurableError, Place
from pegboard_storage_local._record import Record, parse, record_of

__all__ = ["LOCK", "PREVIOUS", "Spot"]

# No encoded name has a tilde, so that these never meet a file.
LOCK = "~lock"
PREVIOUS = "~previous"
NEW = "~new"

_MODE = 0o600


class Spot:
    """A file in an open folder. Whoever changes it holds its lock.

    Args:
        place: The folder.
        path: Path of the file in the store, which its checksum covers.
        name: Last part of the path.
        key: For messages.
    """

    def __init__(self, place: Place, path: str, name: str, key: FileKey) -> None:
        self._place = place
        self._path = path
        self._name = name
        self._key = key

    def is_there(self) -> bool:
        """Whether there is the file, or what a killed writer has left beside it.

        Raises:
            OSError: If that cannot be found out.
        """
        return any(self._place.has(self._name + suffix) for suffix in ("", NEW, PREVIOUS))

    def sound(self, suffix: str = "") -> Record | None:
        """Return what is there, None where nothing is.

        Raises:
            CorruptError: If it is not what was written.
            OSError: If it cannot be read.
        """
        try:
            raw = self._place.read(self._name + suffix)
        except FileNotFoundError:
            return None
        record = parse(self._path, raw)
        if record is None:
            where = f"{self._place.path}/{self._name}{suffix}"
            raise CorruptError(f"{self._key} is damaged, or was changed by hand: {where}")
        return record

    def expect(self, version: str | None) -> Record | None:
        """Return what is there if it has the version; without one, what is damaged counts as none.

        Raises:
            ConflictError: If it has another version.
            CorruptError: If a version is expected and what is there is damaged.
            OSError: If it cannot be read.
        """
        if version is None:
            try:
                return self.sound()
            except CorruptError:
                return None
        current = self.sound()
        if version != (ABSENT if current is None else current.version):
            raise ConflictError(f"{self._key} was changed by somebody else: load it again")
        return current

    def put(self, data: bytes, find: Callable[[], Record | None]) -> str:
        """Put a content in the place of what `find` finds, keep that beside it; return the version.

        It is called while the device takes the content already. What it raises leaves all as it is.

        Raises:
            OSError: If it cannot be written.
        """
        new = record_of(self._path, data)
        aside = self._name + NEW
        with self._place.replacing(self._name, new.raw, aside=aside, mode=_MODE) as replacement:
            current = find()
            is_other = current is not None and current.version != new.version
            replacement.put(keep_as=self._name + PREVIOUS if is_other else None)
        return new.version

    def clear(self) -> None:
        """Remove what lies beside the file.

        Raises:
            OSError: If it cannot be removed.
        """
        self._place.remove(self._name + NEW, self._name + PREVIOUS)

    def remove(self) -> bool:
        """Remove everything; False where there was no file.

        Raises:
            OSError: If it cannot be removed.
        """
        was_there = self._place.remove(self._name, self._name + NEW, self._name + PREVIOUS)
        with suppress(DurableError):  # some systems keep what is open: it stays, and is empty
            self._place.remove(self._name + LOCK)
        return was_there
