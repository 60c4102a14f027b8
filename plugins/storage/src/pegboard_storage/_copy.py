"""Copying files from one store to another: page by page, verified, and resumed where it ended.

What is copied is what the stores keep: an encrypted file stays encrypted, with the key it has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from pegboard.contracts.storage import ABSENT, Entry, FileKey, KeyPage, KeyRange, Store
from pegboard.errors import ConflictError, CorruptError, InputError, UnavailableError
from pegboard_storage._scope import SCOPES, StorageScope

__all__ = ["Copied", "Journal", "copied_files"]

PAGE = 100  # files between two entries of the journal

State = Literal["copied", "same", "gone", "left", "conflict", "damaged"]


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file.

    Attributes:
        key: The file.
        state: `copied`, or `same` if it was there already; `gone` if it was deleted meanwhile;
            `left` if it must not leave this machine; `conflict` if the target has another content,
            or a damaged one; `damaged` if the source cannot give it.
        reason: Why, where it was not copied.
    """

    key: FileKey
    state: State
    reason: str = ""

    @property
    def is_problem(self) -> bool:
        """Whether somebody has to look at it."""
        return self.state in {"conflict", "damaged"}


class Journal:
    """Remembers how far a copy has come.

    Args:
        path: Where; removed when the copy has come to its end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def cursor(self) -> str:
        """Return where to go on; empty to begin."""
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def note(self, cursor: str) -> None:
        """Remember a place."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        temporary.write_text(cursor, encoding="utf-8")
        temporary.replace(self._path)

    def close(self) -> None:
        """Forget it: the copy is complete."""
        self._path.unlink(missing_ok=True)


def copied_files(
    source: Store, target: Store, within: KeyRange, journal: Journal, *, overwrite: bool = False
) -> Iterator[Copied]:
    """Copy all files of a range, and tell what became of each.

    Args:
        source: Where they are.
        target: Where they shall be.
        within: Which ones.
        journal: Where to go on, if a copy was cut off.
        overwrite: Whether another content at the target is replaced.

    Raises:
        UnavailableError: If a store does not answer, or answers with old copies; what was copied
            so far is in the journal.
    """
    cursor = journal.cursor()
    while True:
        page = _page(source, within, cursor)
        for key in page.keys:
            yield _copied(source, target, key, overwrite=overwrite)
        cursor = page.cursor
        if not cursor:
            journal.close()
            return
        journal.note(cursor)


def _page(source: Store, within: KeyRange, cursor: str) -> KeyPage:
    try:
        return source.list(within, cursor=cursor, limit=PAGE)
    except InputError:  # a journal of other data: begin anew, what is there is found to be the same
        return source.list(within, limit=PAGE)


def _copied(source: Store, target: Store, key: FileKey, *, overwrite: bool) -> Copied:
    if SCOPES[StorageScope(key.scope)].is_local and target.capabilities.backend != "local":
        return Copied(key=key, state="left", reason="files of this scope stay on this machine")
    try:
        entry = _present(source, key)
    except CorruptError as error:
        return Copied(key=key, state="damaged", reason=str(error))
    if entry is None:
        return Copied(key=key, state="gone")
    try:
        there = _present(target, key)
    except CorruptError as error:
        if not overwrite:
            return Copied(key=key, state="conflict", reason=f"at the target: {error}")
        return _written(target, key, entry, None)
    if there is not None and there.data == entry.data:
        return Copied(key=key, state="same")
    if there is not None and not overwrite:
        return Copied(
            key=key,
            state="conflict",
            reason="the target has another content, which --overwrite replaces",
        )
    return _written(target, key, entry, ABSENT if there is None else there.version)


def _written(target: Store, key: FileKey, entry: Entry, expected: str | None) -> Copied:
    try:
        written = target.write(key, entry.data, expected_version=expected)
        found = None if written.pending else _present(target, key)
    except ConflictError:
        reason = "somebody else wrote it at the target meanwhile"
        return Copied(key=key, state="conflict", reason=reason)
    except CorruptError as error:
        return Copied(key=key, state="conflict", reason=f"at the target: {error}")
    if written.pending:
        raise UnavailableError(f"{target.capabilities.backend} is away: go on when it is back")
    if found is None or found.data != entry.data:
        reason = "the target does not give back what was written"
        return Copied(key=key, state="conflict", reason=reason)
    return Copied(key=key, state="copied")


def _present(store: Store, key: FileKey) -> Entry | None:
    entry = store.read(key)
    if entry is not None and entry.stale_since is not None:
        raise UnavailableError(f"{store.capabilities.backend} is away: go on when it is back")
    return entry
