"""The records of an archive, as bytes. No I/O.

A record is a head of 52 bytes, a description and a body:

    "PGA1" | kind u8 | 3 zero bytes | length of the description u32 | length of the body u64
    | check of the body | check of all before and the description | description | body

Lengths are little-endian, a check is 16 bytes of BLAKE3, a description is MessagePack. So a record
can be found, skipped and checked without any index, and what follows damage is found again.
"""

from __future__ import annotations

import struct
from typing import ClassVar

import msgspec

from pegboard_files._digest import check_of

__all__ = [
    "HEAD_SIZE",
    "MAGIC",
    "Drop",
    "EntryRecord",
    "Head",
    "Meta",
    "ObjectRecord",
    "pack",
    "unpack_head",
    "unpack_meta",
]

MAGIC = b"PGA1"
MOST_META = 64 * 1024 * 1024  # bytes: a longer description is damage
_FIXED = struct.Struct("<4sB3xIQ16s")
_CHECK = 16
HEAD_SIZE = _FIXED.size + _CHECK


class ObjectRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A content, kept once. The body is the content, as `codec` says.

    Attributes:
        id: Digest of the content.
        size: Bytes of the content.
        codec: 0 for the content itself, 1 for compressed.
        base: The object that it tells the differences from; itself kept in full.
        spent: Bytes of all differences from that base up to this one.
    """

    kind: ClassVar[int] = 1
    id: bytes
    size: int
    codec: int
    base: bytes | None = None
    spent: int = 0


class EntryRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Something that was committed: a version of a file, a backup. It has no body.

    Attributes:
        key: Digest of what it is an entry of.
        number: Counts the entries of a key from 1; none is ever used again.
        content: What it says; for whoever wrote it to understand.
    """

    kind: ClassVar[int] = 2
    key: bytes
    number: int
    content: bytes


class Drop(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Entries that are there no longer.

    Attributes:
        key: Digest of what they were entries of.
        numbers: Which.
        last: The highest number that the key has ever had.
    """

    kind: ClassVar[int] = 3
    key: bytes
    numbers: list[int]
    last: int


Meta = ObjectRecord | EntryRecord | Drop
_TYPES: dict[int, type[ObjectRecord | EntryRecord | Drop]] = {
    each.kind: each for each in (ObjectRecord, EntryRecord, Drop)
}
_encoder = msgspec.msgpack.Encoder()
_decoders = {kind: msgspec.msgpack.Decoder(cls) for kind, cls in _TYPES.items()}


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a record, as it stands there.

    Attributes:
        kind: What is described.
        meta_size: Bytes of the description.
        body_size: Bytes of the body.
        body_check: Check of the body.
        check: Check of the head and the description.
        raw: The bytes that are checked.
    """

    kind: int
    meta_size: int
    body_size: int
    body_check: bytes
    check: bytes
    raw: bytes

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        return HEAD_SIZE + self.meta_size + self.body_size


def pack(meta: Meta, body: bytes = b"") -> bytes:
    """Return a record."""
    described = _encoder.encode(meta)
    fixed = _FIXED.pack(MAGIC, meta.kind, len(described), len(body), check_of(body))
    return b"".join((fixed, check_of(fixed, described), described, body))


def unpack_head(data: bytes | memoryview) -> Head | None:
    """Return the head that stands at the beginning of `data`; None if there is none."""
    if len(data) < HEAD_SIZE:
        return None
    magic, kind, meta_size, body_size, body_check = _FIXED.unpack_from(data)
    if magic != MAGIC or kind not in _TYPES or meta_size > MOST_META:
        return None
    raw, check = bytes(data[: _FIXED.size]), bytes(data[_FIXED.size : HEAD_SIZE])
    return Head(
        kind=kind,
        meta_size=meta_size,
        body_size=body_size,
        body_check=body_check,
        check=check,
        raw=raw,
    )


def unpack_meta(head: Head, described: bytes | memoryview) -> Meta | None:
    """Return the description of a record; None if it or the head is damaged."""
    if len(described) != head.meta_size or check_of(head.raw, described) != head.check:
        return None
    meta: Meta = _decoders[head.kind].decode(described)
    return meta
