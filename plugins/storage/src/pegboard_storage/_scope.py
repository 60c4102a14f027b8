"""The seven scopes, and which one a file name stands for."""

from __future__ import annotations

from enum import Enum

import msgspec

from pegboard.errors import InputError

__all__ = [
    "SCOPES",
    "FilenameError",
    "ScopeTraits",
    "StorageScope",
    "detected_scope",
    "parse_scope",
]

SUFFIXES = (".config", ".data")


class FilenameError(InputError, ValueError):
    """The name of a file, or a scope or backend, is none."""


class StorageScope(Enum):
    """Who may read and write a file."""

    CONFIG = "config"
    USER_PRIVATE = "user_private"
    USER_PUBLIC = "user_public"
    PUBLIC_READ = "public_read"
    PUBLIC_RW = "public_rw"
    SERVER_SCOPE = "server"
    MOD_DATA = "mod_data"


class ScopeTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with a scope.

    Attributes:
        prefix: First part of the file names that stand for it, empty for none.
        has_owner: Whether each user has files of their own.
        is_sealed: Whether its files are always encrypted.
        is_local: Whether its files never leave this machine.
    """

    prefix: str = ""
    has_owner: bool = False
    is_sealed: bool = False
    is_local: bool = False


SCOPES = {
    StorageScope.CONFIG: ScopeTraits(is_sealed=True, is_local=True),
    StorageScope.USER_PRIVATE: ScopeTraits(prefix="private", has_owner=True, is_sealed=True),
    StorageScope.USER_PUBLIC: ScopeTraits(prefix="public", has_owner=True),
    StorageScope.PUBLIC_READ: ScopeTraits(prefix="global"),
    StorageScope.PUBLIC_RW: ScopeTraits(prefix="shared"),
    StorageScope.SERVER_SCOPE: ScopeTraits(prefix="server"),
    StorageScope.MOD_DATA: ScopeTraits(),
}
"""Spec document 000, the table of scopes."""


def detected_scope(filename: str, explicit: StorageScope | str | None = None) -> StorageScope:
    """Return the scope of a file: `.config` has its own, then what is said, then the name.

    Raises:
        FilenameError: If the name ends with neither `.config` nor `.data`, or if the scope that is
            said does not exist.
    """
    if not filename.endswith(SUFFIXES):
        raise FilenameError(f"a file's name ends with .config or .data: {filename!r}")
    scope = None if explicit is None else parse_scope(explicit)
    if filename.endswith(".config"):
        return StorageScope.CONFIG
    return scope or _scope_of_name(filename)


def parse_scope(scope: StorageScope | str) -> StorageScope:
    """Return a scope by its value or its name.

    Raises:
        FilenameError: If there is no such scope.
    """
    if isinstance(scope, StorageScope):
        return scope
    for each in StorageScope:
        if scope.lower() in {each.value, each.name.lower()}:
            return each
    known = ", ".join(each.value for each in StorageScope)
    raise FilenameError(f"there is no scope {scope!r}; there are {known}")


def _scope_of_name(filename: str) -> StorageScope:
    basename = filename.rpartition("/")[2]
    for scope, traits in SCOPES.items():
        if traits.prefix and basename.startswith((f"{traits.prefix}.", f"{traits.prefix}_")):
            return scope
    return StorageScope.MOD_DATA
