"""The cookies that are set here. No I/O. Source: RFC 6265bis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard_auth.config import AuthConfig

__all__ = ["DEVICE_LIFETIME", "CookieJar", "is_secure"]

DEVICE_LIFETIME = 365 * 86_400.0  # seconds that a device is known after it has signed in
SECURE_SCHEMES = frozenset({"https", "wss"})


def is_secure(scope: Mapping[str, Any]) -> bool:
    """Whether a request came over TLS, as the server says."""
    return scope.get("scheme") in SECURE_SCHEMES


class CookieJar:
    """Names and writes our cookies.

    Args:
        config: The settings.
    """

    def __init__(self, config: AuthConfig) -> None:
        self._config = config
        self._name = config.cookie_name
        self._plain = self._name.encode()
        self._prefixed = b"__Host-" + self._plain

    def name(self, scope: Mapping[str, Any]) -> bytes:
        """Return the name of the session cookie.

        Over TLS it has a prefix with which no other host of the domain can set it.
        """
        return self._prefixed if self.secures(scope) else self._plain

    def device_name(self, scope: Mapping[str, Any]) -> bytes:
        """Return the name of the cookie that a device keeps after it has signed in."""
        return self.name(scope) + b"_device"

    def secures(self, scope: Mapping[str, Any]) -> bool:
        """Whether the cookies of this request are for TLS only."""
        setting = self._config.cookie_secure
        return is_secure(scope) if setting == "auto" else setting == "always"

    def trip_name(self, scope: Mapping[str, Any]) -> bytes:
        """Return the name of the cookie that a browser keeps while its user is at a provider."""
        return self.name(scope) + b"_trip"

    def write(
        self,
        scope: Mapping[str, Any],
        name: bytes,
        value: str,
        *,
        max_age: float,
        comes_back: bool = False,
    ) -> bytes:
        """Return the value of a Set-Cookie header.

        Args:
            scope: The request.
            name: Name of the cookie.
            value: Its value.
            max_age: Seconds that it is kept; 0 deletes it.
            comes_back: Whether it is shown when another site leads back here.
        """
        same_site = "Lax" if comes_back else self._config.cookie_same_site.capitalize()
        parts = [
            f"{name.decode()}={value}",
            "Path=/",
            f"Max-Age={int(max_age)}",
            "HttpOnly",
            f"SameSite={same_site}",
        ]
        if self.secures(scope):
            parts.append("Secure")
        return "; ".join(parts).encode("ascii")
