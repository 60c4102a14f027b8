"""Call a pluggy hook with one implementation and await what it returns."""

from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager, nullcontext

import pluggy

from benchmarks.worker import Batch

_spec = pluggy.HookspecMarker("benchmarks")
_implementation = pluggy.HookimplMarker("benchmarks")


class _Spec:
    @_spec(firstresult=True)
    def add(self, a: int, b: int) -> Awaitable[int]:
        """Return the sum."""
        raise NotImplementedError


class _Plugin:
    @_implementation
    async def add(self, a: int, b: int) -> int:
        return a + b


def open_call() -> AbstractAsyncContextManager[Batch]:
    """Return the loop over the hook."""
    plugins = pluggy.PluginManager("benchmarks")
    plugins.add_hookspecs(_Spec)
    plugins.register(_Plugin())
    add = plugins.hook.add

    async def run(count: int) -> int:
        total = 0
        for _ in range(count):
            total += await add(a=1, b=2)
        return total

    return nullcontext(run)
