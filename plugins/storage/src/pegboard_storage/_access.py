"""Who may read and write what.

| scope          | read                  | write                 |
|----------------|-----------------------|-----------------------|
| config         | the mod's code        | the mod's code        |
| user_private   | owner                 | owner                 |
| user_public    | everyone              | owner                 |
| public_read    | everyone              | administrators        |
| public_rw      | everyone              | everyone              |
| server         | the server            | the server            |
| mod_data       | the mod's code        | the mod's code        |
| ... of a user  | whoever is signed in  | owner                 |

Administrators and the server may do everything. What the mod's code may, anyone may through it: the
mod decides. Listing is reading, deleting is writing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pegboard.contracts.storage import FileKey
from pegboard.errors import ForbiddenError, UnauthorizedError
from pegboard_storage._scope import StorageScope
from pegboard_storage._user import UserContext

__all__ = ["Access", "check_access", "is_allowed"]

Access = Literal["read", "write"]
_Rule = Callable[[UserContext, str], bool]


def _anyone(_user: UserContext, _owner: str) -> bool:
    return True


def _privileged(user: UserContext, _owner: str = "") -> bool:
    return user.is_server or (user.is_authenticated and user.is_admin)


def _owner_only(user: UserContext, owner: str) -> bool:
    return _privileged(user) or (user.is_authenticated and bool(owner) and user.user_id == owner)


def _signed_in_or_mod(user: UserContext, owner: str) -> bool:
    return not owner or user.is_authenticated


def _owner_or_mod(user: UserContext, owner: str) -> bool:
    return not owner or _owner_only(user, owner)


_RULES: dict[str, tuple[_Rule, _Rule]] = {
    StorageScope.CONFIG.value: (_anyone, _anyone),
    StorageScope.USER_PRIVATE.value: (_owner_only, _owner_only),
    StorageScope.USER_PUBLIC.value: (_anyone, _owner_only),
    StorageScope.PUBLIC_READ.value: (_anyone, _privileged),
    StorageScope.PUBLIC_RW.value: (_anyone, _anyone),
    StorageScope.SERVER_SCOPE.value: (_privileged, _privileged),
    StorageScope.MOD_DATA.value: (_signed_in_or_mod, _owner_or_mod),
}


def is_allowed(user: UserContext, key: FileKey, access: Access) -> bool:
    """Return whether a user may read, or write, a file; whether it is there plays no part."""
    read, write = _RULES[key.scope]
    return (read if access == "read" else write)(user, key.owner)


def check_access(user: UserContext, key: FileKey, access: Access) -> None:
    """Make sure that a user may do something; whether there is such a file plays no part.

    Raises:
        UnauthorizedError: If nobody is signed in and somebody would have to be.
        ForbiddenError: If the user may not.
    """
    if is_allowed(user, key, access):
        return
    kind = ForbiddenError if user.is_authenticated else UnauthorizedError
    raise kind(f"{user} may not {access} {key}")
