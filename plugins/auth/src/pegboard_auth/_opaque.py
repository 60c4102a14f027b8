"""Secrets that stand for a row: API keys, refresh tokens, one-time links. No I/O.

A secret is `KIND_ID_RANDOM`. Only the hash of it is kept, and it has 256 bits of chance, so that a
fast hash is enough. The prefix lets scanners of repositories and logs find what was leaked.
"""

from __future__ import annotations

import re
import secrets
from hashlib import sha256
from hmac import compare_digest
from typing import Literal

import msgspec

__all__ = ["Kind", "Opaque"]

Kind = Literal["pbk", "pbr", "pbl"]
"""An API key, a refresh token, a one-time link."""

ID_BYTES = 9
SECRET_BYTES = 32

_TEXT = re.compile(r"(pbk|pbr|pbl)_([0-9a-f]{18})_([A-Za-z0-9-]{1}[A-Za-z0-9_-]{42})")


class Opaque(msgspec.Struct, frozen=True):
    """One secret, in its parts.

    Attributes:
        kind: What it is for.
        id: What its row is found by; not secret.
        text: All of it: secret.
    """

    kind: str
    id: str
    text: str

    @classmethod
    def make(cls, kind: Kind) -> Opaque:
        """Return a new one."""
        found = None
        while found is None:  # a random part that begins with an underscore reads badly
            name = secrets.token_hex(ID_BYTES)
            found = cls.parse(f"{kind}_{name}_{secrets.token_urlsafe(SECRET_BYTES)}", kind)
        return found

    @classmethod
    def parse(cls, text: str, kind: Kind) -> Opaque | None:
        """Return the parts of a text that has the form of a secret of that kind, else None."""
        match = _TEXT.fullmatch(text)
        return cls(kind, match[2], text) if match and match[1] == kind else None

    @property
    def digest(self) -> bytes:
        """What is kept of it."""
        return sha256(self.text.encode()).digest()

    def fits(self, digest: bytes) -> bool:
        """Whether it is the secret that this was kept of."""
        return compare_digest(self.digest, digest)

    def __repr__(self) -> str:
        return f"<Opaque {self.kind}_{self.id}>"
