"""Signed tokens: what a cookie and a bearer token say. No I/O.

They are JSON web tokens for one use each, which the audience names together with the installation
that signed them, so that a cookie cannot be sent as a bearer token and neither comes from
elsewhere. Source: RFC 8725.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from pegboard_auth._jwt import SKEW, TokenError, header_of, signed, verified

__all__ = ["Claims", "SigningKey", "TokenCodec", "TokenError", "Use"]

LARGEST = 4096  # characters of a token; a longer one is not looked at

Use = Literal["session", "access", "device", "oidc"]


class SigningKey(msgspec.Struct, frozen=True):
    """One key.

    Attributes:
        id: What tokens name it by.
        secret: At least 32 bytes.
        until: When it is good no more, None for the one that signs.
    """

    id: str
    secret: bytes
    until: float | None = None

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
        more: What else there is to say.
    """

    use: Use
    sid: str
    uid: str
    issued: float
    expires: float
    more: dict[str, str] = {}


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
    more: dict[str, str] = {}


class TokenCodec:
    """Signs and checks tokens.

    Args:
        instance: Identity of this installation.
        keys: The first signs, all of them are good to check with.
    """

    def __init__(self, instance: str, keys: Sequence[SigningKey]) -> None:
        self._instance = instance
        self._keys = {key.id: key for key in keys}
        self._newest = keys[0]

    def sign(self, claims: Claims) -> str:
        """Return the token that says this."""
        payload: dict[str, Any] = {
            "aud": self._audience(claims.use),
            "exp": claims.expires,
            "iat": claims.issued,
            "jti": secrets.token_urlsafe(9),
            "sid": claims.sid,
            "sub": claims.uid,
        }
        if claims.more:
            payload["more"] = claims.more
        header = {"kid": self._newest.id, "typ": _type(claims.use)}
        return signed(payload, self._newest.secret, header)

    def check(self, token: str, use: Use, now: float) -> Claims:
        """Return what a token says.

        Args:
            token: The token.
            use: What it is presented as.
            now: Seconds since 1970.

        Raises:
            TokenError: If it is malformed, forged, of another use or installation, or has ended.
        """
        if len(token) > LARGEST or not token.isascii():
            raise TokenError("it has not the form of a token")
        try:
            key = self._key_of(msgspec.convert(header_of(token), _Header), use, now)
            claims = verified(token, key.secret, audience=self._audience(use))
            payload = msgspec.convert(claims, _Payload)
        except msgspec.ValidationError as error:
            raise TokenError(str(error)) from error
        if payload.exp <= now:
            raise TokenError("it has ended")
        if payload.iat > now + SKEW:
            raise TokenError("it is from the future")
        return Claims(
            use=use,
            sid=payload.sid,
            uid=payload.sub,
            issued=payload.iat,
            expires=payload.exp,
            more=payload.more,
        )

    def _key_of(self, header: _Header, use: Use, now: float) -> SigningKey:
        key = self._keys.get(header.kid)
        if header.typ != _type(use) or key is None or (key.until is not None and key.until <= now):
            raise TokenError("it is of another type, or names a key that is not in use")
        return key

    def _audience(self, use: Use) -> str:
        return f"pegboard:{self._instance}:{use}"


def _type(use: Use) -> str:
    return f"{use}+jwt"
