"""What a handler may know of its connection."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["WebSocketContext"]


class WebSocketContext(msgspec.Struct, frozen=True, kw_only=True):
    """One connection, as handlers with `websocket_context=True` receive it.

    Attributes:
        conn_id: Identity of the connection.
        channel_id: Channel of its handler, `Mod/handler`.
        user: Fields of the session of a known user, None for an anonymous one.
        session_id: Identity of the session at its provider, None without one.
        headers: Headers of the handshake by lower-case name.
        cookies: Cookies of the handshake.
    """

    conn_id: str
    channel_id: str
    user: dict[str, Any] | None = None
    session_id: str | None = None
    headers: dict[str, str] = {}
    cookies: dict[str, str] = {}

    @property
    def is_authenticated(self) -> bool:
        """Whether a known user is there."""
        return self.user is not None

    @property
    def user_id(self) -> str | None:
        """Stable identity of the user, None for an anonymous one."""
        return None if self.user is None else str(self.user.get("user_id", ""))
