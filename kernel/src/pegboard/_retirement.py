"""What becomes of a generation that no longer serves: it ends what it began, and is gone.

That it is gone is proved by weak references to every class and function that its modules defined:
one to a module proves nothing, since a function keeps the names of its module, not the module.
"""

from __future__ import annotations

import gc
import sys
import threading
import typing
import weakref
from collections.abc import Iterable, Iterator
from time import monotonic
from types import CoroutineType, FrameType, FunctionType, MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

if TYPE_CHECKING:
    from pegboard._edition import Edition
    from pegboard._registry import Generation

__all__ = ["Retired", "RetiredReport", "collect"]

FIRST_LOOK = 0.002
"""Seconds until a draining generation is looked at again; each further look waits twice as long."""

LONGEST_LOOK = 0.25

MANY_OBJECTS = 20_000
"""Objects that are looked at for instances that the collector does not see."""

_CONTAINERS = (dict, list, tuple, set, frozenset, MappingProxyType)

_HAS_GC = 1 << 14
"""`Py_TPFLAGS_HAVE_GC`: the collector can track instances of this type."""

DEPTH = 6
"""References that are followed from what is still alive to whoever holds it."""


class RetiredReport(msgspec.Struct, frozen=True, kw_only=True):
    """A generation that no longer serves and is still there.

    Attributes:
        owner: Mod or plugin.
        number: Number of the generation.
        seconds: Since it was replaced.
        busy: Calls and streams that still run in it.
        alive: Names of classes and functions that are not garbage, some of them.
        held_by: What holds them, as far as that was found.
    """

    owner: str
    number: int
    seconds: float
    busy: int
    alive: list[str]
    held_by: list[str]


class Retired:
    """A generation that no longer serves.

    Args:
        generation: The generation.
        editions: The modules that go with it.
        wrapped: Generations of mods whose calls ran through it, if it was a plugin's.

    Attributes:
        owner: Mod or plugin.
        number: Number of the generation.
        generation: The generation, until it has drained.
        drained: Set when what it had registered is undone.
    """

    def __init__(
        self,
        generation: Generation,
        editions: Iterable[Edition],
        wrapped: Iterable[Generation] = (),
    ) -> None:
        self.owner = generation.owner
        self.number = generation.number
        self.generation: Generation | None = generation
        self._wrapped = list(wrapped)
        self.drained = anyio.Event()
        self._since = monotonic()
        modules = [each for edition in editions for each in edition.modules.values()]
        self._modules = modules
        self._probes = [(name, weakref.ref(each)) for name, each in _defined(modules)]

    async def drain(self) -> None:
        """Wait until nothing runs in the generation, then undo what it has registered."""
        wait = FIRST_LOOK
        while self.busy:
            await anyio.sleep(wait)
            wait = min(2 * wait, LONGEST_LOOK)
        await self.aclose()

    @property
    def busy(self) -> int:
        """Calls and streams that still run in it."""
        if self.generation is None:
            return 0
        return self.generation.busy + sum(each.leases for each in self._wrapped)

    async def aclose(self) -> None:
        """Undo what the generation has registered, whatever still runs in it."""
        self._wrapped.clear()
        generation, self.generation = self.generation, None
        if generation is not None:
            generation.declarations = []
            await generation.scope.aclose()
            del generation
            _track(self._modules)
            self._modules = []
            self.drained.set()

    @property
    def is_gone(self) -> bool:
        """Whether it has drained and is garbage that was collected."""
        return self.generation is None and not any(probe() for _, probe in self._probes)

    def report(self) -> RetiredReport:
        """Say what is alive of it, and who holds that."""
        alive = [(name, each) for name, probe in self._probes if (each := probe()) is not None]
        return RetiredReport(
            owner=self.owner,
            number=self.number,
            seconds=monotonic() - self._since,
            busy=self.busy,
            alive=[name for name, _ in alive][:10],
            held_by=sorted(set(_holders([each for _, each in alive]))),
        )


def collect() -> None:
    """Collect garbage, also what caches of the standard library remember of old classes."""
    for forget in typing._cleanups:  # type: ignore[attr-defined]  # noqa: SLF001 - what `typing` itself calls in tests
        forget()
    gc.collect()


def _track(modules: Iterable[ModuleType]) -> None:
    """Show the collector the instances of old classes that it does not see.

    An instance of a msgspec class that has only text and numbers in it is not tracked, which is
    quicker; one that a module keeps would for ever keep its class, and that the module.
    """
    names = {each.__name__ for each in modules}
    more: list[Any] = [vars(each) for each in modules]
    seen = {id(each) for each in more}
    while more and len(seen) < MANY_OBJECTS:
        for each in gc.get_referents(more.pop()):
            kind = type(each)
            is_own = kind.__module__ in names or getattr(each, "__module__", None) in names
            if id(each) in seen or not (is_own or kind in _CONTAINERS):
                continue
            seen.add(id(each))
            more.append(each)
            if isinstance(each, msgspec.Struct) and not gc.is_tracked(each):
                _track_one(each)


def _track_one(instance: msgspec.Struct) -> None:
    if type(instance).__flags__ & _HAS_GC:
        import ctypes  # here, since the import of it takes milliseconds

        ctypes.pythonapi.PyObject_GC_Track(ctypes.py_object(instance))


def _defined(modules: Iterable[ModuleType]) -> Iterator[tuple[str, Any]]:
    for module in modules:
        for value in list(vars(module).values()):
            if getattr(value, "__module__", None) != module.__name__:
                continue
            if isinstance(value, FunctionType):
                yield _name(value), value
            elif isinstance(value, type):
                yield _name(value), value
                yield from _methods(value)


def _methods(kind: type) -> Iterator[tuple[str, Any]]:
    for value in list(vars(kind).values()):
        function = getattr(value, "__func__", value)
        if isinstance(function, FunctionType) and function.__module__ == kind.__module__:
            yield _name(function), function


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _holders(alive: list[Any]) -> Iterator[str]:
    """Name threads and tasks that run code of it, and globals of others that lead to it."""
    spaces = {id(each.__globals__) for each in alive if isinstance(each, FunctionType)}
    yield from _threads(spaces)
    yield from _tasks(spaces)
    for each in alive[:3]:
        yield from _globals(each, spaces)


def _threads(spaces: set[int]) -> Iterator[str]:
    names = {each.ident: each.name for each in threading.enumerate()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way to see them
        function = _runs_in(frame, spaces)
        if function:
            yield f"thread {names.get(ident, ident)!r}, in {function}"


def _runs_in(frame: FrameType | None, spaces: set[int]) -> str:
    while frame is not None:
        if id(frame.f_globals) in spaces:
            return frame.f_code.co_qualname
        frame = frame.f_back
    return ""


def _tasks(spaces: set[int]) -> Iterator[str]:
    for each in [one for one in gc.get_objects() if type(one) is CoroutineType]:
        if each.cr_frame is not None and id(each.cr_frame.f_globals) in spaces:
            yield f"{_task_name(each)}, in {each.cr_code.co_qualname}"


def _task_name(coroutine: CoroutineType[Any, Any, Any]) -> str:
    import asyncio  # here, since the command line does without it

    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # another library drives the tasks
        return "a task"
    for task in tasks:
        inner: Any = task.get_coro()
        while inner is not None:
            if inner is coroutine:
                return f"task {task.get_name()!r}"
            inner = getattr(inner, "cr_await", None)
    return "a coroutine"


def _globals(target: Any, spaces: set[int]) -> Iterator[str]:
    """Follow references backwards to names in modules that are imported now."""
    homes = {id(vars(each)): name for name, each in list(sys.modules.items())}
    seen, level = {id(target)}, [target]
    for _ in range(DEPTH):
        below: list[Any] = []
        for value in level:
            for holder in gc.get_referrers(value):
                if id(holder) in seen or isinstance(holder, FrameType) or holder is level:
                    continue
                seen.add(id(holder))
                if id(holder) in homes:
                    yield f"{homes[id(holder)]}.{_key(holder, value)}"
                elif id(holder) not in spaces:
                    below.append(holder)
        level = below[:100]


def _key(space: dict[str, Any], value: Any) -> str:
    return next((name for name, each in space.items() if each is value), "?")
