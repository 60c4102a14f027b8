"""HTTP for one app: which address leads to which export, and how results are answered."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from anyio import CapacityLimiter

from pegboard import Connection, Result, call_context
from pegboard.errors import NotFoundError, PegboardError
from pegboard_transport_http._body import BodyReader
from pegboard_transport_http._compression import Compressor
from pegboard_transport_http._deadline import Deadline
from pegboard_transport_http._delivery import Delivery
from pegboard_transport_http._download import download
from pegboard_transport_http._endpoint import NAME, Endpoint
from pegboard_transport_http._exchange import Exchange
from pegboard_transport_http._head import HeadCheck, check_path
from pegboard_transport_http._input import MULTIPART, Content, read_content
from pegboard_transport_http._media_type import parse_media_type
from pegboard_transport_http._multipart import read_multipart
from pegboard_transport_http._refusal import (
    ClientGoneError,
    NotAcceptableError,
    RangeError,
    refusal,
    retry_after,
)
from pegboard_transport_http._render import render
from pegboard_transport_http._stream import Stream
from pegboard_transport_http._stream_limit import StreamLimit

if TYPE_CHECKING:
    from pegboard import App, Binding, CallContext, Slot
    from pegboard.contracts.asgi import AsgiCallable, Message, Receive, Scope, Send
    from pegboard_transport_http._head import Fields
    from pegboard_transport_http.config import HttpSettings

__all__ = ["HttpTransport"]

SMALL = 4096  # bytes; below, a response is neither compressed in a thread nor put under a deadline

_EVENT_KINDS = frozenset({"json", "html", "special_html", "text"})

_logger = logging.getLogger("pegboard.http")


class HttpTransport:
    """Serves the exports of one app.

    Attributes:
        app: The app.
        settings: Its settings for HTTP.
        head: Checks the heads of requests.
        body: Reads bodies.
        stall: For how long a client may accept nothing of its answer.
        small: Bodies below this size are sent as they are.
        deliveries: Streams that are open.
    """

    def __init__(self, app: App, settings: HttpSettings) -> None:
        self.app = app
        self.settings = settings
        self.head = HeadCheck(settings.allowed_hosts)
        self.body = BodyReader(settings)
        self.stall = Deadline(settings.send_timeout)
        self.small = min(SMALL, SMALL if settings.compress_from is None else settings.compress_from)
        self.deliveries: set[Delivery] = set()
        self._compressor = Compressor(
            smallest=settings.compress_from, level=settings.compress_level
        )
        self._threads = CapacityLimiter(settings.stream_threads)
        self._limit = StreamLimit(settings)
        self._closers = CapacityLimiter(settings.stream_threads)
        self._generation = app.generation(NAME)
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

    def find_api(self, path: str) -> AsgiCallable | None:
        """Return what serves exactly this path."""
        endpoint = self._api.get(path)
        return None if endpoint is None else endpoint.serve

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
        return endpoint.serve_events(scope, receive, send)

    # -- requests --------------------------------------------------------------------------

    def exchange(self, scope: Scope, receive: Receive, send: Send) -> Exchange:
        """Return a request as what is off the fast path likes it."""
        return Exchange(scope, receive, send, stall=self.stall)

    async def read(
        self, fields: Fields, receive: Receive, binding: Binding, first: Message | None = None
    ) -> Content:
        """Read and decode a body.

        Args:
            fields: The request headers.
            receive: Gives what is still missing of the body.
            binding: What the export takes.
            first: The first message, if that was received already.

        Raises:
            InputError: If it is malformed, too large, too slow or of a type that is not taken.
            ClientGoneError: If the client goes away before it is complete.
        """
        media_type = parse_media_type(fields.get(b"content-type"))
        if media_type.essence == MULTIPART:
            parts = self.body.parts(fields, receive, self.settings.max_body, first)
            form = await read_multipart(parts, media_type.boundary, self.settings)
            return Content(form=form.values, uploads=form.uploads)
        body = await self.body.read(fields, receive, first)
        return read_content(body, media_type, binding, max_fields=self.settings.max_fields)

    def close(self) -> None:
        """Let go of the event loop: no request is served any more."""
        self.stall.close()
        self.body.silence.close()

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
        """Answer with a result of any kind, then start its tasks. Raises nothing but cancellation.

        The tasks belong to what the export has done: they run also where its answer cannot be
        sent, or nobody is there any more to take it.

        Args:
            exchange: The request.
            result: What the export answered.
            context: Surroundings of the call, for a stream to run in.
            row: Whether a plain value is sent bare.
            as_events: Whether it is wanted as server-sent events.
        """
        results = [result]
        try:
            if result.result.data_type == "future":
                result = await _awaited(result, context)
                results.append(result)
            if as_events and result.is_ok() and _is_event(result):
                result = _as_stream(result)
            if result.result.data_type == "stream":
                await self._deliver(exchange, result, context)
            elif result.result.data_type == "file_path" and result.is_ok():
                self._check_accept(exchange)
                await download(exchange, result)
            else:
                await self._respond(exchange, result, row=row)
        except Exception as error:  # noqa: BLE001 - becomes the answer
            await self.fail(exchange, error, what=exchange.scope["path"], origin=_origin(result))
        for each in results:
            self.app.run_tasks(each)

    async def _respond(self, exchange: Exchange, result: Result[Any], *, row: bool) -> None:
        response = render(result, row=row, enveloped=exchange.wants_envelope)
        response.headers.extend(retry_after(result.exception))
        await self._compressor.apply(response, exchange.header(b"accept-encoding"))
        await exchange.respond(response)

    async def _deliver(self, exchange: Exchange, result: Result[Any], context: CallContext) -> None:
        client = Connection(exchange.scope).client
        stream = Stream(
            result,
            context,
            limiter=self._threads,
            closers=self._closers,
            close_timeout=self.settings.close_timeout,
        )
        try:
            if not stream.is_event_stream:
                self._check_accept(exchange)
            self._limit.check(client)
            delivery = Delivery(exchange, stream, context, self.settings)
        except BaseException:
            await stream.aclose()
            raise
        self.deliveries.add(delivery)
        self._generation.leases += 1
        try:
            if self.app.stopping.is_set():
                delivery.end()
            with self._limit.counted(client):
                await delivery.run()
        finally:
            self._generation.leases -= 1
            self.deliveries.discard(delivery)

    def end_streams(self, subjects: Collection[str] | None = None) -> None:
        """Let the open event streams end, as the server stops.

        Args:
            subjects: Sessions and users whose streams end; None for all.
        """
        for delivery in list(self.deliveries):
            if subjects is None or delivery.is_for(subjects):
                delivery.end()

    def _check_accept(self, exchange: Exchange) -> None:
        """Make sure that a client that asks for the envelope gets nothing else.

        Raises:
            NotAcceptableError: If it accepts nothing else, and this fits into no envelope.
        """
        if exchange.wants_envelope and not exchange.wants_anything:
            msg = "this result is a stream or file, which no envelope can hold: accept */*, too"
            raise NotAcceptableError(msg)

    async def refuse(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        error: Exception,
        *,
        what: str,
        origin: tuple[str, ...] | None = None,
    ) -> None:
        """Answer with the envelope of an error; see `fail`."""
        await self.fail(self.exchange(scope, receive, send), error, what=what, origin=origin)

    async def fail(
        self,
        exchange: Exchange,
        error: Exception,
        *,
        what: str,
        origin: tuple[str, ...] | None = None,
    ) -> None:
        """Answer with the envelope of an error, if nothing was answered yet.

        Args:
            exchange: The request.
            error: What was raised.
            what: What was going on, for the log.
            origin: The export that was asked for.
        """
        if isinstance(error, ClientGoneError):
            return
        headers = []
        if isinstance(error, RangeError):
            headers.append((b"content-range", b"bytes */%d" % error.size))
        response = refusal(error, headers, what=what, dev=self.app.dev, origin=origin)
        if exchange.started:
            return
        try:
            await exchange.respond(response)
        except Exception as again:  # noqa: BLE001 - the connection is gone
            _logger.debug("could not answer: %r", again)

    async def _not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        error: Exception = NotFoundError("there is nothing at this address")
        try:
            self.head.fields(scope)
            check_path(scope["path"])
        except PegboardError as worse:
            error = worse
        await self.refuse(scope, receive, send, error, what="request")


def _address(endpoint: Endpoint) -> str:
    return f"{endpoint.export.mod}/{endpoint.export.name}"


def _is_event(result: Result[Any]) -> bool:
    """Whether the data makes sense as a single event; downloads and redirects do not."""
    kind = result.result.data_type or ""
    return (
        kind in _EVENT_KINDS
        or kind.startswith("text/")
        or (kind not in {"binary", "file", "file_path", "redirect", "stream"} and "/" not in kind)
    )


def _as_stream(result: Result[Any]) -> Result[Any]:
    data = result.get()
    if result.result.data_type == "special_html":
        data = data.get("html")
    events = Result.sse([data])
    events.__dict__.update(result.__dict__)
    return events


async def _awaited(result: Result[Any], context: CallContext) -> Result[Any]:
    """Return a result with the data that its future brings, in the surroundings of the call."""
    data = result.result.data
    if inspect.isawaitable(data):
        token = call_context.set(context)
        try:
            data = await data
        finally:
            call_context.reset(token)
    if isinstance(data, Result):
        data.origin = data.origin or result.origin
        return data
    kind = type(data).__name__
    return msgspec.structs.replace(
        result, result=msgspec.structs.replace(result.result, data=data, data_type=kind)
    )


def _origin(result: Result[Any]) -> tuple[str, ...] | None:
    return result.origin if isinstance(result.origin, tuple) else None
