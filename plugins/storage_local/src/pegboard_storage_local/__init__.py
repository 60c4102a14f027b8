"""Keeps the files of scopes on disk: durable, atomic, locked across processes."""

from pegboard_storage_local._store import LocalStore

__all__ = ["LocalStore"]
