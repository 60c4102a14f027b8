"""What becomes of an export that registers a WebSocket handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pegboard import Result
from pegboard.contracts.call import Stage
from pegboard.errors import ConfigError, NotFoundError
from pegboard_transport_ws._endpoint import ATTACHMENT
from pegboard_transport_ws._handler import Handlers, compile_handlers
from pegboard_transport_ws._option import WsOptions

if TYPE_CHECKING:
    from pegboard import App, Export, Generation
    from pegboard.contracts.call import Call
    from pegboard_transport_ws._endpoint import EndpointTable

__all__ = ["NotCallable", "Registration"]


class NotCallable:
    """A layer that answers calls of a register function: it serves a path, and is no export."""

    stage = Stage.LIMIT

    def __init__(self, handlers: Handlers) -> None:
        self._info = f"this registers a WebSocket handler: connect to {handlers.path}"

    def __call__(self, call: Call) -> Call:
        """Return a call that answers not-found."""

        async def refuse(*_args: Any, **_kwargs: Any) -> Result[Any]:
            return Result.from_error(NotFoundError(self._info))

        return refuse


class Registration:
    """Compiles the handlers of exports while these are staged.

    Args:
        app: The app.
        endpoints: The paths that are served.
    """

    def __init__(self, app: App, endpoints: EndpointTable) -> None:
        self._app = app
        self._endpoints = endpoints
        self._claims: WeakKeyDictionary[Generation, dict[str, str]] = WeakKeyDictionary()

    def register(self, export: Export) -> NotCallable | None:
        """Compile the handlers of an export that has any, into its attachments.

        Raises:
            ConfigError: If the declaration is wrong, or its path is another export's.
        """
        options = export.option(WsOptions)
        if options.websocket_handler is None:
            if options.websocket_context:
                msg = "websocket_context=True says nothing without websocket_handler"
                raise ConfigError(msg)
            return None
        handlers = compile_handlers(self._app, export, options)
        self._endpoints.check(export, handlers)
        claimed = self._claims.setdefault(export.generation, {})
        other = claimed.setdefault(handlers.path, export.address)
        if other != export.address:
            msg = f"{handlers.path} is handled by {other} already"
            raise ConfigError(msg)
        export.attachments[ATTACHMENT] = handlers
        return NotCallable(handlers)
