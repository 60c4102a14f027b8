"""How long new code may take to begin, while the code before it goes on serving."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from types import FrameType
from typing import Any, Generic, Literal, TypeVar, cast

import anyio
from anyio import to_thread

from pegboard._turn import ShortTurns
from pegboard.errors import LoadError

__all__ = ["Kind", "Patience"]

LONGEST_START = 30.0
"""Seconds that initial functions, or the lifespan of a plugin, may take in a reload."""

LONGEST_QUIET = 5.0
"""Seconds that the code of modules may be executed before that is said."""

Kind = Literal["mod", "plugin"]

T = TypeVar("T")

_logger = logging.getLogger("pegboard.reload")


class Patience:
    """Bounds the beginning of new code, by a clock and by the next change.

    Code that waits for what never comes is mended by a save like any other mistake.
    """

    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()
        self._executions: set[_Execution[Any]] = set()

    @contextmanager
    def bounded(self, what: str) -> Iterator[None]:
        """Let the block take a while, but not for ever.

        Args:
            what: What is begun, for the message.

        Raises:
            LoadError: If it took too long, or was interrupted.
        """
        scope = anyio.CancelScope(deadline=anyio.current_time() + LONGEST_START)
        self._scopes.add(scope)
        try:
            with scope:
                yield
        finally:
            self._scopes.discard(scope)
        if scope.cancelled_caught:
            msg = f"{what} had not begun after {LONGEST_START:g} s, or when the next change came"
            raise LoadError(msg)

    def interrupt(self) -> None:
        """End what is beginning now."""
        for each in self._scopes:
            each.cancel()

    def stuck(self) -> Iterator[tuple[Kind, str, str]]:
        """Name each mod and plugin whose modules do not end: its kind, its name, and where it is.

        No thread can be ended: nothing else is replaced until they end, or the process does.
        """
        for each in self._executions:
            if each.seconds >= LONGEST_QUIET:
                text = f"its new code has been executed for {each.seconds:.0f} s{each.place()}"
                yield from ((each.kind, name, text) for name in each.names)

    async def execute(
        self, kind: Kind, names: Sequence[str], work: Callable[[], T], roots: Collection[str]
    ) -> T:
        """Execute modules in a thread; say at which line they are if that takes long.

        Args:
            kind: What is executed.
            names: The names of these mods or plugins.
            work: Executes it.
            roots: Folders, or parts of paths, that tell the new code from what it calls.

        Raises:
            LoadError: If it was abandoned.
            Exception: What `work` raises.
        """
        execution = _Execution(kind, names, work, roots)
        self._executions.add(execution)
        try:
            return await to_thread.run_sync(execution.result)
        finally:
            self._executions.discard(execution)

    def abandon(self) -> None:
        """Leave modules that are being executed to themselves: no thread can be ended."""
        for each in list(self._executions):
            each.abandon()


class _Execution(Generic[T]):
    """Executes modules in a thread that nobody has to wait for, not even the end of the process."""

    def __init__(
        self, kind: Kind, names: Sequence[str], work: Callable[[], T], roots: Collection[str]
    ) -> None:
        self.kind = kind
        self.names = names
        self._what = ", ".join(names)
        self._begun = monotonic()
        self._roots = roots
        self._work: Callable[[], T] | None = work
        self._answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        self._thread = Thread()

    @property
    def seconds(self) -> float:
        """For how long it has been going on."""
        return monotonic() - self._begun

    def result(self) -> T:
        """Wait for it, in a thread; return what the work returns, or raise what it raises."""
        context = copy_context()
        name = f"new code of {self._what}"
        self._thread = Thread(target=context.run, args=(self._run,), name=name, daemon=True)
        with ShortTurns() as turns:
            self._thread.start()
            try:
                value, error = self._answers.get(timeout=LONGEST_QUIET)
            except Empty:
                turns.end()  # it may never end, and the process has other threads
                text = (
                    "%s: its new code has been executed for %g s, "
                    "and nothing is reloaded meanwhile%s"
                )
                _logger.warning(text, self._what, LONGEST_QUIET, self.place())
                value, error = self._answers.get()
        try:
            if error is not None:
                raise error
            return cast("T", value)
        finally:
            del error  # which leads to this frame

    def abandon(self) -> None:
        """Let `result` raise, whether or not it has ended."""
        msg = f"{self._what}: its new code was still being executed{self.place()}"
        self._answers.put((None, LoadError(msg)))

    def _run(self) -> None:
        work, self._work = self._work, None  # an idle thread remembers what it ran last
        if work is None:
            return
        try:
            self._answers.put((work(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self._answers.put((None, error))

    def place(self) -> str:
        """Say at which line it is, of the new code where that is known."""
        frames = sys._current_frames()  # noqa: SLF001 - documented, for this purpose
        innermost = frames.get(self._thread.ident or 0)
        own = (each for each in _frames(innermost) if self._is_own(each.f_code.co_filename))
        frame = next(own, innermost)
        return f"; it is at {frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""

    def _is_own(self, filename: str) -> bool:
        return any(each in filename for each in self._roots)


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield a frame and those that have called it."""
    while frame is not None:
        yield frame
        frame = frame.f_back
