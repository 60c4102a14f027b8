"""Reads all that backups hold."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from pegboard_files._error import DamagedError
from pegboard_files._progress import Progress
from pegboard_files._session import Session, session

if TYPE_CHECKING:
    from pegboard_files._manifest import Backup
    from pegboard_files._repository import Repository

__all__ = ["verify"]


def verify(
    repository: Repository, names: Collection[str] | None, watch: Callable[[Progress], None]
) -> list[str]:
    """Return what is damaged and what it takes along, in words; nothing if all is well.

    Args:
        repository: The backups.
        names: Those to look at; None for all, and for what none of them needs as well.
        watch: Told how far it is.

    Raises:
        OSError: If the folder cannot be read.
    """
    found = repository.archive.damaged() if names is None else []
    with session(repository.archive) as kept:
        kept.remember()
        check = _Check(repository, kept, watch)
        for _, backup in repository.backups():
            if names is None or backup.name in names:
                found += check.look_at(backup)
    return found


class _Check:
    def __init__(
        self, repository: Repository, kept: Session, watch: Callable[[Progress], None]
    ) -> None:
        self._repository = repository
        self._kept = kept
        self._watch = watch
        self._reasons: dict[bytes, str | None] = {}

    def look_at(self, backup: Backup) -> list[str]:
        """Return what is damaged in a backup."""
        found = []
        files = size = 0
        try:
            for entry in self._repository.entries(self._kept, backup):
                reasons = {self._reason(chunk) for chunk in entry.chunks} - {None}
                found += [
                    f"{backup.name}/{entry.path}: {reason}" for reason in sorted(map(str, reasons))
                ]
                files += entry.kind == "file"
                size += entry.size
                self._watch(
                    Progress(
                        path=entry.path,
                        files=files,
                        total_files=backup.files,
                        size=size,
                        total_size=backup.total_size,
                    )
                )
        except DamagedError as error:
            found.append(str(error))
        return found

    def _reason(self, chunk: bytes) -> str | None:
        if chunk not in self._reasons:
            try:
                self._kept.get(chunk)
            except DamagedError as error:
                self._reasons[chunk] = str(error)
            else:
                self._reasons[chunk] = None
        return self._reasons[chunk]
