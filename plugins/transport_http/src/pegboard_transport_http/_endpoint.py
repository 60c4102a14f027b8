"""One export behind HTTP: the fast path.

Everything that does not depend on the request is worked out when the export is registered. What a
request costs is in `Endpoint.serve`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard import ANONYMOUS, OK_INFO, CallContext, Connection, Export, call_context, parse_query
from pegboard.errors import InputError, MethodNotAllowedError, NotFoundError
from pegboard_transport_http._input import (
    Content,
    bind,
    check_fields,
    compile_json,
    query_values,
)
from pegboard_transport_http._json import encode
from pegboard_transport_http._refusal import refusal
from pegboard_transport_http._render import JSON, LENGTHS, SPECIAL, Response

if TYPE_CHECKING:
    from pegboard import Session
    from pegboard.contracts.asgi import Receive, Scope, Send
    from pegboard_transport_http._head import Fields
    from pegboard_transport_http._transport import HttpTransport

__all__ = ["NAME", "Endpoint"]

NAME = "transport_http"
"""Under which an endpoint is kept in `export.attachments`."""

RESUME = "last_event_id"
"""Parameter that receives the Last-Event-ID header: where a client wants to go on."""

_NO_NAMES: dict[str, Any] = {}
_BODILESS = frozenset({"GET", "HEAD"})


class Endpoint:
    """Answers the requests for one export of one generation.

    Attributes:
        export: The export.
        methods: Methods that it answers, in the order of the Allow header.

    Args:
        transport: What serves the app.
        export: The export.
    """

    __slots__ = (
        "_app",
        "_bind",
        "_decode",
        "_fields",
        "_is_enveloped",
        "_is_public",
        "_max_fields",
        "_methods",
        "_reader",
        "_resumes",
        "_slot",
        "_small",
        "_transport",
        "export",
        "methods",
    )

    def __init__(self, transport: HttpTransport, export: Export) -> None:
        head = ("HEAD",) if "GET" in export.methods else ()
        self.export = export
        self.methods = (*export.methods, *head, "OPTIONS")
        self._methods = frozenset((*export.methods, *head))
        self._app = transport.app
        self._transport = transport
        self._slot = transport.app.registry.slot(export.address)
        self._fields = transport.head.fields
        self._small = transport.small
        self._max_fields = transport.settings.max_fields
        self._bind = export.binding.bind
        self._reader = transport.body
        self._is_public = export.public
        self._resumes = any(each.name == RESUME for each in export.binding.parameters)
        self._decode = None if self._resumes else compile_json(export.binding)
        self._is_enveloped = not export.options.row

    async def serve(  # noqa: C901, PLR0912, PLR0915 - one function, since each further coroutine costs a request
        self, scope: Scope, receive: Receive, send: Send, *, as_events: bool = False
    ) -> None:
        """Answer one request; whatever fails is answered, too.

        Args:
            scope: The ASGI scope.
            receive: Gives the body.
            send: Takes the response.
            as_events: Whether the result is wanted as server-sent events.
        """
        content = result = None
        started = False
        app = self._app
        try:
            fields = self._fields(scope)
            method = scope["method"]
            if method not in self._methods:
                await self._other_method(scope, receive, send)
                return
            if self._is_public and not app.has_session_loaders:
                bind, session = self._bind, ANONYMOUS
            else:
                bind, session = self._bind, await app.authorize(self.export, Connection(scope))
                if self._slot.export is not self.export:
                    current, session = await self._admit(scope, session)
                    bind = current.binding.bind
            if method in _BODILESS:
                query = scope["query_string"]
                if len(query) >= self._max_fields:  # a shorter one cannot have more
                    check_fields(query, self._max_fields)
                values = parse_query(query)
                if self._resumes:
                    _resume(scope, values)
                args, kwargs = bind(values)
                context = CallContext(app, session, scope)
            else:
                content, context, args, kwargs = await self._read(scope, fields, receive, session)
            token = call_context.set(context)
            try:
                result = await self._slot.call(*args, **kwargs)
            finally:
                call_context.reset(token)
            if (
                result.info is OK_INFO
                and result.result.data_type not in SPECIAL
                and self._is_enveloped
                and not as_events
                and method != "HEAD"
            ):
                body = encode(result)
                if len(body) < self._small:
                    started = True
                    headers = [JSON, LENGTHS[len(body)]]
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                    await send({"type": "http.response.body", "body": body})
                    if result.tasks:
                        app.run_tasks(result)
                    return
            exchange = self._transport.exchange(scope, receive, send)
            started = True
            await self._transport.answer(
                exchange, result, context, row=not self._is_enveloped, as_events=as_events
            )
        except Exception as error:  # noqa: BLE001 - becomes the answer
            if not started:
                await self._transport.refuse(
                    scope,
                    receive,
                    send,
                    _translated(error),
                    what=self.export.address,
                    origin=self.export.origin,
                )
            if result is not None:
                app.run_tasks(result)
        finally:
            if content is not None:
                content.close()

    async def _admit(self, scope: Scope, session: Session) -> tuple[Export, Session]:
        """Return the export that will run, and who calls it.

        Code may have been replaced while a request was held by an `await`: what let it in then
        says nothing about what would run now. To be called after the last `await` before the
        call.

        Raises:
            PegboardError: If the export is gone, or does not let this request in any more.
        """
        admitted = self.export
        while (export := self._current()) is not admitted:
            endpoint: Endpoint = export.attachments[NAME]
            if scope["method"] not in endpoint._methods:
                raise MethodNotAllowedError(scope["method"], endpoint.methods)
            session = await self._app.authorize(export, Connection(scope))
            admitted = export
        return export, session

    def _current(self) -> Export:
        """Return the export that serves now.

        Raises:
            NotFoundError: If the export is gone.
        """
        export = self._slot.export
        if export is None or not export.options.api:
            msg = f"{self.export.address} was removed"
            raise NotFoundError(msg)
        return export

    async def _read(
        self, scope: Scope, fields: Fields, receive: Receive, session: Session
    ) -> tuple[Content | None, CallContext, tuple[Any, ...], dict[str, Any]]:
        """Read and bind what a request with a body brings; what is to be closed comes first."""
        query = scope["query_string"]
        check_fields(query, self._max_fields)
        begun = self._reader.begin(receive)
        body = begun[0]
        if (
            body
            and self._decode is not None
            and not query
            and fields.get(b"content-type") == b"application/json"
            and self._slot.export is self.export
        ):
            try:
                args, value = self._decode(body)
            except Exception:  # noqa: BLE001, S110 - the long way says what is wrong
                pass
            else:
                return None, CallContext(self._app, session, scope, None, value), args, _NO_NAMES
        content = await self._transport.read(fields, begun, receive, self.export.binding)
        try:
            export, session = await self._admit(scope, session)
            values = query_values(query)
            if self._resumes:
                _resume(scope, values)
            args, names = bind(export.binding, values, content)
        except BaseException:
            content.close()
            raise
        context = CallContext(self._app, session, scope, content.form, content.body)
        return content, context, args, names

    async def _other_method(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self._transport.exchange(scope, receive, send)
        if scope["method"] == "OPTIONS":
            allow = ", ".join(self.methods).encode("ascii")
            await exchange.respond(Response(204, [(b"allow", allow)]))
            return
        error = MethodNotAllowedError(scope["method"], self.methods)
        await exchange.respond(refusal(error, origin=self.export.origin))


def _resume(scope: Scope, values: dict[str, Any]) -> None:
    """Add the id of the last event that the client has seen, which its header knows best."""
    for name, value in scope["headers"]:
        if name == b"last-event-id":
            values[RESUME] = value.decode("utf-8", "replace")


def _translated(error: Exception) -> Exception:
    if isinstance(error, UnicodeDecodeError):  # of the query: whoever else decodes translates it
        return InputError("the query string is not UTF-8, percent-encoded")
    return error
