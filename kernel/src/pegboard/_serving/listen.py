"""Listening sockets, or an error that says what to do."""

from __future__ import annotations

import errno
import socket
import sys
from contextlib import ExitStack

from pegboard.errors import ConfigError

__all__ = ["listen", "url_of"]

BACKLOG = 2048
"""Connections that the system holds before the server accepts them."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Bind and listen on all addresses of a host.

    Args:
        host: Address, or name with one or more addresses; empty for all interfaces.
        port: TCP port; 0 takes a free one, the same for all addresses.

    Raises:
        ConfigError: If the host is unknown, or the port is in use or not allowed.
    """
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, address in _addresses(host, port):
            bound = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
            chosen = sockets[0].getsockname()[1] if sockets and not port else port
            try:
                _bind(bound, (address[0], chosen, *address[2:]))
            except OSError as error:
                if sockets and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    continue  # the name has an IPv6 address and this machine has none
                raise ConfigError(_explain(error, host, port)) from error
            sockets.append(bound)
        opened.pop_all()
    return sockets


def url_of(bound: socket.socket, *, is_secure: bool) -> str:
    """Return the address that a browser on this machine opens."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - only shown
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if is_secure else 'http'}://{shown}:{port}"


def _addresses(host: str, port: int) -> list[tuple[int, tuple[str, int, *tuple[int, ...]]]]:
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        msg = f"host {host!r} has no address here: choose one with --host, such as 127.0.0.1"
        raise ConfigError(msg) from error
    pairs = [(family, address) for family, _, _, _, address in found]
    return list(dict.fromkeys(pairs))  # type: ignore[arg-type]  # TCP addresses only


def _bind(bound: socket.socket, address: tuple[str, int, *tuple[int, ...]]) -> None:
    if sys.platform != "win32":  # there it would let two programs have one port
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if bound.family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound.bind(address)
    bound.listen(BACKLOG)
    bound.setblocking(False)


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is in use: stop the program that listens there, "
            f"or choose another port, such as --port {port + 1 if port < 65_535 else 5000}"
        )
    if error.errno == errno.EACCES:
        return f"port {port} of {host} needs more rights: choose one above 1023 with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: choose one with --host, such as 127.0.0.1"
    return f"cannot listen on port {port} of {host}: {error.strerror or error}"
