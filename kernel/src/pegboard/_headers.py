"""Request headers as typed attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pegboard.contracts.asgi import Scope

__all__ = ["Headers"]


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

    accept: str | None
    accept_charset: str | None
    accept_encoding: str | None
    accept_language: str | None
    accept_ranges: str | None
    access_control_allow_credentials: str | None
    access_control_allow_headers: str | None
    access_control_allow_methods: str | None
    access_control_allow_origin: str | None
    access_control_expose_headers: str | None
    access_control_max_age: str | None
    access_control_request_headers: str | None
    access_control_request_method: str | None
    age: str | None
    allow: str | None
    alt_svc: str | None
    authorization: str | None
    cache_control: str | None
    clear_site_data: str | None
    connection: str | None
    content_disposition: str | None
    content_encoding: str | None
    content_language: str | None
    content_length: str | None
    content_location: str | None
    content_range: str | None
    content_security_policy: str | None
    content_security_policy_report_only: str | None
    content_type: str | None
    cookie: str | None
    cross_origin_embedder_policy: str | None
    cross_origin_opener_policy: str | None
    cross_origin_resource_policy: str | None
    date: str | None
    device_memory: str | None
    digest: str | None
    dnt: str | None
    dpr: str | None
    etag: str | None
    expect: str | None
    expires: str | None
    feature_policy: str | None
    forwarded: str | None
    from_header: str | None
    host: str | None
    hx_boosted: str | None
    hx_current_url: str | None
    hx_history_restore_request: str | None
    hx_prompt: str | None
    hx_request: str | None
    hx_target: str | None
    hx_trigger: str | None
    hx_trigger_name: str | None
    if_match: str | None
    if_modified_since: str | None
    if_none_match: str | None
    if_range: str | None
    if_unmodified_since: str | None
    keep_alive: str | None
    large_allocation: str | None
    last_modified: str | None
    link: str | None
    location: str | None
    max_forwards: str | None
    origin: str | None
    pragma: str | None
    proxy_authenticate: str | None
    proxy_authorization: str | None
    public_key_pins: str | None
    public_key_pins_report_only: str | None
    range: str | None
    referer: str | None
    referrer_policy: str | None
    retry_after: str | None
    save_data: str | None
    sec_ch_ua: str | None
    sec_ch_ua_arch: str | None
    sec_ch_ua_bitness: str | None
    sec_ch_ua_full_version: str | None
    sec_ch_ua_full_version_list: str | None
    sec_ch_ua_mobile: str | None
    sec_ch_ua_platform: str | None
    sec_ch_ua_platform_version: str | None
    sec_fetch_dest: str | None
    sec_fetch_mode: str | None
    sec_fetch_site: str | None
    sec_fetch_user: str | None
    sec_websocket_accept: str | None
    sec_websocket_extensions: str | None
    sec_websocket_key: str | None
    sec_websocket_protocol: str | None
    sec_websocket_version: str | None
    server: str | None
    server_timing: str | None
    service_worker_allowed: str | None
    set_cookie: str | None
    sourcemap: str | None
    strict_transport_security: str | None
    te: str | None
    timing_allow_origin: str | None
    tk: str | None
    trailer: str | None
    transfer_encoding: str | None
    upgrade: str | None
    upgrade_insecure_requests: str | None
    user_agent: str | None
    vary: str | None
    via: str | None
    warning: str | None
    www_authenticate: str | None
    x_content_type_options: str | None
    x_dns_prefetch_control: str | None
    x_forwarded_for: str | None
    x_forwarded_host: str | None
    x_forwarded_proto: str | None
    x_frame_options: str | None
    x_xss_protection: str | None

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
            msg = f"{attribute!r} is not a typed header; look in extra_headers"
            raise AttributeError(msg) from None
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


_NAMES = {
    attribute: "from" if attribute == "from_header" else attribute.replace("_", "-")
    for attribute in Headers.__annotations__
}
_TYPED = frozenset(_NAMES.values())
