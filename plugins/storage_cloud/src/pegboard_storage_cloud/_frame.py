"""What an object of a store holds: the content, and which writes led to it.

Each write has an identity that its writer makes up, and it is the version of what it writes. An
object carries identities of writes before it as well, see `_identity`. So a writer whose answer was
lost finds its own write again, even if others have written since, and takes it for no conflict.

A removed file leaves a frame without content, so that a later write can be made on the condition of
the removal. All of these have one size, and no other frame is as small: it has a byte before its
content.
"""

from __future__ import annotations

import hashlib

import msgspec

from pegboard.errors import CorruptError
from pegboard_storage_cloud._identity import ID, REMEMBERED, remembered

__all__ = ["REMOVED_SIZE", "Frame", "decode_frame", "digest_of", "encode_frame"]

_MAGIC = b"PBF2"
_ID = ID // 2  # bytes of an identity
_DIGEST = 16
_NONE = bytes(_ID)
_START = len(_MAGIC)
_CONTENT = b"\n"
REMOVED_SIZE = _START + (1 + REMEMBERED) * _ID + _DIGEST


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One state of a file.

    Attributes:
        version: Identity of the write that made it, 32 hexadecimal digits.
        data: The content, None if that write removed the file.
        ancestors: Identities of writes before it, the last one first.
    """

    version: str
    data: bytes | None
    ancestors: tuple[str, ...] = ()

    def contains(self, version: str) -> bool:
        """Whether a write has led to this state, as far as that is remembered."""
        return version == self.version or version in self.ancestors

    def followed_by(self, version: str, data: bytes | None) -> Frame:
        """Return the state that a further write makes of this one."""
        ancestors = remembered((version, self.version, *self.ancestors))
        return Frame(version=version, data=data, ancestors=ancestors)


def digest_of(*parts: bytes) -> bytes:
    """Return what tells whether these bytes were changed by accident."""
    state = hashlib.blake2b(digest_size=_DIGEST)
    for part in parts:
        state.update(part)
    return state.digest()


def encode_frame(frame: Frame) -> bytes:
    """Return a frame as bytes."""
    ids = b"".join(bytes.fromhex(each) for each in (frame.version, *frame.ancestors))
    head = _MAGIC + ids.ljust((1 + REMEMBERED) * _ID, b"\0")
    body = b"" if frame.data is None else _CONTENT + frame.data
    return head + digest_of(head, body) + body


def decode_frame(raw: bytes, what: str) -> Frame:
    """Return the frame that `encode_frame` has made these bytes of.

    Args:
        raw: The bytes.
        what: What they are, for the message.

    Raises:
        CorruptError: If they are not what was written.
    """
    end = REMOVED_SIZE - _DIGEST
    head, digest, body = raw[:end], raw[end:REMOVED_SIZE], raw[REMOVED_SIZE:]
    if raw[:_START] != _MAGIC or digest != digest_of(head, body):
        msg = f"{what} is damaged, or was not written by Pegboard: put a copy of it back"
        raise CorruptError(msg)
    ids = [head[start : start + _ID] for start in range(_START, end, _ID)]
    version, *ancestors = (each.hex() for each in ids if each != _NONE)
    return Frame(version=version, data=body[1:] if body else None, ancestors=tuple(ancestors))
