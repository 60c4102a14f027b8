"""Everything that is not a call: the index page, the explorer, the description, the health.

What draws a page is imported when somebody asks for the page: a server that is only called starts
without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from pegboard.contracts.asgi import Route
from pegboard.errors import MethodNotAllowedError, NotFoundError
from pegboard_transport_http._asset import ASSETS, assets
from pegboard_transport_http._compression import Compressor
from pegboard_transport_http._condition import lists_tag
from pegboard_transport_http._exchange import Exchange
from pegboard_transport_http._head import HeadCheck, check_path
from pegboard_transport_http._health import Health
from pegboard_transport_http._refusal import ClientGoneError, refusal
from pegboard_transport_http._render import JSON, Response

if TYPE_CHECKING:
    from pegboard import App, Slot
    from pegboard.contracts.asgi import Receive, Scope, Send
    from pegboard_transport_http._deadline import Deadline
    from pegboard_transport_http._header import Header
    from pegboard_transport_http.config import HttpSettings

__all__ = ["site_routes"]

METHODS = ("GET", "HEAD")
ETAG = b"etag"
FAVICON = "/favicon.ico"
ROOTS = 16
"""Most mount points that the description is kept for."""

HTML: Header = (b"content-type", b"text/html; charset=utf-8")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
"""What the pages may do: nothing but with what comes from here; no script stands in a page."""

SECURITY: tuple[Header, ...] = (
    (b"content-security-policy", POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

FOREVER: Header = (b"cache-control", b"public, max-age=31536000, immutable")
ASK_AGAIN: Header = (b"cache-control", b"no-cache")
NEVER: Header = (b"cache-control", b"no-store")


def site_routes(app: App, settings: HttpSettings, stall: Deadline) -> list[Route]:
    """Return the routes of the pages that come with HTTP."""
    site = Site(app, settings, stall)
    prefixes = ("/", "/docs", "/health", "/openapi.json")
    return [Route(kind="http", prefix=each, asgi=site) for each in prefixes]


class Site:
    """Answers whatever is not the call of an export.

    Args:
        app: The app.
        settings: Its settings for HTTP.
        stall: For how long a client may accept nothing.
    """

    def __init__(self, app: App, settings: HttpSettings, stall: Deadline) -> None:
        self._app = app
        self._stall = stall
        self._head = HeadCheck(settings.allowed_hosts)
        self._compressor = Compressor(
            smallest=settings.compress_from, level=settings.compress_level
        )
        self._health = Health(app)
        self._documents: dict[str, bytes] = {}
        self._table: Mapping[str, Slot] | None = None
        pages = {"/": self._index, "/docs": self._docs, "/openapi.json": self._openapi}
        self._pages: dict[str, Callable[[str], Response]] = {
            "/health": self._report,
            **(pages if settings.site else {}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send, stall=self._stall)
        try:
            self._head.fields(scope)
            response = self._answer(exchange)
        except Exception as error:  # noqa: BLE001 - becomes the answer
            response = refusal(error, what=scope["path"], dev=self._app.dev)
        response.headers = [*response.headers, *SECURITY]
        await self._compressor.apply(response, exchange.header(b"accept-encoding"))
        with suppress(ClientGoneError):
            await exchange.respond(response)

    def _answer(self, exchange: Exchange) -> Response:
        path, root = exchange.scope["path"], quote(exchange.scope.get("root_path") or "")
        known = path in self._pages or path in assets().by_path or path == FAVICON
        if not known:
            return self._not_found(exchange, root)
        if exchange.scope["method"] not in METHODS:
            raise MethodNotAllowedError(exchange.scope["method"], METHODS)
        drawn = self._pages.get(path)
        response = drawn(root) if drawn else self._asset(path)
        return _unless_known(response, exchange.header(b"if-none-match") or b"")

    def _not_found(self, exchange: Exchange, root: str) -> Response:
        from pegboard_transport_http._index import draw_not_found

        check_path(exchange.scope["path"])
        if b"text/html" not in (exchange.header(b"accept") or b""):
            msg = "there is nothing at this address"
            raise NotFoundError(msg)
        body = draw_not_found(root=root, assets=root + assets().folder)
        return Response(404, [HTML, ASK_AGAIN], body)

    def _asset(self, path: str) -> Response:
        is_versioned = path.startswith(ASSETS)
        found = assets().by_path[path if is_versioned else f"{assets().folder}/icon.svg"]
        keep = FOREVER if is_versioned else ASK_AGAIN
        kind = (b"content-type", found.content_type)
        return Response(200, [kind, keep, _etag(found.digest)], found.body)

    def _index(self, root: str) -> Response:
        from pegboard_transport_http._index import draw_index

        folder = root + assets().folder
        body = draw_index(self._app, self._health.report(), root=root, assets=folder)
        return Response(200, [HTML, ASK_AGAIN], body)

    def _docs(self, root: str) -> Response:
        from pegboard_transport_http._docs import draw_docs

        folder = root + assets().folder
        return Response(
            200, [HTML, ASK_AGAIN], draw_docs(title=self._app.name, root=root, assets=folder)
        )

    def _openapi(self, root: str) -> Response:
        from pegboard_transport_http._openapi import describe

        table = self._app.registry.table
        if table is not self._table or len(self._documents) > ROOTS:
            self._table, self._documents = table, {}
        if root not in self._documents:
            document = describe(self._app.registry, title=self._app.name, root=root)
            self._documents[root] = msgspec.json.encode(document)
        return Response(200, [JSON, ASK_AGAIN], self._documents[root])

    def _report(self, root: str) -> Response:
        del root
        report = self._health.report()
        body = msgspec.json.encode(report)
        return Response(200 if report.is_serving else 503, [JSON, NEVER], body)


def _unless_known(response: Response, known: bytes) -> Response:
    """Name the version of a response, and answer 304 to whoever has it (RFC 9110, 13.1.2)."""
    if NEVER in response.headers:
        return response
    headers = [*response.headers]
    if ETAG not in dict(headers):
        headers.append(_etag(sha256(response.body).hexdigest()))
    etag = dict(headers)[ETAG].decode().removeprefix("W/")
    if lists_tag(known.decode("latin-1"), etag, weak=True):
        return Response(304, headers)
    return Response(response.status, headers, response.body)


def _etag(digest: str) -> Header:
    """Return the tag of a version: weak, since compressed or not it is the same version."""
    return ETAG, f'W/"{digest[:24]}"'.encode()
