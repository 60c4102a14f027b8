"""The app as one ASGI callable, to be served or mounted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard.contracts.asgi import Receive, Scope, Send

__all__ = ["AsgiApp"]

_logger = logging.getLogger("pegboard.asgi")


class AsgiApp:
    """Sends each connection to the plugin that serves its path.

    Mounted below a path it serves what follows `root_path`. Under a server that sends lifespan
    events it starts and stops the app, unless that runs already.
    """

    __slots__ = ("_app",)

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope.get("root_path"):
            scope = _below_root(scope)
        path, router = scope["path"], self._app.router
        known = router.known.get(path) if kind == "http" else None
        await (known or router.find(kind, path))(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        if self._app.is_running:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        else:
            try:
                await self._app.__aenter__()
            except Exception as error:
                _logger.exception("the app could not start")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            try:
                await receive()
            finally:
                await self._app.__aexit__(None, None, None)
        await send({"type": "lifespan.shutdown.complete"})


def _below_root(scope: Scope) -> Scope:
    """Return the scope with the path as it is below the point where the app is mounted."""
    root, path = scope["root_path"], scope["path"]
    if path == root or path.startswith(f"{root.rstrip('/')}/"):
        return {**scope, "path": path[len(root.rstrip("/")) :] or "/"}
    return scope
