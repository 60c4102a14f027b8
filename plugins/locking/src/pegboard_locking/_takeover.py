"""Takes over the JSON files in which older programs kept their check-outs."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from pegboard_database import CorruptError, Database, Transaction
from pegboard_durable import replace
from pegboard_locking import _checkout_table as table
from pegboard_locking._path_lock import FileLockManager

__all__ = ["take_over"]

MAGIC = b"SQLite format 3\0"


class _Entry(msgspec.Struct):
    user: str
    message: str = ""


def take_over(path: Path, *, now: float) -> None:
    """Make a database of a JSON file, which stays beside it with the suffix `.imported`.

    Raises:
        CorruptError: If the file is neither such a file nor a database.
    """
    if _head(path) in {MAGIC, b""}:
        return
    with FileLockManager().acquire_lock(path):
        content = path.read_bytes()
        if content.startswith(MAGIC):
            return  # somebody else was quicker
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        _fill(new, _entries(path.name, content), now)
        replace(path.with_name(f"{path.name}.imported"), content)
        os.replace(new, path)  # noqa: PTH105 - one step: there is always one of the two


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC))
    except FileNotFoundError:
        return b""


def _entries(name: str, content: bytes) -> dict[str, _Entry]:
    try:
        return msgspec.json.decode(content, type=dict[str, _Entry])
    except msgspec.DecodeError as error:
        msg = f"{name} holds neither check-outs nor JSON: restore it, or move it away"
        raise CorruptError(msg) from error


def _fill(path: Path, entries: dict[str, _Entry], now: float) -> None:
    def fill(transaction: Transaction) -> None:
        for name, entry in entries.items():
            table.take(transaction, name, entry.user, entry.message, now=now, lease=None)

    with Database(path, table.SCHEMA) as database:
        database.write(fill)
