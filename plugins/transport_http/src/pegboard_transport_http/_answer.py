"""What an export answers, as far as its signature tells. Pure."""

from __future__ import annotations

import inspect
import typing
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from types import UnionType
from typing import Any, Literal, TypeVar

import msgspec

from pegboard import Export, Result

__all__ = ["Answer", "answer_of"]

_STREAMS = (AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator)


class Answer(msgspec.Struct, frozen=True):
    """What is known about an answer before it is given.

    Attributes:
        kind: `value` travels in the envelope, `row` bare, `stream` as events; of a `result` only
            the call decides how it travels.
        type: Type of the data, Any where nobody says.
    """

    kind: Literal["result", "row", "stream", "value"]
    type: Any = Any


def answer_of(export: Export) -> Answer:
    """Read what the signature of an export promises, or what answers in its place."""
    if export.answer_type is not None:
        return Answer("value", export.answer_type)
    function = inspect.unwrap(export.function)
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        return Answer("stream")
    hint = Any if export.options.post_compute else _return_hint(function)
    if typing.get_origin(hint) in _STREAMS or hint in _STREAMS:
        return Answer("stream")
    if _is_result(hint):
        return Answer("result", _data_type(hint))
    if hint is Any or isinstance(hint, TypeVar):
        return Answer("result")
    return Answer("row" if export.options.row else "value", hint)


def _return_hint(function: Callable[..., Any]) -> Any:
    try:
        return typing.get_type_hints(function, include_extras=True).get("return", Any)
    except Exception:  # noqa: BLE001 - a name that only a type checker sees tells us nothing
        return Any


def _is_result(hint: Any) -> bool:
    parts = typing.get_args(hint) if _is_union(hint) else (hint,)
    kinds = [typing.get_origin(each) or each for each in parts]
    return any(isinstance(each, type) and issubclass(each, Result) for each in kinds)


def _data_type(hint: Any) -> Any:
    arguments = () if _is_union(hint) else typing.get_args(hint)
    return arguments[0] if arguments and not isinstance(arguments[0], TypeVar) else Any


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, UnionType)
