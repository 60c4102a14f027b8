"""From the dict of a register function to callables of one shape."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
from anyio import to_thread

from pegboard.errors import ConfigError

if TYPE_CHECKING:
    from pegboard import App, Export
    from pegboard_transport_ws._context import WebSocketContext
    from pegboard_transport_ws._option import WsOptions

__all__ = ["Given", "Handlers", "compile_handlers"]

EVENTS = ("on_connect", "on_message", "on_disconnect")

_ARGUMENTS = {
    "on_connect": ("app", "conn_id", "session"),
    "on_message": ("app", "conn_id", "session", "payload"),
    "on_disconnect": ("app", "conn_id", "session"),
}
"""What handlers receive, in the documented order."""

_NAMED_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

Call = Callable[..., Awaitable[Any]]


class Given(msgspec.Struct):
    """What one call of a handler may be given.

    Attributes:
        app: The app.
        conn_id: Identity of the connection.
        session: Who is there, one dict for the life of the connection.
        ws_context: More of the connection.
        payload: The message.
    """

    app: App
    conn_id: str
    session: dict[str, Any]
    ws_context: WebSocketContext | None = None
    payload: Any = None


Handler = Callable[[Given], Awaitable[Any]]


class Handlers(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The compiled handlers of one path; an event that nobody handles is None.

    Attributes:
        channel_id: `Mod/handler`.
        with_context: Whether connections build a `WebSocketContext`.
        on_connect: Says whether the connection is accepted.
        on_message: Answers a message.
        on_disconnect: Told when an accepted connection has ended.
    """

    channel_id: str
    with_context: bool = False
    on_connect: Handler | None = None
    on_message: Handler | None = None
    on_disconnect: Handler | None = None

    @property
    def path(self) -> str:
        """The path that clients connect to."""
        return f"/ws/{self.channel_id}"


def compile_handlers(app: App, export: Export, options: WsOptions) -> Handlers:
    """Call a register function and compile what it returns.

    Raises:
        ConfigError: If the name of the handler or anything that the function returns is wrong.
    """
    name = options.websocket_handler
    if not name or "/" in name or not name.isprintable():
        msg = f"websocket_handler={name!r} cannot be the last segment of a path"
        raise ConfigError(msg)
    found = _declared(app, export)
    compiled = {event: _compile(app, event, function, options) for event, function in found.items()}
    channel_id = f"{export.mod}/{name}"
    return Handlers(channel_id=channel_id, with_context=options.websocket_context, **compiled)


def _declared(app: App, export: Export) -> Mapping[str, Callable[..., Any]]:
    function = export.function
    if inspect.iscoroutinefunction(function):
        msg = "the function that registers a WebSocket handler cannot be async: it returns a dict"
        raise ConfigError(msg)
    found = _register(app, function)
    if not isinstance(found, Mapping) or not found or not set(found) <= set(EVENTS):
        what = f"a dict with {list(found)}" if isinstance(found, Mapping) else repr(found)
        msg = (
            "the function that registers a WebSocket handler has to return a dict with any of "
            f"{', '.join(EVENTS)}, not {what}"
        )
        raise ConfigError(msg)
    for event, handler in found.items():
        if not callable(handler):
            msg = f"{event} has to be a function, not {type(handler).__name__}"
            raise ConfigError(msg)
    return found


def _register(app: App, function: Callable[..., Any]) -> Any:
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        return function()
    first = parameters[0]
    is_keyword = first.kind is inspect.Parameter.KEYWORD_ONLY
    return function(**{first.name: app}) if is_keyword else function(app)


def _compile(app: App, event: str, function: Callable[..., Any], options: WsOptions) -> Handler:
    try:
        positional, keywords = _arguments(event, function, options)
    except (TypeError, ValueError) as error:
        msg = f"{event} has to take ({', '.join(_ARGUMENTS[event])}): {error}"
        raise ConfigError(msg) from error
    call = _as_async(app, function)
    if len(positional) > 1 and not keywords:  # nearly all are; this spares a coroutine
        pick = attrgetter(*positional)
        return lambda given: call(*pick(given))

    async def handle(given: Given) -> Any:
        args = [getattr(given, name) for name in positional]
        return await call(*args, **{name: getattr(given, name) for name in keywords})

    return handle


def _arguments(
    event: str, function: Callable[..., Any], options: WsOptions
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what the handler is given by position, and what by keyword.

    Parameters that have the documented names are given by name, whichever there are and in any
    order; otherwise all documented arguments are given by position.
    """
    signature = inspect.signature(function)
    context: tuple[str, ...] = ("ws_context",) if options.websocket_context else ()
    documented = _ARGUMENTS[event]
    parameters = list(signature.parameters.values())
    named = tuple(each.name for each in parameters if each.kind in _NAMED_KINDS)
    known = tuple(name for name in named if name in {*documented, *context})
    if not any(each.name not in known and _is_required(each) for each in parameters):
        leading = tuple(
            each.name
            for each, name in zip(parameters, known, strict=False)
            if each.name == name and each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        )
        return leading, known[len(leading) :]
    context = tuple(name for name in context if name in named)
    signature.bind(*documented, **dict.fromkeys(context))
    return documented, context


def _is_required(parameter: inspect.Parameter) -> bool:
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        return False
    return parameter.default is inspect.Parameter.empty


def _as_async(app: App, function: Callable[..., Any]) -> Call:
    if inspect.iscoroutinefunction(inspect.unwrap(function)):
        return function

    async def call(*args: Any, **kwargs: Any) -> Any:
        work = partial(function, *args, **kwargs)
        value = await to_thread.run_sync(work, limiter=app.threads)
        return await value if inspect.iscoroutine(value) else value

    return call
