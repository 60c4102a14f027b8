"""Signed tokens: what a cookie and a bearer token say. The one file that knows JWT. No I/O.

Each token is for one use, which its audience names with the installation that signed it, so that a
cookie cannot be sent as a bearer token and neither comes from elsewhere. Exactly one algorithm is
accepted. Sources: RFC 7519, RFC 8725.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Literal

import jwt
import msgspec

__all__ = ["Claims", "SigningKey", "TokenCodec", "TokenError", "Use"]

ALGORITHM = "HS256"
LARGEST = 4096  # characters of a token; a longer one is not looked at
SKEW = 30.0  # seconds that a token may come from the future: workers may be on two machines

Use = Literal["session", "access", "device", "state"]

_REQUIRED = ["aud", "exp", "iat", "jti", "sid", "sub"]


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
        payload = {
            "aud": self._audience(claims.use),
            "exp": claims.expires,
            "iat": claims.issued,
            "jti": secrets.token_urlsafe(9),
            "sid": claims.sid,
            "sub": claims.uid,
        }
        header = {"kid": self._newest.id, "typ": f"{claims.use}+jwt"}
        return jwt.encode(payload, self._newest.secret, ALGORITHM, headers=header)

    def check(self, token: str, use: Use, now: float) -> Claims:
        """Return what a token says.

        Args:
            token: The token.
            use: What it is presented as.
            now: Seconds since 1970.

        Raises:
            TokenError: If it is malformed, forged, of another use or installation, or has ended.
        """
        if len(token) > LARGEST:
            raise TokenError("too long")
        try:
            return self._checked(token, use, now)
        except (jwt.InvalidTokenError, TypeError, ValueError) as error:
            raise TokenError(str(error)) from error

    def _checked(self, token: str, use: Use, now: float) -> Claims:
        header = jwt.get_unverified_header(token)
        if header.get("typ") != f"{use}+jwt":
            raise TokenError(f"it is of the type {header.get('typ')!r}")
        secret = self._keys.get(header.get("kid", ""))
        if secret is None:
            raise TokenError("it names a key that is not in use")
        payload = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            audience=self._audience(use),
            options={
                "require": _REQUIRED,
                "strict_aud": True,
                "verify_exp": False,  # below, by a clock that tests can turn
                "verify_iat": False,
            },
        )
        claims = _claims(payload, use)
        if claims.expires <= now:
            raise TokenError("it has ended")
        if claims.issued > now + SKEW:
            raise TokenError("it is from the future")
        return claims

    def _audience(self, use: Use) -> str:
        return f"pegboard:{self._instance}:{use}"


def _claims(payload: dict[str, Any], use: Use) -> Claims:
    return Claims(
        use=use,
        sid=str(payload["sid"]),
        uid=str(payload["sub"]),
        issued=float(payload["iat"]),
        expires=float(payload["exp"]),
    )
