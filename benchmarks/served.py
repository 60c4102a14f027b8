"""Contenders being served: each in a process of its own, all pinned to the same core."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.child import Child, cores
from benchmarks.contender import Contender


@dataclass(frozen=True, kw_only=True)
class Served:
    """One contender on one server; ``name`` is ``contender@server``."""

    name: str
    child: Child
    port: int


@contextmanager
def serve(contenders: Sequence[Contender], server: str) -> Iterator[list[Served]]:
    """Start every contender on ``server`` and end them all on leaving; idle ones cost nothing."""
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                Child.python("-m", "benchmarks.server", one.key, server, core=cores()[0])
            )
            for one in contenders
        ]
        yield [
            Served(name=f"{one.name}@{server}", child=child, port=int(child.line()))
            for one, child in zip(contenders, children, strict=True)
        ]
