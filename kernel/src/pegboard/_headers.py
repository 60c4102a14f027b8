"""Request headers as typed attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pegboard.contracts.asgi import Scope

__all__ = ["Headers"]

_TABLE = """
accept accept-charset accept-encoding accept-language accept-ranges
access-control-allow-credentials access-control-allow-headers access-control-allow-methods
access-control-allow-origin access-control-expose-headers access-control-max-age
access-control-request-headers access-control-request-method age allow alt-svc authorization
cache-control clear-site-data connection content-disposition content-encoding content-language
content-length content-location content-range content-security-policy
content-security-policy-report-only content-type cookie cross-origin-embedder-policy
cross-origin-opener-policy cross-origin-resource-policy date device-memory digest dnt dpr etag
expect expires feature-policy forwarded from host hx-boosted hx-current-url
hx-history-restore-request hx-prompt hx-request hx-target hx-trigger hx-trigger-name if-match
if-modified-since if-none-match if-range if-unmodified-since keep-alive large-allocation
last-modified link location max-forwards origin pragma proxy-authenticate proxy-authorization
public-key-pins public-key-pins-report-only range referer referrer-policy retry-after save-data
sec-ch-ua sec-ch-ua-arch sec-ch-ua-bitness sec-ch-ua-full-version sec-ch-ua-full-version-list
sec-ch-ua-mobile sec-ch-ua-platform sec-ch-ua-platform-version sec-fetch-dest sec-fetch-mode
sec-fetch-site sec-fetch-user sec-websocket-accept sec-websocket-extensions sec-websocket-key
sec-websocket-protocol sec-websocket-version server server-timing service-worker-allowed
set-cookie sourcemap strict-transport-security te timing-allow-origin tk trailer transfer-encoding
upgrade upgrade-insecure-requests user-agent vary via warning www-authenticate
x-content-type-options x-dns-prefetch-control x-forwarded-for x-forwarded-host x-forwarded-proto
x-frame-options x-xss-protection
"""
_TYPED = frozenset(_TABLE.split())
"""Names of the headers that have an attribute."""

_NAMES = {"from_header" if each == "from" else each.replace("-", "_"): each for each in _TYPED}


class Headers:
    """The headers of one request.

    A well-known header is an attribute in lower case with underscores (`headers.user_agent`),
    None where it was not sent; `From` is `from_header`. All others are in `extra_headers` under
    their lower-case name. A header that was sent several times is joined with a comma (cookies
    with a semicolon), as RFC 9110 section 5.2 and RFC 6265 section 5.4 say.

    Args:
        items: Names and values; names in any case.
    """

    __slots__ = ("_values",)

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = items.items() if isinstance(items, Mapping) else items
        values: dict[str, str] = {}
        for raw_name, value in pairs:
            name = raw_name.lower()
            separator = "; " if name == "cookie" else ", "
            values[name] = f"{values[name]}{separator}{value}" if name in values else value
        self._values = values

    @classmethod
    def from_scope(cls, scope: Scope) -> Headers:
        """Read the headers of an ASGI scope; bytes are Latin-1, as HTTP has them."""
        return cls(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        )

    def __getattr__(self, attribute: str) -> str | None:
        try:
            name = _NAMES[attribute]
        except KeyError:
            raise AttributeError(
                f"{attribute!r} is not a typed header; look in extra_headers"
            ) from None
        return self._values.get(name)

    @property
    def extra_headers(self) -> dict[str, str]:
        """The headers without an attribute of their own, by lower-case name."""
        return {name: value for name, value in self._values.items() if name not in _TYPED}

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return any header by its name, in any case."""
        return self._values.get(name.lower(), default)

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def to_dict(self) -> dict[str, str]:
        """Return the headers that were sent, by lower-case name."""
        return dict(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __repr__(self) -> str:
        return f"Headers({', '.join(sorted(self._values))})"
