"""What an object of a store holds: the content, and which writes led to it.

Each write has an identity that its writer makes up, and it is the version of what it writes. An
object carries the identities of the writes before it as well. So a writer whose answer was lost
finds its own write again, even if others have written since, and takes it for no conflict.

A removed file leaves a frame without content, so that a later write can be made on the condition of
the removal. All of these have one size, and no other frame is as small.
"""

from __future__ import annotations

import hashlib
import os

import msgspec

from pegboard.errors import CorruptError

__all__ = ["REMOVED_SIZE", "Frame", "decode_frame", "digest_of", "encode_frame", "new_version"]

ANCESTORS = 16
"""How many earlier writes an object remembers."""

_MAGIC = b"PBF1"
_ID = 16  # bytes of an identity
_DIGEST = 16
_NONE = bytes(_ID)
_START = len(_MAGIC)
REMOVED_SIZE = _START + 2 * _ID + _DIGEST
_HEAD = _START + (1 + ANCESTORS) * _ID + _DIGEST


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One state of a file.

    Attributes:
        version: Identity of the write that made it, 32 hexadecimal digits.
        data: The content, None if that write removed the file.
        ancestors: Identities of the writes before it, the last one first.
    """

    version: str
    data: bytes | None
    ancestors: tuple[str, ...] = ()

    def contains(self, version: str) -> bool:
        """Whether a write has led to this state."""
        return version == self.version or version in self.ancestors

    def followed_by(self, version: str, data: bytes | None) -> Frame:
        """Return the state that a further write makes of this one."""
        ancestors = (self.version, *self.ancestors)[:ANCESTORS]
        return Frame(version=version, data=data, ancestors=ancestors)


def new_version() -> str:
    """Return an identity that no other write has."""
    return os.urandom(_ID).hex()


def digest_of(*parts: bytes) -> bytes:
    """Return what tells whether these bytes were changed by accident."""
    state = hashlib.blake2b(digest_size=_DIGEST)
    for part in parts:
        state.update(part)
    return state.digest()


def encode_frame(frame: Frame) -> bytes:
    """Return a frame as bytes."""
    slots = 1 if frame.data is None else ANCESTORS
    ids = [bytes.fromhex(each) for each in (frame.version, *frame.ancestors[:slots])]
    ids += [_NONE] * (1 + slots - len(ids))
    head = _MAGIC + b"".join(ids)
    data = frame.data or b""
    return head + digest_of(head, data) + data


def decode_frame(raw: bytes, what: str) -> Frame:
    """Return the frame that `encode_frame` has made these bytes of.

    Args:
        raw: The bytes.
        what: What they are, for the message.

    Raises:
        CorruptError: If they are not what was written.
    """
    removed = len(raw) == REMOVED_SIZE
    end = REMOVED_SIZE if removed else _HEAD
    head, digest, data = raw[: end - _DIGEST], raw[end - _DIGEST : end], raw[end:]
    if len(raw) < end or raw[:_START] != _MAGIC or digest != digest_of(head, data):
        msg = f"{what} is damaged, or was not written by Pegboard: put a copy of it back"
        raise CorruptError(msg)
    ids = [head[start : start + _ID] for start in range(_START, len(head), _ID)]
    version, *ancestors = (each.hex() for each in ids if each != _NONE)
    return Frame(version=version, data=None if removed else data, ancestors=tuple(ancestors))
