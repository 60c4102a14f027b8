"""One request to our own pages: read with bounds, answered with care."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio
import msgspec

from pegboard import Connection, Result, parse_query
from pegboard.contracts.session import RESPONSE_HEADERS
from pegboard.errors import InputError, TooLargeError, UnsupportedMediaError
from pegboard_auth._trail import Actor

if TYPE_CHECKING:
    from pegboard.contracts.asgi import Receive, Scope, Send

__all__ = ["Exchange", "Response"]

Header = tuple[bytes, bytes]

BODY_MAX = 16 * 1024  # bytes
BODY_TIMEOUT = 10.0  # seconds
FIELDS_MAX = 50

JSON = b"application/json"
FORM = b"application/x-www-form-urlencoded"
PAGE = "text/html"
HTML: Header = (b"content-type", b"text/html; charset=utf-8")
TOKEN = "/auth/token"  # noqa: S105 - an address: it is for programs only

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SECURITY: tuple[Header, ...] = (
    (b"content-security-policy", _POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
"""What our pages may do: nothing but with what comes from here, in no frame."""


class Response(msgspec.Struct):
    """An answer in memory.

    Attributes:
        status: HTTP status.
        headers: Headers but for the length and `SECURITY`.
        body: Content.
    """

    status: int
    headers: list[Header]
    body: bytes = b""

    @classmethod
    def html(cls, page: bytes, status: int = 200) -> Response:
        """Answer with a page, which nobody keeps."""
        return cls(status, [HTML, (b"cache-control", b"no-store")], page)

    @classmethod
    def json(cls, result: Result[Any], status: int = 200) -> Response:
        """Answer with an envelope, which nobody keeps."""
        headers = [(b"content-type", JSON), (b"cache-control", b"no-store")]
        return cls(status, headers, msgspec.json.encode(result))

    @classmethod
    def see(cls, path: str) -> Response:
        """Send a browser to another page of ours."""
        where = quote(path, safe="/%:?#[]@!$&'()*+,;=~").encode("ascii")
        return cls(303, [(b"location", where), (b"cache-control", b"no-store")])


class Exchange:
    """A request, and where the answer goes.

    Attributes:
        scope: The ASGI scope.
        connection: What tells who is there.
        method: HTTP method.
        path: Path below the point where the app is mounted.
        root: That point.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.connection = Connection(scope)
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.root: str = quote(scope.get("root_path") or "")
        self._receive = receive
        self._send = send

    @property
    def is_form(self) -> bool:
        """Whether a page of ours has sent this, which wants a page as the answer."""
        return self._content_type == FORM and self.wants_page

    @property
    def wants_page(self) -> bool:
        """Whether the client asks for a page, as browsers do; a program takes anything, or JSON."""
        accept = self.connection.headers.accept or ""
        return PAGE in accept and JSON.decode() not in accept and self.path != TOKEN

    @property
    def query(self) -> dict[str, str]:
        """The query; of repeated names the first value.

        Raises:
            InputError: If it is malformed.
        """
        try:
            return _single(parse_query(self.scope.get("query_string", b"")))
        except ValueError as error:
            msg = "the query is not UTF-8, percent-encoded"
            raise InputError(msg) from error

    def actor(self, uid: str = "") -> Actor:
        """Return who does something, for the audit trail."""
        agent = self.connection.headers.user_agent or ""
        return Actor(uid=uid, client=self.connection.client, agent=agent)

    async def fields(self) -> dict[str, Any]:
        """Read the body: a JSON object or a form; empty for none.

        Raises:
            InputError: If it is malformed, too large, too slow or of another type.
        """
        body = await self._body()
        if not body:
            return {}
        kind = self._content_type
        try:
            if kind == JSON:
                return msgspec.json.decode(body, type=dict[str, Any])
            if kind == FORM:
                return dict(_single(parse_query(body)))
        except (msgspec.MsgspecError, ValueError) as error:
            msg = "the body is malformed: send a JSON object or a form"
            raise InputError(msg) from error
        msg = "send a JSON object (application/json) or an urlencoded form"
        raise UnsupportedMediaError(msg)

    async def respond(self, response: Response) -> None:
        """Send the answer; a client that has gone gets none."""
        headers = [*self.scope.get(RESPONSE_HEADERS, ()), *response.headers, *SECURITY]
        headers.append((b"content-length", b"%d" % len(response.body)))
        start = {"type": "http.response.start", "status": response.status, "headers": headers}
        body = b"" if self.method == "HEAD" else response.body
        with suppress(OSError):  # by ASGI 2.4: nobody is there to take it
            await self._send(start)
            await self._send({"type": "http.response.body", "body": body})

    @property
    def _content_type(self) -> bytes:
        found = self.connection.headers.content_type or ""
        return found.partition(";")[0].strip().lower().encode("latin-1", "replace")

    async def _body(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        with anyio.move_on_after(BODY_TIMEOUT) as limit:
            while True:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    raise InputError("the client has gone")
                part = message.get("body", b"")
                size += len(part)
                if size > BODY_MAX:
                    msg = f"a body here has at most {BODY_MAX} bytes"
                    raise TooLargeError(msg)
                parts.append(part)
                if not message.get("more_body"):
                    break
        if limit.cancelled_caught:
            raise InputError("the body did not come in time")
        return b"".join(parts)


def _single(values: Mapping[str, Any]) -> dict[str, str]:
    if len(values) > FIELDS_MAX:
        msg = f"a form here has at most {FIELDS_MAX} fields"
        raise InputError(msg)
    return {name: each[0] if isinstance(each, list) else each for name, each in values.items()}
