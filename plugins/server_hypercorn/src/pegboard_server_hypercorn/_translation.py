"""Our settings in Hypercorn's words, and what is changed about its connections on both loops."""

from __future__ import annotations

import logging
import socket
import ssl
from typing import TYPE_CHECKING, Any

from h11 import SEND_BODY
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol

if TYPE_CHECKING:
    from pegboard.contracts.server import ServeSettings
    from pegboard_server_hypercorn.config import HypercornConfig

__all__ = [
    "GuardedConfig",
    "duplicate",
    "forbid_upgrade",
    "is_given_up",
    "logger",
    "make_config",
    "make_context",
]

logger = logging.getLogger("pegboard.server.hypercorn")

_ACCESS_FORMAT = '%(h)s "%(R)s" %(s)s'


class GuardedConfig(Config):
    """Hypercorn's configuration, and what our connections need beside it.

    Attributes:
        send_timeout: Seconds that a client may take to accept what is sent at once.
    """

    send_timeout = 60.0


def make_config(settings: ServeSettings, config: HypercornConfig) -> Config:
    """Return Hypercorn's configuration."""
    made = GuardedConfig()
    made.accesslog = logging.getLogger("hypercorn.access") if settings.access_log else None
    made.access_log_format = _ACCESS_FORMAT
    made.alpn_protocols = ["h2", "http/1.1"] if settings.http2 else ["http/1.1"]
    made.backlog = config.backlog
    made.certfile, made.keyfile = settings.certfile, settings.keyfile
    made.errorlog = logging.getLogger("hypercorn.error")
    made.h11_max_incomplete_size = config.head_limit
    made.h2_max_concurrent_streams = config.streams
    made.h2_max_header_list_size = config.head_limit
    made.include_server_header = False
    made.keep_alive_max_requests = 2**62  # a reconnect every thousand requests helps nobody
    made.keep_alive_timeout = min(config.keep_alive, settings.header_timeout)
    made.send_timeout = settings.send_timeout
    made.ssl_handshake_timeout = settings.header_timeout
    made.websocket_max_message_size = config.websocket_limit
    made.websocket_ping_interval = config.websocket_ping or None
    return made


def make_context(config: Config) -> ssl.SSLContext | None:
    """Return the TLS context, None without a certificate.

    Raises:
        OSError: If the certificate or its key cannot be read.
    """
    return config.create_ssl_context()


def duplicate(descriptor: int) -> socket.socket:
    """Return a socket of our own for a descriptor that stays the caller's."""
    with socket.socket(fileno=descriptor) as owned:
        made = owned.dup()
        owned.detach()
    made.setblocking(False)
    return made


def forbid_upgrade(wrapper: Any, config: Config) -> None:
    """Keep a connection from changing to HTTP/2 in clear text where that was not asked for."""
    if "h2" not in config.alpn_protocols and isinstance(wrapper.protocol, H11Protocol):
        setattr(wrapper.protocol, "_check_protocol", _stay)  # noqa: B010 - it has no switch


def is_given_up(wrapper: Any) -> bool:
    """Whether an HTTP/1 connection ends in the middle of an answer."""
    protocol = wrapper.protocol
    return isinstance(protocol, H11Protocol) and protocol.connection.our_state is SEND_BODY


async def _stay(request: object) -> None:
    del request
