"""One export behind HTTP: what it needs beside the fast path of `_serve.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard import CallContext, Connection, Export
from pegboard.errors import InputError, MethodNotAllowedError, NotFoundError
from pegboard_transport_http._body import too_slow
from pegboard_transport_http._deadline import DeadlineError
from pegboard_transport_http._input import Content, bind, compile_json, query_values
from pegboard_transport_http._refusal import refusal
from pegboard_transport_http._render import Response
from pegboard_transport_http._serve import compile_serve

if TYPE_CHECKING:
    from pegboard import Session
    from pegboard.contracts.asgi import Message, Receive, Scope, Send
    from pegboard_transport_http._head import Fields
    from pegboard_transport_http._transport import HttpTransport

__all__ = ["NAME", "Endpoint"]

NAME = "transport_http"
"""Under which an endpoint is kept in `export.attachments`."""

RESUME = "last_event_id"
"""Parameter that receives the Last-Event-ID header: where a client wants to go on."""


class Endpoint:
    """Answers the requests for one export of one generation.

    Attributes:
        transport: What serves the app.
        export: The export.
        accepted: Methods that reach the export.
        methods: All that it answers, in the order of the Allow header.
        resumes: Whether it takes a Last-Event-ID.
        decode: Makes arguments of a JSON body in one step, where that is possible.
        serve: Answers one request.
        serve_events: The same, with server-sent events.

    Args:
        transport: What serves the app.
        export: The export.
    """

    __slots__ = (
        "_app",
        "_slot",
        "accepted",
        "decode",
        "export",
        "methods",
        "resumes",
        "serve",
        "serve_events",
        "transport",
    )

    def __init__(self, transport: HttpTransport, export: Export) -> None:
        head = ("HEAD",) if "GET" in export.methods else ()
        self.transport = transport
        self.export = export
        self.accepted = frozenset((*export.methods, *head))
        self.methods = (*export.methods, *head, "OPTIONS")
        self.resumes = any(each.name == RESUME for each in export.binding.parameters)
        self.decode = None if self.resumes else compile_json(export.binding)
        self._app = transport.app
        self._slot = transport.app.registry.slot(export.address)
        self.serve = compile_serve(self, as_events=False)
        self.serve_events = compile_serve(self, as_events=True)

    async def admit(self, scope: Scope, session: Session) -> tuple[Export, Session]:
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
            if scope["method"] not in endpoint.accepted:
                raise MethodNotAllowedError(scope["method"], endpoint.methods)
            session = await self._app.access.admit(export, Connection(scope))
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

    async def read(
        self,
        scope: Scope,
        fields: Fields,
        receive: Receive,
        session: Session,
        first: Message | None = None,
    ) -> tuple[Content, CallContext, tuple[Any, ...], dict[str, Any]]:
        """Read and bind what a request with a body brings; what is to be closed comes first.

        Args:
            scope: The ASGI scope.
            fields: The headers that say what body there is.
            receive: Gives the body.
            session: Who asks.
            first: The first message of the body, if that was received already.

        Raises:
            PegboardError: If the body cannot be read or bound, or the export is gone meanwhile.
        """
        content = await self.transport.read(fields, receive, self.export.binding, first)
        try:
            export, session = await self.admit(scope, session)
            values = query_values(scope["query_string"])
            if self.resumes:
                self.resume(scope, values)
            args, names = bind(export.binding, values, content)
        except BaseException:
            content.close()
            raise
        context = CallContext(self._app, session, scope, content.form, content.body)
        return content, context, args, names

    async def other_method(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a method that does not reach the export."""
        exchange = self.transport.exchange(scope, receive, send)
        if scope["method"] == "OPTIONS":
            allow = ", ".join(self.methods).encode("ascii")
            await exchange.respond(Response(204, [(b"allow", allow)]))
            return
        error = MethodNotAllowedError(scope["method"], self.methods)
        await exchange.respond(refusal(error, origin=self.export.origin))

    async def refuse(self, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
        """Answer with what went wrong before there was an answer."""
        if isinstance(error, UnicodeDecodeError):  # of the query: whoever else decodes translates
            error = InputError("the query string is not UTF-8, percent-encoded")
        elif isinstance(error, DeadlineError):
            error = too_slow(0)
        origin = self.export.origin
        await self.transport.refuse(
            scope, receive, send, error, what=self.export.address, origin=origin
        )

    @staticmethod
    def resume(scope: Scope, values: dict[str, Any]) -> None:
        """Add the id of the last event that the client has seen, which its header knows best."""
        for name, value in scope["headers"]:
            if name == b"last-event-id":
                values[RESUME] = value.decode("utf-8", "replace")
