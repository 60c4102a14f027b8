"""What a backup says about the files in it. No I/O."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal

import msgspec

__all__ = [
    "CLOCK",
    "Backup",
    "FileEntry",
    "decode_backup",
    "decode_block",
    "encode_backup",
    "encode_blocks",
]

CLOCK = 2.0  # seconds that two changes of a file may be apart and have one time
_BLOCK = 1_000  # files that are kept as one content

Kind = Literal["file", "folder", "link"]


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, array_like=True, omit_defaults=True):
    """A file, folder or link as it was.

    Attributes:
        path: True path below the base path.
        kind: What it is.
        mode: Its mode.
        modified_ns: When it was changed, in nanoseconds since 1970.
        changed_ns: When anything about it was changed.
        inode: Its number in the file system.
        owner: User id and group id.
        size: Bytes.
        checksum: SHA-256 of the content.
        chunks: Ids of the contents of its chunks.
        target: Where a link leads.
    """

    path: str
    kind: Kind
    mode: int
    modified_ns: int
    changed_ns: int
    inode: int
    owner: tuple[int, int]
    size: int = 0
    checksum: bytes = b""
    chunks: Sequence[bytes] = ()
    target: str = ""

    def is_same(self, stat: os.stat_result) -> bool:
        """Whether a file with this state cannot have been changed since."""
        return (self.size, self.modified_ns, self.changed_ns, self.inode) == (
            stat.st_size,
            stat.st_mtime_ns,
            stat.st_ctime_ns,
            stat.st_ino,
        )


class Backup(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A backup.

    Attributes:
        name: Its name.
        created_at: When it was begun, in seconds since 1970.
        sources: The files and folders that were asked for.
        blocks: Ids of the contents that list its files.
        files: How many files are in it.
        total_size: Bytes of these.
        failed: Path and reason of each file that could not be read.
    """

    name: str
    created_at: float
    sources: list[str]
    blocks: list[bytes]
    files: int
    total_size: int
    failed: list[tuple[str, str]]


encode_backup = msgspec.msgpack.Encoder().encode
decode_backup = msgspec.msgpack.Decoder(Backup).decode
decode_block = msgspec.msgpack.Decoder(list[FileEntry]).decode


def encode_blocks(entries: Iterable[FileEntry]) -> Iterator[bytes]:
    """Yield entries as bytes, a thousand at a time."""
    source = iter(entries)
    while block := list(islice(source, _BLOCK)):
        yield encode_backup(block)
