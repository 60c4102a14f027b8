"""Writes files so that a crash leaves the old content or the new, and never follows a link out."""

from pegboard_durable._error import (
    DeviceError,
    DiskFullError,
    DurableError,
    OutsideRootError,
    ReadOnlyError,
    translated,
)
from pegboard_durable._path import create, open_file, replace, writing
from pegboard_durable._place import Place
from pegboard_durable._root import Item, Root

__all__ = [
    "DeviceError",
    "DiskFullError",
    "DurableError",
    "Item",
    "OutsideRootError",
    "Place",
    "ReadOnlyError",
    "Root",
    "create",
    "open_file",
    "replace",
    "translated",
    "writing",
]
