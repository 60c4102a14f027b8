"""What wraps the call of an export."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Any, Protocol, TypeAlias

from pegboard._result import Result

__all__ = ["Call", "Layer", "Stage"]

Call: TypeAlias = Callable[..., Awaitable[Result[Any]]]
"""One compiled call: takes the caller's arguments (no injected ones), answers a `Result`.

It never raises for a failure of the export, which is an error `Result`; cancellation propagates.
Where an export was removed, the call of its slot raises `NotFoundError`.
"""


class Stage(IntEnum):
    """Where a layer stands, outermost first; layers of one stage keep plugin order."""

    LIMIT = 10
    TRACE = 20
    JOB = 30
    LOCK = 40
    CACHE = 50


class Layer(Protocol):
    """A wrapper around the calls of one export, made when the export is registered."""

    stage: Stage

    def __call__(self, call: Call) -> Call:
        """Return a call that does something around `call`; runs once, at registration."""
        ...
