"""JSON web tokens: the one module that knows PyJWT. No I/O.

Sources: RFC 7515, RFC 7519, RFC 8725; OpenID Connect Core 1.0, section 3.1.3.7. The library is
imported with the first token: it takes longer than a server has time for at its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jwt import PyJWK

__all__ = ["SKEW", "TokenError", "header_of", "id_token_claims", "signed", "verified"]

ALGORITHM = "HS256"
ID_TOKEN_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures only: with a shared secret, whoever knows the public keys could forge."""

SKEW = 30.0  # seconds that clocks of two machines may differ


class TokenError(Exception):
    """A token is not good; the text says why, for the log and never for the client."""


def signed(payload: Mapping[str, Any], secret: bytes, header: Mapping[str, str]) -> str:
    """Return a token."""
    import jwt

    return jwt.encode(dict(payload), secret, ALGORITHM, headers=dict(header))


def header_of(token: str) -> dict[str, Any]:
    """Return what a token says of itself, which nobody has checked.

    Raises:
        TokenError: If it has not the form of a token.
    """
    import jwt

    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError) as error:
        raise TokenError(str(error)) from error


def verified(token: str, secret: bytes, *, audience: str) -> dict[str, Any]:
    """Return what a token of ours says; when it ends is for the caller, who has the time.

    Raises:
        TokenError: If it is forged, or for another audience.
    """
    import jwt

    options = {"verify_exp": False, "verify_iat": False, "strict_aud": True}
    try:
        return jwt.decode(token, secret, [ALGORITHM], options=options, audience=audience)  # type: ignore[arg-type] # a TypedDict of theirs
    except (jwt.PyJWTError, ValueError) as error:
        raise TokenError(str(error)) from error


def id_token_claims(
    token: str, jwks: Mapping[str, Any], *, issuer: str, audience: str, nonce: str
) -> dict[str, Any]:
    """Return what a provider says of who has signed in there.

    Args:
        token: The ID token.
        jwks: The keys of the provider.
        issuer: The provider.
        audience: What we are called there.
        nonce: What was sent with the user.

    Raises:
        LookupError: If the provider has no such key: it may have new ones.
        TokenError: If the token is not good.
    """
    import jwt

    key = _key_of(header_of(token), jwks)
    needed = ["iss", "sub", "aud", "exp", "iat", "nonce"]
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            [each for each in ID_TOKEN_ALGORITHMS if each == key.algorithm_name],
            issuer=issuer,
            audience=audience,
            leeway=SKEW,
            options={"require": needed},
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise TokenError(str(error)) from error
    if claims["nonce"] != nonce:
        raise TokenError("it answers another request")
    party = claims.get("azp")
    if party not in {None, audience} or (party is None and isinstance(claims["aud"], list)):
        raise TokenError("it was made for somebody else as well")
    return claims


def _key_of(header: Mapping[str, Any], jwks: Mapping[str, Any]) -> PyJWK:
    """Return the key that a token names, made for the algorithm that the token names."""
    import jwt

    algorithm, name = header.get("alg"), header.get("kid")
    if algorithm not in ID_TOKEN_ALGORITHMS:
        msg = f"its algorithm {algorithm!r} is none of {', '.join(ID_TOKEN_ALGORITHMS)}"
        raise TokenError(msg)
    listed = [each for each in jwks.get("keys", ()) if each.get("use", "sig") == "sig"]
    for each in listed:
        if each.get("kid") != name and not (name is None and len(listed) == 1):
            continue
        if each.get("alg", algorithm) != algorithm:
            continue
        try:
            return jwt.PyJWK(each, algorithm)
        except (jwt.PyJWTError, ValueError) as error:
            raise TokenError(str(error)) from error
    msg = f"the provider has no key {name!r} for {algorithm}"
    raise LookupError(msg)
