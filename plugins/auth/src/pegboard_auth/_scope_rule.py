"""What an API key may call. No I/O.

A scope is `Mod.function`, `Mod.*` or, for a WebSocket, `Mod.handler`; a key without scopes may call
whatever its account may.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from pegboard.errors import InputError

__all__ = ["check_scopes", "covers"]

DOORS = frozenset({"api", "sse", "ws"})
MOST = 50

_SCOPE = re.compile(r"[^\s/*]+\.(?:\*|[^\s/*.]+)")


def check_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """Return scopes that can be kept.

    Raises:
        InputError: If one is malformed, or there are too many.
    """
    if len(scopes) > MOST:
        msg = f"a key has at most {MOST} scopes"
        raise InputError(msg)
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            msg = f"{scope!r} is no scope: write it like Board.read or Board.*"
            raise InputError(msg)
    return tuple(dict.fromkeys(scopes))


def covers(scopes: Collection[str], path: str) -> bool:
    """Whether a path is that of an export which the scopes name.

    Args:
        scopes: The scopes of a key, at least one.
        path: Path of a request; one that is no call of an export is not covered.
    """
    parts = path.split("/")
    if len(parts) != 4 or parts[0] or parts[1] not in DOORS:
        return False
    _, _, mod, name = parts
    return f"{mod}.{name}" in scopes or f"{mod}.*" in scopes
