"""Encrypts backups with a password: AES-256-GCM, with keys that scrypt makes of it.

Each record is sealed by itself: 12 random bytes, the text, 16 bytes that tell whether it was
changed. What it belongs to (its id, or its key and number) is authenticated with it, so that no
record can take the place of another.
"""

from __future__ import annotations

import hmac
import secrets

from pegboard.errors import MissingPluginError
from pegboard_files._error import KeyMismatchError
from pegboard_files._seal import Lock

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

__all__ = ["PasswordSeal", "new_lock", "unlock"]

_NONCE = 12  # bytes
_COST = 2**15  # of scrypt: about a tenth of a second, and 32 MiB


class PasswordSeal:
    """Seals with keys that were made of a password."""

    def __init__(self, master: bytes) -> None:
        self._cipher = AESGCM(_derived(master, b"contents"))
        self.id_key = _derived(master, b"ids")
        self.check = _derived(master, b"check")

    def seal(self, data: bytes, context: bytes) -> bytes:
        """Return `data` so that only holders of the password can read it, in this context only."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, data, context)

    def open(self, data: bytes, context: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            ValueError: If it was changed, or sealed in another context or with another password.
        """
        try:
            return self._cipher.decrypt(data[:_NONCE], data[_NONCE:], context)
        except InvalidTag as error:
            raise ValueError("it was changed after it was encrypted") from error


def new_lock(password: str) -> tuple[Lock, PasswordSeal]:
    """Return a new lock and the seal that it opens.

    Raises:
        MissingPluginError: If cryptography is not installed.
    """
    salt = secrets.token_bytes(16)
    seal = _seal(password, salt, _COST)
    return Lock(salt=salt, cost=_COST, check=seal.check), seal


def unlock(lock: Lock, password: str) -> PasswordSeal:
    """Return the seal of a lock.

    Raises:
        KeyMismatchError: If it is another password.
        MissingPluginError: If cryptography is not installed.
    """
    seal = _seal(password, lock.salt, lock.cost)
    if not hmac.compare_digest(seal.check, lock.check):
        raise KeyMismatchError("this is not the password that the backups were made with")
    return seal


def _seal(password: str, salt: bytes, cost: int) -> PasswordSeal:
    if not HAS_CRYPTOGRAPHY:
        raise MissingPluginError("an encrypted backup", '"pegboard-files[encryption]"')
    return PasswordSeal(Scrypt(salt=salt, length=32, n=cost, r=8, p=1).derive(password.encode()))


def _derived(master: bytes, purpose: bytes) -> bytes:
    return HKDFExpand(SHA256(), 32, b"pegboard-files backup " + purpose).derive(master)
