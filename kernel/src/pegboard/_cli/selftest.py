"""The self-test: each export is called with the samples that its author gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import anyio
import msgspec

from pegboard._context import CallContext, entered
from pegboard.contracts.stream import is_stream, items_of
from pegboard.errors import PegboardError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._registry import Slot

__all__ = ["Outcome", "run_samples"]

CUT_GRACE = 0.5
"""Seconds that a call gets to end after it was cancelled; a thread cannot be."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one sample, or of a mod that could not be loaded.

    Attributes:
        call: The call as one would write it, or the name of the mod.
        state: Whether it passed; `untested` is an export that has no samples.
        reason: Why it failed.
        is_abandoned: Whether it still runs in a thread that nothing can stop.
    """

    call: str
    state: Literal["passed", "failed", "untested"]
    reason: str = ""
    is_abandoned: bool = False


async def run_samples(app: App, *, timeout: float) -> list[Outcome]:
    """Call all exports but those with `test=False`.

    A sample passes if its `Result` is no error and, where that is a stream, all of it can be
    read. An export without samples is not called: what it does with no arguments is not known. A
    mod that failed to load is a failure.

    Args:
        app: A running app.
        timeout: Seconds that one call may take, its stream included.
    """
    outcomes = [
        Outcome(
            call=f"mod {name}", state="failed", reason=status.reason.removeprefix(f"mod {name}: ")
        )
        for name, status in app.mods.status.items()
        if status.state == "failed"
    ]
    for address, slot in app.registry.table.items():
        options = slot.export.options if slot.export else None
        if options is None or not options.test:
            continue
        if options.samples is None:
            outcomes.append(Outcome(call=address, state="untested"))
        outcomes += [await _Trial(app, slot, each).run(timeout) for each in options.samples or ()]
    return outcomes


class _Trial:
    """One call, in a task of its own, so that nobody has to wait for a thread that hangs."""

    def __init__(self, app: App, slot: Slot, sample: Mapping[str, Any]) -> None:
        self._app = app
        self._slot = slot
        self._sample = sample
        self._problem = ""
        self._ended = anyio.Event()
        self._scope = anyio.CancelScope()

    async def run(self, timeout: float) -> Outcome:
        call = ", ".join(f"{key}={value!r}" for key, value in self._sample.items())
        call = f"{self._slot.address}({call})"
        begin = anyio.current_time()
        self._app.tasks.start_soon(self._work)
        with anyio.move_on_after(timeout):
            await self._ended.wait()
        if self._ended.is_set() and anyio.current_time() - begin <= timeout:
            state: Literal["passed", "failed"] = "failed" if self._problem else "passed"
            return Outcome(call=call, state=state, reason=self._problem)
        self._scope.cancel()
        with anyio.move_on_after(CUT_GRACE):
            await self._ended.wait()
        reason = f"took longer than {timeout:g} s"
        if not self._ended.is_set():
            reason = f"{reason} and cannot be stopped: its thread is abandoned"
        return Outcome(
            call=call, state="failed", reason=reason, is_abandoned=not self._ended.is_set()
        )

    async def _work(self) -> None:
        try:
            with self._scope:
                self._problem = await self._call()
        finally:
            self._ended.set()

    async def _call(self) -> str:
        """Return what went wrong, or nothing."""
        try:
            result = await self._app.invoke(
                self._slot, CallContext(self._app), (), dict(self._sample)
            )
            if is_stream(result):
                with entered(self._app):
                    async for _ in items_of(result):
                        pass
        except PegboardError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - that is what is being found out
            return f"{type(error).__name__}: {error}"
        return f"{result.error}: {result.info.help_text}" if result.is_error() else ""
