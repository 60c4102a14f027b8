"""The server contract on Hypercorn; the library itself is imported when it serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pegboard.errors import ConfigError
from pegboard_server_hypercorn._guard import Guard
from pegboard_server_hypercorn.config import HypercornConfig

if TYPE_CHECKING:
    from anyio import Event

    from pegboard.contracts.asgi import AsgiCallable
    from pegboard.contracts.server import ServerFeature, ServeSettings

__all__ = ["HypercornServer"]


class HypercornServer:
    """Hypercorn behind the server contract, on asyncio and trio.

    Attributes:
        name: `hypercorn`.
        rank: Thousands of requests per second on one core.
        features: Everything that can be asked for.

    Args:
        config: The settings of the plugin.
    """

    name: ClassVar[str] = "hypercorn"
    rank: ClassVar[int] = 6
    features: ClassVar[frozenset[ServerFeature]] = frozenset({"http2", "tls", "trio", "workers"})

    def __init__(self, config: HypercornConfig | None = None) -> None:
        self._config = config or HypercornConfig()

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
            ConfigError: If the certificate or its key cannot be read.
        """
        from hypercorn.utils import wrap_app

        from pegboard_server_hypercorn._translation import make_config, make_context

        guard = Guard(asgi, head_limit=self._config.head_limit)
        config = make_config(settings, self._config)
        try:
            context = make_context(config)
        except OSError as error:
            msg = f"cannot use certificate {settings.certfile} with key {settings.keyfile}: {error}"
            raise ConfigError(msg) from error
        if settings.backend == "trio":
            from pegboard_server_hypercorn._trio_listener import serve
        else:
            from pegboard_server_hypercorn._asyncio_listener import serve
        await serve(
            wrap_app(cast("Any", guard), config.wsgi_max_body_size, "asgi"),
            config,
            context,
            sockets=sockets,
            started=started,
            stop=stop,
            timeout=settings.shutdown_timeout,
        )
