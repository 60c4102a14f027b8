"""The format of an encrypted file, and how its bytes are sealed and opened.

```
PGB1 | algorithm u8 | key id, 4 bytes | nonce, 12 bytes | AES-256-GCM ciphertext and tag
```

What is authenticated besides the content is this header and the address of the file, each part with
its length before it: a file that was moved to another scope, owner, mod or name does not open, nor
does one whose header was changed. The key of a file is derived (HKDF-SHA256, RFC 5869) from the
master key, its scope and its owner.
"""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from pegboard.contracts.storage import FileKey
from pegboard.errors import CorruptError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["OVERHEAD", "MasterKey", "is_sealed", "key_id_of", "opened", "sealed"]

MAGIC = b"PGB1"
AES_256_GCM = 1
KEY_ID = 4
NONCE = 12
TAG = 16
HEADER = len(MAGIC) + 1 + KEY_ID
OVERHEAD = HEADER + NONCE + TAG
"""Bytes that a sealed file is longer than its content."""


class MasterKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that files are sealed with.

    Attributes:
        id: Names it in the files that it has sealed; says nothing about it.
        secret: Its 32 bytes.
        created: When it was made, as text for people.
    """

    id: str
    secret: bytes
    created: str = ""

    def __repr__(self) -> str:
        return f"MasterKey(id={self.id!r}, created={self.created!r})"


def is_sealed(data: bytes) -> bool:
    """Whether this is a sealed file; no JSON begins so."""
    return data.startswith(MAGIC)


def key_id_of(data: bytes) -> str:
    """Return the id of the key that a file is sealed with.

    Raises:
        CorruptError: If the file is too short, or of a format that is not known here.
    """
    if len(data) < OVERHEAD or data[len(MAGIC)] != AES_256_GCM:
        msg = "its header is damaged, or it was written by a newer version"
        raise CorruptError(msg)
    return data[HEADER - KEY_ID : HEADER].hex()


def sealed(data: bytes, key: FileKey, master: MasterKey) -> bytes:
    """Return the content of a file, sealed for its address."""
    header = MAGIC + bytes([AES_256_GCM]) + bytes.fromhex(master.id)
    nonce = os.urandom(NONCE)
    cipher = _cipher(master.secret, key.scope, key.owner)
    return header + nonce + cipher.encrypt(nonce, data, header + _address(key))


def opened(data: bytes, key: FileKey, master: MasterKey) -> bytes:
    """Return the content of a sealed file.

    Raises:
        CorruptError: If one bit of it is not as it was sealed, or it was sealed for another
            address, or with another key.
    """
    from cryptography.exceptions import InvalidTag

    header, nonce = data[:HEADER], data[HEADER : HEADER + NONCE]
    cipher = _cipher(master.secret, key.scope, key.owner)
    try:
        return cipher.decrypt(nonce, data[HEADER + NONCE :], header + _address(key))
    except InvalidTag:
        msg = (
            "it was damaged or changed, or is the file of another place, or its key is another one"
        )
        raise CorruptError(msg) from None


def _address(key: FileKey) -> bytes:
    parts = (part.encode() for part in (key.scope, key.owner, key.mod, key.name))
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


@lru_cache(maxsize=1024)
def _cipher(secret: bytes, scope: str, owner: str) -> AESGCM:
    # here, since a server starts without it
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = b"".join(
        struct.pack(">I", len(part)) + part for part in (scope.encode(), owner.encode())
    )
    derive = HKDF(algorithm=SHA256(), length=32, salt=b"pegboard-storage", info=info)
    return AESGCM(derive.derive(secret))
