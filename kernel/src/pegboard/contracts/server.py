"""A server: what runs the ASGI application on sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, Protocol

import msgspec
from anyio import Event

from pegboard.contracts.asgi import AsgiCallable

__all__ = ["ServeSettings", "Server", "ServerFeature"]

ServerFeature = Literal["http2", "tls", "trio", "workers"]


class ServeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section `[serve]`: what `pegboard serve` asks of a server.

    Attributes:
        host: Address or name to bind; a name binds all its addresses.
        port: TCP port; 0 takes a free one.
        server: Name of the server plugin (`hypercorn`, `uvicorn`) or `auto`.
        workers: Processes that serve, from 1 to 64.
        certfile: PEM certificate chain; with `keyfile` turns TLS on.
        keyfile: PEM private key.
        http2: Whether HTTP/2 is asked for (over TLS, or by prior knowledge in clear text).
        shutdown_timeout: Seconds that requests, streams and sockets get to end after a signal.
        header_timeout: Seconds a client may take to send its request headers.
        send_timeout: Seconds for which a client may accept nothing of what is sent to it; then its
            connection is dropped, in HTTP/2 the stream that it does not take.
        backend: The anyio backend that the application runs on.
        access_log: Whether each request is logged.
        reload: Whether changed code is brought live; the plugin hot_reload does that.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 5000
    server: str = "auto"
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    certfile: str | None = None
    keyfile: str | None = None
    http2: bool = False
    shutdown_timeout: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 10.0
    header_timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 10.0
    send_timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 60.0
    backend: Literal["asyncio", "trio"] = "asyncio"
    access_log: bool = False
    reload: bool = False

    @property
    def needs(self) -> frozenset[ServerFeature]:
        """The features without which a server cannot do what is asked."""
        wanted: dict[ServerFeature, bool] = {
            "http2": self.http2,
            "tls": self.certfile is not None,
            "trio": self.backend == "trio",
            "workers": self.workers > 1,
        }
        return frozenset(name for name, is_wanted in wanted.items() if is_wanted)


class Server(Protocol):
    """One server library behind the contract.

    `pegboard.testing.server_suite.ServerSuite` holds what is said here as tests.

    Attributes:
        name: What `--server` calls it.
        rank: Higher is taken first by `auto`: requests per second on one core, in thousands.
        features: What it can do.
    """

    @property
    def name(self) -> str:
        """See the class."""
        ...

    @property
    def rank(self) -> int:
        """See the class."""
        ...

    @property
    def features(self) -> frozenset[ServerFeature]:
        """See the class."""
        ...

    async def serve(
        self,
        asgi: AsgiCallable,
        settings: ServeSettings,
        *,
        sockets: list[int],
        started: Callable[[], None],
        stop: Event,
    ) -> None:
        """Serve until `stop` is set, then let what is open end within the shutdown timeout.

        After `settings.shutdown_timeout` seconds what is left is cut. Cancellation cuts at once.
        No signal handler is installed: the caller sets `stop`.

        Args:
            asgi: The application; lifespan events are not sent to it.
            settings: What was asked for.
            sockets: Descriptors of bound, listening sockets that the caller owns and closes.
            started: Called once requests are accepted.
            stop: Set when no new connection shall be taken; streams and sockets are told by
                the application itself.

        Raises:
            ConfigError: If the settings ask for what this server cannot do.
        """
        ...
