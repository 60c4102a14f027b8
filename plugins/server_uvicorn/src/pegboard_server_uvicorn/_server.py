"""The server contract on uvicorn; the library itself is imported when it serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from pegboard.errors import ConfigError
from pegboard_server_uvicorn.config import UvicornConfig

if TYPE_CHECKING:
    from anyio import Event

    from pegboard.contracts.asgi import AsgiCallable
    from pegboard.contracts.server import ServerFeature, ServeSettings

__all__ = ["UvicornServer"]


class UvicornServer:
    """uvicorn behind the server contract: asyncio, and uvloop where the caller runs it.

    Attributes:
        name: `uvicorn`.
        rank: Thousands of requests per second on one core.
        features: TLS and workers; HTTP/2 and trio need another server.

    Args:
        config: The settings of the plugin.
    """

    name: ClassVar[str] = "uvicorn"
    rank: ClassVar[int] = 41
    features: ClassVar[frozenset[ServerFeature]] = frozenset({"tls", "workers"})

    def __init__(self, config: UvicornConfig | None = None) -> None:
        self._config = config or UvicornConfig()

    async def serve(
        self,
        asgi: AsgiCallable,
        settings: ServeSettings,
        *,
        sockets: list[int],
        started: Callable[[], None],
        stop: Event,
    ) -> None:
        """Serve until `stop` is set; see `pegboard.contracts.server.Server`.

        Raises:
            ConfigError: If HTTP/2 or trio is asked for, or the certificate cannot be read.
        """
        if missing := settings.needs - self.features:
            msg = (
                f"uvicorn cannot do {', '.join(sorted(missing))}: "
                "use --server hypercorn (pip install pegboard-server-hypercorn)"
            )
            raise ConfigError(msg)
        from pegboard_server_uvicorn._listener import Listener

        listener = Listener(asgi, settings, self._config)
        try:
            await listener.open(sockets)
            started()
            await listener.run_until(stop)
            await listener.drain(settings.shutdown_timeout)
        finally:
            await listener.cut()
