"""Signing in at somebody else's: OpenID Connect. The one module that knows the HTTP client.

The authorization code flow with PKCE. Sources: OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749,
RFC 7636, RFC 9207, RFC 9700.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import anyio
import msgspec
from anyio import to_thread

from pegboard.errors import ConfigError, UnauthorizedError, UnavailableError
from pegboard_auth._jwt import TokenError, id_token_claims

if TYPE_CHECKING:
    from pegboard_auth.config import ProviderConfig

__all__ = ["Profile", "Provider", "Trip"]

TIMEOUT = 10.0  # seconds
LARGEST = 512 * 1024  # bytes of an answer
METADATA_LIFETIME = 3600.0  # seconds that addresses of a provider are remembered
KEYS_PAUSE = 10.0  # seconds between two requests for the keys of a provider, at least

DISCOVERY = "/.well-known/openid-configuration"
REFUSED = "the provider has not let you in: begin again"


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says of somebody.

    Attributes:
        issuer: The provider.
        subject: What they are there, for good.
        name: What they are called there; not unique, and may change.
        mail: Their mail address, empty for none.
        mail_is_checked: Whether the provider has seen that it is theirs.
    """

    issuer: str
    subject: str
    name: str = ""
    mail: str = ""
    mail_is_checked: bool = False


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser keeps while its user is at the provider; secret.

    Attributes:
        provider: Name of the provider in the settings.
        state: Comes back with the user, so that nobody else's answer is taken.
        nonce: Stands in the ID token, so that it answers this request.
        verifier: Shows at the exchange of the code that we have asked for it.
        onward: Where to go then.
        uid: Account that is to be known by the identity; empty to sign in.
    """

    provider: str
    state: str
    nonce: str
    verifier: str
    onward: str
    uid: str = ""

    @classmethod
    def begin(cls, provider: str, onward: str, uid: str = "") -> Trip:
        """Return a new one."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(
            provider=provider,
            state=state,
            nonce=nonce,
            verifier=verifier,
            onward=onward,
            uid=uid,
        )


class _Metadata(msgspec.Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Provider:
    """One provider.

    Args:
        config: Where it is, and what we are called there.
    """

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._metadata: _Metadata | None = None
        self._metadata_until = 0.0
        self._keys: dict[str, Any] = {}
        self._keys_after = 0.0
        self._asking = anyio.Lock()

    async def address(self, trip: Trip, redirect_uri: str) -> str:
        """Return where a browser goes to sign in.

        Raises:
            UnavailableError: If the provider does not answer.
        """
        metadata = await self._known()
        challenge = urlsafe_b64encode(sha256(trip.verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._config.client_id,
                "redirect_uri": redirect_uri,
                "scope": self._config.scope,
                "state": trip.state,
                "nonce": trip.nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        where = metadata.authorization_endpoint
        return f"{where}{'&' if urlsplit(where).query else '?'}{query}"

    async def profile(self, trip: Trip, answer: Mapping[str, str], redirect_uri: str) -> Profile:
        """Return who has come back from the provider.

        Args:
            trip: What the browser has kept.
            answer: The query with which it has come back.
            redirect_uri: Where to.

        Raises:
            UnauthorizedError: If the provider has not let them in, or the answer is not to us.
            UnavailableError: If the provider does not answer.
        """
        metadata = await self._known()
        code, state = answer.get("code", ""), answer.get("state", "")
        issuer = answer.get("iss")
        is_ours = secrets.compare_digest(state.encode(), trip.state.encode())
        is_silent = issuer is None and not metadata.authorization_response_iss_parameter_supported
        if not is_ours or not code or not (is_silent or issuer == metadata.issuer):
            raise UnauthorizedError(REFUSED)
        token = await self._exchange(metadata, code, trip.verifier, redirect_uri)
        try:
            claims = await self._claims(metadata, token, trip.nonce)
        except TokenError as error:
            raise UnauthorizedError(REFUSED) from error
        return _profile(metadata.issuer, claims)

    async def _exchange(
        self, metadata: _Metadata, code: str, verifier: str, redirect_uri: str
    ) -> str:
        """Return the ID token that a code is good for, once."""
        config = self._config
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": config.client_id,
        }
        methods = metadata.token_endpoint_auth_methods_supported
        login: tuple[str, str] | None = None
        if config.client_secret and "client_secret_basic" in methods:
            login = (quote(config.client_id, safe=""), quote(config.client_secret, safe=""))
        elif config.client_secret:
            fields["client_secret"] = config.client_secret
        status, answer = await _ask("POST", metadata.token_endpoint, fields, login)
        token = answer.get("id_token")
        if status != 200 or not isinstance(token, str):
            raise UnauthorizedError(REFUSED)
        return token

    async def _claims(self, metadata: _Metadata, token: str, nonce: str) -> dict[str, Any]:
        def check() -> dict[str, Any]:
            return id_token_claims(
                token,
                self._keys,
                issuer=metadata.issuer,
                audience=self._config.client_id,
                nonce=nonce,
            )

        try:
            return await to_thread.run_sync(check)
        except LookupError:
            await self._read_keys(metadata)  # it has new ones
        try:
            return await to_thread.run_sync(check)
        except LookupError as error:
            raise TokenError(str(error)) from error

    async def _read_keys(self, metadata: _Metadata) -> None:
        async with self._asking:
            if monotonic() < self._keys_after:
                return
            status, keys = await _ask("GET", metadata.jwks_uri)
            if status != 200:
                raise _silent(metadata.issuer)
            self._keys, self._keys_after = keys, monotonic() + KEYS_PAUSE

    async def _known(self) -> _Metadata:
        """Return where the provider wants to be asked."""
        async with self._asking:
            if self._metadata is None or monotonic() >= self._metadata_until:
                self._metadata = await self._discovered()
                self._metadata_until = monotonic() + METADATA_LIFETIME
            return self._metadata

    async def _discovered(self) -> _Metadata:
        issuer = self._config.issuer
        status, answer = await _ask("GET", issuer.rstrip("/") + DISCOVERY)
        try:
            metadata = msgspec.convert(answer, _Metadata)
        except msgspec.ValidationError as error:
            raise _silent(issuer) from error
        if status != 200 or metadata.issuer != issuer:
            msg = f"the provider {issuer} calls itself {metadata.issuer!r}: see the setting issuer"
            raise UnavailableError(msg)
        return metadata


async def _ask(
    method: str,
    url: str,
    fields: Mapping[str, str] | None = None,
    login: tuple[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """Return status and JSON of an answer; redirects are not followed, whoever sends them."""
    try:
        import httpx2
    except ModuleNotFoundError as error:
        msg = "signing in elsewhere needs more: pip install 'pegboard-auth[oidc]'"
        raise ConfigError(msg) from error
    auth = None if login is None else httpx2.BasicAuth(*login)
    body = b""
    try:
        async with (
            httpx2.AsyncClient(timeout=TIMEOUT) as client,
            client.stream(method, url, data=fields, auth=auth) as response,
        ):
            async for part in response.aiter_bytes():
                body += part
                if len(body) > LARGEST:
                    raise _silent(url)
        return response.status_code, msgspec.json.decode(body, type=dict[str, Any])
    except (httpx2.HTTPError, httpx2.InvalidURL, msgspec.MsgspecError) as error:
        raise _silent(url) from error


def _silent(url: str) -> UnavailableError:
    host = urlsplit(url).netloc
    return UnavailableError(f"the provider at {host} does not answer as it should", retry_after=5.0)


def _profile(issuer: str, claims: Mapping[str, Any]) -> Profile:
    named = (claims.get(name) for name in ("preferred_username", "name", "email"))
    mail = claims.get("email")
    return Profile(
        issuer=issuer,
        subject=str(claims["sub"]),
        name=next((each for each in named if isinstance(each, str) and each), ""),
        mail=mail if isinstance(mail, str) else "",
        mail_is_checked=claims.get("email_verified") is True,
    )
