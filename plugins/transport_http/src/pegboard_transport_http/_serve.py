"""One request for one export: the fast path.

All that does not depend on the request is a local name of the function that `compile_serve`
returns. That function is one piece, since each further coroutine costs a request half as much as
parsing its query does. What is rare, or fails, is in `_endpoint.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard import ANONYMOUS, OK_INFO, CallContext, Connection, call_context, parse_query
from pegboard.contracts.session import RESPONSE_HEADERS
from pegboard_transport_http._input import check_fields
from pegboard_transport_http._json import encode
from pegboard_transport_http._render import JSON, LENGTHS, SPECIAL

if TYPE_CHECKING:
    from pegboard.contracts.asgi import AsgiCallable, Receive, Scope, Send
    from pegboard_transport_http._endpoint import Endpoint

__all__ = ["compile_serve"]

_NO_NAMES: dict[str, Any] = {}
_BODILESS = frozenset({"GET", "HEAD"})
_UNKNOWN = bytes(100)
"""What stands for a Content-Length that is not there: longer than any that is."""


def compile_serve(endpoint: Endpoint, *, as_events: bool) -> AsgiCallable:  # noqa: C901, PLR0915 - the inner one counts
    """Return what answers the requests for one export; whatever fails is answered, too.

    Args:
        endpoint: The export, and what serves the app.
        as_events: Whether results are wanted as server-sent events.
    """
    transport, export = endpoint.transport, endpoint.export
    app, settings = transport.app, transport.settings
    access = app.access
    slot = app.registry.slot(export.address)
    check_head, small = transport.head.fields, transport.small
    in_time, go_on = transport.body.silence.bound, transport.body.go_on
    bind_export, decode, resumes = export.binding.bind, endpoint.decode, endpoint.resumes
    methods, max_fields, is_public = endpoint.accepted, settings.max_fields, export.public
    few_digits = len(str(transport.body.max_memory)) - 1  # of a length that is surely below
    is_enveloped = not export.options.row and not as_events

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: C901, PLR0912, PLR0915 - see above
        content = result = None
        started = False
        try:
            fields = check_head(scope)
            method = scope["method"]
            if method not in methods:
                await endpoint.other_method(scope, receive, send)
                return
            tell = access.headers
            bind = bind_export
            if is_public and tell is not None and tell.isdisjoint(fields):
                session = ANONYMOUS
            else:
                session = await access.admit(export, Connection(scope))
                if slot.export is not export:
                    current, session = await endpoint.admit(scope, session)
                    bind = current.binding.bind
            query = scope["query_string"]
            if len(query) >= max_fields:  # a shorter one cannot have more
                check_fields(query, max_fields)
            if method in _BODILESS:
                values = parse_query(query)
                if resumes:
                    endpoint.resume(scope, values)
                args, kwargs = bind(values)
                context = CallContext(app, session, scope)
            else:
                message = kwargs = None
                if (
                    decode is not None
                    and not query
                    and fields.get(b"content-type") == b"application/json"
                    and len(fields.get(b"content-length", _UNKNOWN)) <= few_digits
                ):
                    message = await in_time(receive)
                    if message.get("more_body"):
                        message = await go_on(message, receive)
                    if slot.export is export and not message.get("more_body"):
                        try:
                            args, value = decode(message["body"])
                            kwargs = _NO_NAMES
                            context = CallContext(app, session, scope, None, value)
                        except Exception:  # noqa: BLE001, S110 - the long way says what is wrong
                            pass
                if kwargs is None:
                    content, context, args, kwargs = await endpoint.read(
                        scope, fields, receive, session, message
                    )
            token = call_context.set(context)
            try:
                result = await (slot.call(*args, **kwargs) if kwargs else slot.call(*args))
            finally:
                call_context.reset(token)
            if (
                is_enveloped
                and result.info is OK_INFO
                and result.result.data_type not in SPECIAL
                and method != "HEAD"
            ):
                body = encode(result)
                if len(body) < small:
                    started = True
                    headers = [JSON, LENGTHS[len(body)]]
                    if RESPONSE_HEADERS in scope:
                        headers += scope[RESPONSE_HEADERS]
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                    await send({"type": "http.response.body", "body": body})
                    if result.tasks:
                        app.run_tasks(result)
                    return
            exchange = transport.exchange(scope, receive, send)
            started = True
            await transport.answer(
                exchange, result, context, row=export.options.row, as_events=as_events
            )
        except Exception as error:  # noqa: BLE001 - becomes the answer
            if not started:
                await endpoint.refuse(scope, receive, send, error)
            if result is not None:
                app.run_tasks(result)
        finally:
            if content is not None:
                content.close()

    return serve
