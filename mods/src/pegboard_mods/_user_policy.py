"""What the user-data mod keeps where, and which mods may read what others keep for a user."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from pegboard.errors import InputError

__all__ = [
    "PERMISSIONS",
    "Grant",
    "Right",
    "allowed",
    "expiry",
    "merged",
    "scope_named",
    "usable_path",
]

Right = Literal["read", "write"]
PERMISSIONS: Mapping[str, frozenset[str]] = {
    "read": frozenset({"read"}),
    "write": frozenset({"write"}),
    "full": frozenset({"read", "write"}),
}
"""What each type of permission includes."""

_SCOPES = {
    "private": "user_private",
    "user_private": "user_private",
    "public": "public_rw",
    "public_rw": "public_rw",
    "public_read": "public_read",
    "shared": "user_public",
    "user_public": "user_public",
    "mod": "mod_data",
    "mod_data": "mod_data",
    "server": "server",
}
"""Spec document 000 and COMPATIBILITY A8: here `shared` is what its owner shares."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A user's permission for one mod to use what another keeps for that user.

    Attributes:
        source: The mod that may.
        target: The mod whose data it is.
        type: `read`, `write` or `full`.
        keys: Patterns of keys, such as `theme` or `address.*`; `*` for all.
        until: When it ends, None for never.
        granted: Whether the user has agreed; a request waits for that.
    """

    source: str
    target: str
    type: str = "read"
    keys: tuple[str, ...] = ("*",)
    until: datetime | None = None
    granted: bool = False

    def __post_init__(self) -> None:
        if self.type not in PERMISSIONS:
            msg = f"there is no permission {self.type!r}; there are {', '.join(PERMISSIONS)}"
            raise InputError(msg)

    def covers(self, source: str, target: str, right: Right, key: str, now: datetime) -> bool:
        """Whether it allows a mod to read or write a key of another, now."""
        is_pair = (self.source, self.target) == (source, target)
        is_right = right in PERMISSIONS[self.type]
        return is_pair and self.is_current(now) and is_right and _matches(key, self.keys)

    def is_current(self, now: datetime | None = None) -> bool:
        """Whether the user has agreed, and it has not ended."""
        now = now or datetime.now(UTC)
        return self.granted and (self.until is None or now < self.until)

    def is_for_the_same(self, other: Grant) -> bool:
        """Whether it differs only in when it ends and whether it is granted."""
        mine = (self.source, self.target, self.type, frozenset(self.keys))
        return mine == (other.source, other.target, other.type, frozenset(other.keys))


def allowed(grants: list[Grant], source: str, target: str, right: Right, key: str) -> bool:
    """Whether a mod may read or write a key of another mod, which for its own it always may."""
    now = datetime.now(UTC)
    return source == target or any(g.covers(source, target, right, key, now) for g in grants)


def scope_named(name: str) -> str:
    """Return the scope that a name stands for.

    Raises:
        InputError: If it stands for none; falling back to another one would publish or hide data.
    """
    try:
        return _SCOPES[name]
    except KeyError:
        msg = f"there is no scope {name!r}; there are {', '.join(_SCOPES)}"
        raise InputError(msg) from None


def usable_path(path: str) -> str:
    """Return the file name of a path, which ends with `.data`.

    Raises:
        InputError: If the path is empty.
    """
    if not path.strip("/"):
        msg = "a path is needed"
        raise InputError(msg)
    return f"{path.strip('/')}.data"


def expiry(hours: float | None) -> datetime | None:
    """Return when what is granted now for some hours ends; None for never.

    Raises:
        InputError: If that is no time to come.
    """
    if hours is None:
        return None
    if not 0 < hours <= 24 * 366 * 100:
        msg = "a permission lasts for some hours, at most a hundred years"
        raise InputError(msg)
    return datetime.now(UTC) + timedelta(hours=hours)


def merged(old: Any, new: Any, *, is_merge: bool) -> Any:
    """Return what becomes of a document that is set: dicts are merged if that is asked for."""
    return {**old, **new} if is_merge and isinstance(old, dict) and isinstance(new, dict) else new


def _matches(key: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns)
