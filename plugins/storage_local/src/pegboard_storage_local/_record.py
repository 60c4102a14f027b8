"""What a file on disk holds: the content, and a line that tells whether it is whole and in place.

```
{"theme": "dark"}
pegboard1 4a1c... (BLAKE2b of the file's path and content, 128 bits)
```

The path is part of it, so that a file that was moved, or that a link leads to, is not taken for the
one whose place it has.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

__all__ = ["Record", "parse", "record_of"]

SIZE = 16
_PERSON = b"pegboard local 1"
_BEFORE = b"\npegboard1 "
_AFTER = b"\n"
_TRAILER = len(_BEFORE) + 2 * SIZE + len(_AFTER)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it is kept.

    Attributes:
        data: The content.
        version: The checksum, which two contents of a file do not share.
        raw: Content and last line.
    """

    data: bytes
    version: str
    raw: bytes


def record_of(path: str, data: bytes) -> Record:
    """Return what to keep for a content."""
    version = _checksum(path, data)
    return Record(data=data, version=version, raw=data + _BEFORE + version.encode() + _AFTER)


def parse(path: str, raw: bytes) -> Record | None:
    """Return what is kept, None if it is damaged or not that of the path."""
    data, trailer = raw[:-_TRAILER], raw[-_TRAILER:]
    if len(trailer) < _TRAILER:
        return None
    version = _checksum(path, data)
    if trailer != _BEFORE + version.encode() + _AFTER:
        return None
    return Record(data=data, version=version, raw=raw)


def _checksum(path: str, data: bytes) -> str:
    digest = blake2b(path.encode(), digest_size=SIZE, person=_PERSON)
    digest.update(b"\n")
    digest.update(data)
    return digest.hexdigest()
