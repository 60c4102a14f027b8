"""Letting other plugins answer in place of an export: the hook `handle_request`.

This stands in front of the routes only while some plugin implements the hook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import CallContext, Connection, Request, RequestData
from pegboard_transport_http._input import MULTIPART, check_fields, decode_body, query_values
from pegboard_transport_http._media_type import parse_media_type

if TYPE_CHECKING:
    from pegboard.contracts.asgi import AsgiCallable, Message, Receive, Scope, Send
    from pegboard_transport_http._head import Fields
    from pegboard_transport_http._transport import HttpTransport

__all__ = ["Interception"]

_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


class Interception:
    """Asks the plugins before a route is taken.

    They are asked before it is decided who may call the export, and after the policy for pages of
    other origins, whose preflight requests they do not see. They see the whole body, of which more
    than fits into memory is refused; that of a multipart form they do not see.

    Args:
        transport: Reads the request and sends their answer.
    """

    def __init__(self, transport: HttpTransport) -> None:
        self._transport = transport

    def wrap(self, asgi: AsgiCallable) -> AsgiCallable:
        """Return a route that is taken only if nobody answers before."""
        transport = self._transport

        async def route(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                fields = transport.head.fields(scope)
                request, receive = await self._request(scope, fields, receive)
                result = await transport.app.intercept(request)
            except Exception as error:  # noqa: BLE001 - becomes the answer
                what = f"{scope['path']}, intercepted,"
                await transport.refuse(scope, receive, send, error, what=what)
                return
            if result is None:
                await asgi(scope, receive, send)
                return
            exchange = transport.exchange(scope, receive, send)
            context = CallContext(transport.app, request.session, scope)
            await transport.answer(exchange, result, context)

        return route

    async def _request(
        self, scope: Scope, fields: Fields, receive: Receive
    ) -> tuple[RequestData, Receive]:
        max_fields = self._transport.settings.max_fields
        check_fields(scope["query_string"], max_fields)
        query_values(scope["query_string"])  # whoever is asked can read it then
        session = await self._transport.app.access.session(Connection(scope))
        request = RequestData(Request.from_scope(scope), session)
        media_type = parse_media_type(fields.get(b"content-type"))
        if scope["method"] in _BODILESS or media_type.essence == MULTIPART:
            return request, receive
        body = await self._transport.body.read(fields, receive)
        content = decode_body(body, media_type, max_fields=max_fields)
        request.request.body, request.request.form_data = content.body, content.form
        return request, _replay(body, receive)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body which was read already, then goes on."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again
