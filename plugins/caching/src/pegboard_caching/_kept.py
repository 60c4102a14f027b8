"""An answer that was kept: what can be kept, and how each who asks gets one of their own."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from pegboard import Result, ResultData, ResultInfo

__all__ = ["Kept", "is_success", "kept"]

Copy: TypeAlias = Callable[[Any], Any]

_IMMUTABLE = frozenset(
    {
        bool,
        bytes,
        complex,
        date,
        datetime,
        Decimal,
        float,
        int,
        str,
        time,
        timedelta,
        type(None),
        UUID,
    }
)

_NOT_DATA = frozenset({"file_path", "future", "stream"})
"""Types of results that stand for something that is read once, or elsewhere."""

_HIDDEN = frozenset({"cleanup", "release", "tasks"})
"""What belongs to one answer alone."""

_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)
"""What an object leads to without taking it along."""

_encode = msgspec.msgpack.Encoder().encode


class Kept(msgspec.Struct, frozen=True):
    """A result from which equal ones are made, none of which shares what can be changed.

    Attributes:
        kind: Its `ErrorKind`.
        origin: Address of the export.
        data: Data that nobody else holds.
        info: Code and text.
        beside: What is not part of the envelope: headers, status.
        copy: Makes a copy of the data, None where they cannot be changed.
        size: About how many bytes they take.
    """

    kind: str
    origin: Any
    data: ResultData[Any]
    info: ResultInfo
    beside: Mapping[str, Any]
    copy: Copy | None
    size: int

    def fresh(self) -> Result[Any]:
        """Return an equal result."""
        data = self.data
        if self.copy is not None:
            data = ResultData(data.data_to, data.data_info, self.copy(data.data), data.data_type)
        result: Result[Any] = Result(self.kind, self.origin, data, self.info)
        if self.beside:
            result.__dict__.update(_copied(self.beside))
        return result


def kept(result: Result[Any]) -> Kept | None:
    """Return what equal results can be made from, or None where there is one and no other."""
    data = result.result
    if data.data_type in _NOT_DATA or any(result.__dict__.get(name) for name in _HIDDEN):
        return None
    copy = None if _is_immutable(data.data) else _copied
    if copy is not None:
        try:
            own = copy(data.data)
        except Exception:  # noqa: BLE001 - __deepcopy__ is anybody's code, and so is what it raises
            return None
        data = ResultData(data.data_to, data.data_info, own, data.data_type)
    beside = _copied({name: each for name, each in result.__dict__.items() if name not in _HIDDEN})
    return Kept(result.error, result.origin, data, result.info, beside, copy, _size(data.data))


def is_success(result: Result[Any]) -> bool:
    """Whether a result is worth keeping: a success that holds data."""
    return result.is_ok() and result.result.data is not None


def _is_immutable(value: Any) -> bool:
    kind = type(value)
    if kind in {tuple, frozenset}:
        return all(map(_is_immutable, value))
    return kind in _IMMUTABLE


def _copied(value: Any) -> Any:
    """Return a copy that shares nothing that can be changed: quick for what JSON has."""
    kind = type(value)
    if kind in _IMMUTABLE:
        return value
    if kind is dict:
        return {_copied(key): _copied(each) for key, each in value.items()}
    if kind is list:
        return [_copied(each) for each in value]
    if kind is tuple:
        return tuple([_copied(each) for each in value])
    if isinstance(value, BaseException):
        return value
    return deepcopy(value)


def _size(value: Any) -> int:
    """Return about how many bytes a value takes: as it would be written, where that is known."""
    try:
        return len(_encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _weight(value)


def _weight(value: Any) -> int:
    """Return about how many bytes an object takes, with all that it leads to."""
    seen: set[int] = set()
    found, total = [value], 0
    while found:
        each = found.pop()
        if id(each) in seen or isinstance(each, _SHARED):
            continue
        seen.add(id(each))
        total += sys.getsizeof(each)
        found += gc.get_referents(each)
    return total
