"""The request and the session that an export may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from pegboard._headers import Headers

__all__ = ["ANONYMOUS", "Request", "RequestData", "Session", "parse_query"]

ADMIN_LEVEL = 10


class Session(msgspec.Struct, kw_only=True, frozen=True):
    """Who asks.

    Attributes:
        SiID: Identity of the session, `#0` for none.
        level: -1 internal, 0 anyone, 1 signed in, 5 moderator, 10 administrator.
        spec: Name of the running specification.
        user_name: Name that people read.
        extra_data: Whatever else the session's provider knows.
        user_id: Stable identity of the user, empty when anonymous.
        session_id: Identity of the session at its provider.
        validated: Whether the provider has checked it.
        anonymous: Whether nobody is signed in.
    """

    SiID: str = "#0"
    level: int = 0
    spec: str = "app"
    user_name: str = "anonymous"
    extra_data: Mapping[str, Any] = msgspec.field(default_factory=dict)
    user_id: str = ""
    session_id: str = ""
    cloudm_user_id: str = ""
    validated: bool = False
    anonymous: bool = True

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Session:
        """Build a session; unknown keys, `extra` and `extra_data` go to `extra_data`."""
        names = cls.__struct_fields__
        known = {name: each for name, each in values.items() if name in names}
        extra = {name: values[name] for name in values.keys() - {*names, "extra"}}
        for name in ("extra", "extra_data"):
            extra.update(values.get(name) or {})
        return cls(**{**known, "extra_data": extra})

    @property
    def valid(self) -> bool:
        """Whether somebody is signed in, as far as level or validation tell."""
        return self.level > 0 or self.validated

    @property
    def is_authenticated(self) -> bool:
        """Whether a known user was validated."""
        return self.validated and not self.anonymous and bool(self.user_id)

    @property
    def is_admin(self) -> bool:
        """Whether the level is that of an administrator or above."""
        return self.level >= ADMIN_LEVEL

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field or an extra value by name."""
        if name in self.__struct_fields__:
            return getattr(self, name)
        return self.extra_data.get(name, default)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as a new dict."""
        return {**msgspec.structs.asdict(self), "extra_data": dict(self.extra_data)}


ANONYMOUS = Session(extra_data=MappingProxyType({}))
"""The session of a request of which nobody knows who sent it; shared, so nothing in it changes."""


class Request(msgspec.Struct, kw_only=True):
    """One request as it came from outside.

    Attributes:
        method: HTTP method in upper case; `WEBSOCKET` for a handshake.
        path: Decoded path with its leading slash.
        headers: The request headers.
        query_params: Query arguments; a name that came several times has a list.
        form_data: Fields and files of a form, None without one.
        body: Decoded JSON, text or bytes of the body, None without one.
        content_type: Media type without its parameters, in lower case.
    """

    method: str = "GET"
    path: str = "/"
    headers: Headers = msgspec.field(default_factory=Headers)
    query_params: dict[str, Any] = {}
    form_data: dict[str, Any] | None = None
    body: Any = None
    content_type: str = ""

    @classmethod
    def from_scope(cls, scope: Mapping[str, Any]) -> Request:
        """Read what an ASGI scope knows: everything but the body."""
        headers = Headers.from_scope(dict(scope))
        return cls(
            method=scope.get("method", "WEBSOCKET"),
            path=scope["path"],
            headers=headers,
            query_params=dict(parse_query(scope.get("query_string", b""))),
            content_type=(headers.content_type or "").partition(";")[0].strip().lower(),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields; an absent form or body is left out."""
        fields = {**msgspec.structs.asdict(self), "headers": self.headers.to_dict()}
        absent = {name for name in ("form_data", "body") if fields[name] is None}
        return {name: value for name, value in fields.items() if name not in absent}


class RequestData:
    """A request with its session; attributes of `request` are there directly.

    Args:
        request: What was sent.
        session: Who sent it.
        session_id: Identity of the session, that of `session` by default.
    """

    __slots__ = ("request", "session", "session_id")

    method: str
    path: str
    headers: Headers
    query_params: dict[str, Any]
    form_data: dict[str, Any] | None
    body: Any
    content_type: str

    def __init__(
        self, request: Request, session: Session = ANONYMOUS, session_id: str | None = None
    ) -> None:
        self.request = request
        self.session = session
        self.session_id = session.session_id if session_id is None else session_id

    def __getattr__(self, name: str) -> Any:
        if name in self.__slots__ or name.startswith("__"):  # of one that is just being copied
            raise AttributeError(name)
        return getattr(self.request, name)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RequestData:
        """Build from `{"request": {...}, "session": {...}, "session_id": ""}`."""
        request = dict(values.get("request") or {})
        request["headers"] = Headers(request.get("headers") or {})
        known = {name: request[name] for name in Request.__struct_fields__ if name in request}
        session = Session.from_dict(values.get("session") or {})
        return cls(Request(**known), session, values.get("session_id"))

    def to_dict(self) -> dict[str, Any]:
        """Return request, session and session id as plain data."""
        return {
            "request": self.request.to_dict(),
            "session": self.session.to_dict(),
            "session_id": self.session_id,
        }

    @classmethod
    def moc(cls) -> RequestData:
        """Return a sample for trying an export by hand."""
        headers = Headers({"user-agent": "sample", "content-type": "application/json"})
        request = Request(path="/api/Sample/run", headers=headers, content_type="application/json")
        return cls(request, Session(user_name="sample"))

    def __repr__(self) -> str:
        return f"RequestData({self.request.method} {self.request.path})"


def parse_query(query: bytes) -> dict[str, Any]:
    """Decode a query string or urlencoded form; a repeated name gives the list of its values.

    Source: the URL standard, application/x-www-form-urlencoded parsing.

    Raises:
        ValueError: If the decoded text is not UTF-8.
    """
    text = query.decode("ascii")
    if "%" in text or "+" in text:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
        return _collected(pairs)
    values: dict[str, Any] = {}
    parts = text.split("&")
    for part in parts:
        name, _, value = part.partition("=")
        values[name] = value
    values.pop("", None)
    if len(values) < len(parts):
        split = (part.partition("=") for part in parts)
        return _collected([(name, value) for name, _, value in split])
    return values


def _collected(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if name:
            values.setdefault(name, []).append(value)
    return {name: each if len(each) > 1 else each[0] for name, each in values.items()}
