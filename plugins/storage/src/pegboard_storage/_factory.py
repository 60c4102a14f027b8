"""Handlers of the two usual kinds, and listing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegboard import App, RequestData, Session
from pegboard.contracts.storage import KeyRange
from pegboard_storage._handler import FileHandlerV2
from pegboard_storage._lane import in_thread
from pegboard_storage._scope import SCOPES, StorageScope, parse_scope
from pegboard_storage._service import storage_of
from pegboard_storage._user import get_current_context, user_of

__all__ = ["alist_files", "create_config_handler", "create_data_handler", "list_files"]


def create_config_handler(
    name: str, filename: str = "settings.config", defaults: Mapping[str, Any] | None = None
) -> FileHandlerV2:
    """Return the handler of a mod's settings: on this machine, encrypted.

    Raises:
        FilenameError: If the name does not end with `.config`.
    """
    return FileHandlerV2(filename, name=name, defaults=defaults, scope=StorageScope.CONFIG)


def create_data_handler(
    name: str,
    scope: StorageScope | str = StorageScope.MOD_DATA,
    request: RequestData | Session | None = None,
    backend: str = "auto",
) -> FileHandlerV2:
    """Return the handler of the file of a scope that its name stands for, such as `private.data`.

    Raises:
        FilenameError: If there is no such scope.
        UnauthorizedError: If it is a user's file and no user is known.
    """
    scope = parse_scope(scope)
    filename = f"{SCOPES[scope].prefix or 'mod'}.data"
    return FileHandlerV2(filename, name=name, scope=scope, backend=backend, request=request)


def list_files(
    name: str,
    scope: StorageScope | str = StorageScope.MOD_DATA,
    *,
    prefix: str = "",
    owner: str | None = None,
    request: RequestData | Session | None = None,
    backend: str = "auto",
    app: App | None = None,
) -> list[str]:
    """Return the names of the files of a mod in a scope, sorted.

    Args:
        name: The mod.
        scope: The scope.
        prefix: What the names begin with.
        owner: Whose files, where each user has some; the user of the call by default.
        request: On whose behalf; by default that of the call that runs.
        backend: As in `FileHandlerV2`.
        app: As in `FileHandlerV2`.

    Raises:
        AccessError: If the user may not read them.
        UnavailableError: If the store does not answer in time.
    """
    user = get_current_context() if request is None else user_of(request)
    scope = parse_scope(scope)
    if owner is None:
        owner = user.user_id if SCOPES[scope].has_owner else ""
    within = KeyRange(scope=scope.value, owner=owner, mod=name, prefix=prefix)
    return sorted(key.name for key in storage_of(app).files(user, within, backend))


async def alist_files(
    name: str, scope: StorageScope | str = StorageScope.MOD_DATA, **options: Any
) -> list[str]:
    """Do as `list_files`, in a thread."""
    lane = str(options.get("backend", "auto"))
    return await in_thread(lambda: list_files(name, scope, **options), lane)
