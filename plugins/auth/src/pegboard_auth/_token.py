"""Signed tokens: what a cookie and a bearer token say. No I/O.

They are JSON web tokens of the strictest kind: one algorithm, HMAC-SHA256, whatever a token says
of itself; no header that is not known; one use, which the audience names together with the
installation that signed it, so that a cookie cannot be sent as a bearer token and neither comes
from elsewhere. That is little enough to stand here: a library that can do all the rest takes
longer to import than everything else together. Sources: RFC 7515, RFC 7519, RFC 8725.
"""

from __future__ import annotations

import binascii
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Literal

import msgspec

__all__ = ["Claims", "SigningKey", "TokenCodec", "TokenError", "Use"]

LARGEST = 4096  # characters of a token; a longer one is not looked at
SKEW = 30.0  # seconds that a token may come from the future: workers may be on two machines

Use = Literal["session", "access", "device"]


class TokenError(Exception):
    """A token is not good; the text says why, for the log and never for the client."""


class SigningKey(msgspec.Struct, frozen=True):
    """One key.

    Attributes:
        id: What tokens name it by.
        secret: At least 32 bytes.
    """

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"<SigningKey {self.id}>"


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says.

    Attributes:
        use: What it is for.
        sid: The session that it stands for.
        uid: The account.
        issued: When it was signed, seconds since 1970.
        expires: When it ends.
    """

    use: Use
    sid: str
    uid: str
    issued: float
    expires: float


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: Literal["HS256"]
    kid: str
    typ: str


class _Payload(msgspec.Struct, frozen=True):
    aud: str
    exp: float
    iat: float
    jti: str
    sid: str
    sub: str


_read_header = msgspec.json.Decoder(_Header).decode
_read_payload = msgspec.json.Decoder(_Payload).decode


class TokenCodec:
    """Signs and checks tokens.

    Args:
        instance: Identity of this installation.
        keys: The first signs, all of them are good to check with.
    """

    def __init__(self, instance: str, keys: Sequence[SigningKey]) -> None:
        self._instance = instance
        self._keys = {key.id: key.secret for key in keys}
        self._newest = keys[0]

    def sign(self, claims: Claims) -> str:
        """Return the token that says this."""
        header = _Header("HS256", self._newest.id, _type(claims.use))
        payload = _Payload(
            aud=self._audience(claims.use),
            exp=claims.expires,
            iat=claims.issued,
            jti=secrets.token_urlsafe(9),
            sid=claims.sid,
            sub=claims.uid,
        )
        signed = (
            _encoded(msgspec.json.encode(header)) + b"." + _encoded(msgspec.json.encode(payload))
        )
        signature = hmac.digest(self._newest.secret, signed, "sha256")
        return (signed + b"." + _encoded(signature)).decode()

    def check(self, token: str, use: Use, now: float) -> Claims:
        """Return what a token says.

        Args:
            token: The token.
            use: What it is presented as.
            now: Seconds since 1970.

        Raises:
            TokenError: If it is malformed, forged, of another use or installation, or has ended.
        """
        if len(token) > LARGEST or token.count(".") != 2:
            raise TokenError("it has not the form of a token")
        try:
            payload = self._payload(token.encode("ascii"), use)
        except (ValueError, binascii.Error) as error:
            raise TokenError(str(error)) from error
        if not hmac.compare_digest(payload.aud, self._audience(use)):
            raise TokenError("it is for another use or installation")
        if payload.exp <= now:
            raise TokenError("it has ended")
        if payload.iat > now + SKEW:
            raise TokenError("it is from the future")
        return Claims(
            use=use, sid=payload.sid, uid=payload.sub, issued=payload.iat, expires=payload.exp
        )

    def _payload(self, token: bytes, use: Use) -> _Payload:
        signed, _, signature = token.rpartition(b".")
        head, _, body = signed.partition(b".")
        header = _read_header(_decoded(head))
        secret = self._keys.get(header.kid)
        if header.typ != _type(use) or secret is None:
            raise TokenError("it is of another type, or names a key that is not in use")
        if not hmac.compare_digest(hmac.digest(secret, signed, "sha256"), _decoded(signature)):
            raise TokenError("its signature does not fit")
        return _read_payload(_decoded(body))

    def _audience(self, use: Use) -> str:
        return f"pegboard:{self._instance}:{use}"


def _type(use: Use) -> str:
    return f"{use}+jwt"


def _encoded(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _decoded(data: bytes) -> bytes:
    """Decode, and take only what `_encoded` would have written: one text for one token."""
    decoded = urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    if _encoded(decoded) != data:
        raise ValueError("it is not encoded as it should be")
    return decoded
