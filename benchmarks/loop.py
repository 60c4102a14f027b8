"""Which event loop a process runs on."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def run(main: Coroutine[Any, Any, None], *, uvloop: bool) -> None:
    """Run ``main`` to its end, on uvloop if asked for and installed, else on asyncio's own loop."""
    with asyncio.Runner(loop_factory=_uvloop() if uvloop else None) as runner:
        runner.run(main)


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
