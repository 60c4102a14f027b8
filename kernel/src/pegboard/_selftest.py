"""The self-test: each export is called with the samples that its author gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import anyio
import msgspec

from pegboard._context import CallContext
from pegboard._stream import abandon, is_stream
from pegboard.errors import PegboardError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._registry import Slot

__all__ = ["Outcome", "run_samples"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one sample.

    Attributes:
        call: The call as one would write it.
        state: Whether it passed; `untested` is an export that has no samples.
        reason: Why it failed.
    """

    call: str
    state: Literal["passed", "failed", "untested"]
    reason: str = ""


async def run_samples(app: App, *, timeout: float) -> list[Outcome]:
    """Call all exports but those with `test=False`.

    A sample passes if its `Result` is no error. An export without samples is not called: what it
    does with no arguments is not known.

    Args:
        app: A running app.
        timeout: Seconds that one call may take.
    """
    outcomes = []
    for address, slot in app.registry.table.items():
        options = slot.export.options if slot.export else None
        if options is None or not options.test:
            continue
        if options.samples is None:
            outcomes.append(Outcome(call=address, state="untested"))
        outcomes += [await _run(app, slot, each, timeout) for each in options.samples or ()]
    return outcomes


async def _run(app: App, slot: Slot, sample: Mapping[str, Any], timeout: float) -> Outcome:
    call = f"{slot.address}({', '.join(f'{key}={value!r}' for key, value in sample.items())})"
    try:
        with anyio.fail_after(timeout):
            result = await app.invoke(slot, CallContext(app), (), dict(sample))
            if is_stream(result):
                await abandon(result)
    except TimeoutError:
        return Outcome(call=call, state="failed", reason=f"took longer than {timeout:g} s")
    except PegboardError as error:
        return Outcome(call=call, state="failed", reason=str(error))
    if result.is_error():
        reason = f"{result.error}: {result.info.help_text}"
        return Outcome(call=call, state="failed", reason=reason)
    return Outcome(call=call, state="passed")
