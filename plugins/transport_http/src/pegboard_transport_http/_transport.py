"""HTTP for one app: which address leads to which export, and how results are answered."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any

from pegboard.errors import NotFoundError
from pegboard_transport_http._body import BodyReader
from pegboard_transport_http._endpoint import NAME, Endpoint
from pegboard_transport_http._exchange import Exchange, StalledClientError
from pegboard_transport_http._head import HeadCheck, check_path
from pegboard_transport_http._input import Content, read_content
from pegboard_transport_http._media_type import parse_media_type
from pegboard_transport_http._refusal import ClientGoneError, refusal
from pegboard_transport_http._render import render

if TYPE_CHECKING:
    from pegboard import App, Binding, CallContext, Result, Slot
    from pegboard.contracts.asgi import Receive, Scope, Send
    from pegboard_transport_http._head import Fields
    from pegboard_transport_http.config import HttpSettings

__all__ = ["HttpTransport"]

_logger = logging.getLogger("pegboard.http")


class HttpTransport:
    """Serves the exports of one app.

    Attributes:
        app: The app.
        settings: Its settings for HTTP.
        head: Checks the heads of requests.
        body: Reads bodies.
        small: Bodies below this size are sent as they are.
    """

    def __init__(self, app: App, settings: HttpSettings) -> None:
        self.app = app
        self.settings = settings
        self.head = HeadCheck()
        self.body = BodyReader(settings)
        self.small = 4096
        self._api: dict[str, Endpoint] = {}
        self._sse: dict[str, Endpoint] = {}

    # -- addresses -------------------------------------------------------------------------

    def update(self, table: Mapping[str, Slot]) -> None:
        """Take over a new table of exports; called within each commit."""
        endpoints = [
            slot.export.attachments[NAME]
            for slot in table.values()
            if slot.export is not None and NAME in slot.export.attachments
        ]
        self._api = {f"/api/{_address(each)}": each for each in endpoints}
        self._sse = {f"/sse/{_address(each)}": each for each in endpoints}

    def api(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request to `/api/{mod}/{function}`."""
        endpoint = self._api.get(scope["path"])
        if endpoint is None:
            return self._not_found(scope, receive, send)
        return endpoint.serve(scope, receive, send)

    def sse(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request to `/sse/{mod}/{function}`."""
        endpoint = self._sse.get(scope["path"])
        if endpoint is None:
            return self._not_found(scope, receive, send)
        return endpoint.serve(scope, receive, send, as_events=True)

    # -- requests --------------------------------------------------------------------------

    def exchange(self, scope: Scope, receive: Receive, send: Send) -> Exchange:
        """Return a request as what is off the fast path likes it."""
        return Exchange(scope, receive, send, send_timeout=self.settings.send_timeout)

    async def read(
        self, scope: Scope, fields: Fields, receive: Receive, binding: Binding
    ) -> Content:
        """Read and decode a body.

        Raises:
            InputError: If it is malformed, too large, too slow or of a type that is not taken.
            ClientGoneError: If the client goes away before it is complete.
        """
        media_type = parse_media_type(fields.get(b"content-type"))
        body = await self.body.read(fields, receive)
        return read_content(body, media_type, binding)

    # -- answers ---------------------------------------------------------------------------

    async def answer(
        self,
        exchange: Exchange,
        result: Result[Any],
        context: CallContext,
        *,
        row: bool = False,
        as_events: bool = False,
    ) -> None:
        """Answer with a result of any kind, then start its tasks.

        Args:
            exchange: The request.
            result: What the export answered.
            context: Surroundings of the call, for a stream to run in.
            row: Whether a plain value is sent bare.
            as_events: Whether it is wanted as server-sent events.
        """
        try:
            response = render(result, row=row, enveloped=exchange.wants_envelope)
            await exchange.respond(response)
        except Exception as error:  # noqa: BLE001 - becomes the answer
            await self._fail(exchange, error, "answering")
        self.app.run_tasks(result)

    async def refuse(
        self, scope: Scope, receive: Receive, send: Send, error: Exception, *, what: str
    ) -> None:
        """Answer with the envelope of an error."""
        await self._fail(self.exchange(scope, receive, send), error, what)

    async def _fail(self, exchange: Exchange, error: Exception, what: str) -> None:
        if isinstance(error, (ClientGoneError, StalledClientError)):
            return
        response = refusal(error, what=what, dev=self.app.dev)
        if exchange.started:
            return
        try:
            await exchange.respond(response)
        except Exception as again:  # noqa: BLE001 - the connection is gone
            _logger.debug("could not answer: %r", again)

    async def _not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        try:
            self.head.fields(scope)
            check_path(path)
            msg = "there is nothing at this address"
            raise NotFoundError(msg)
        except Exception as error:  # noqa: BLE001 - becomes the answer
            await self.refuse(scope, receive, send, error, what=path)


def _address(endpoint: Endpoint) -> str:
    return f"{endpoint.export.mod}/{endpoint.export.name}"
