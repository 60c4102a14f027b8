"""Many operations at once: those on one path in their order, the others beside one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anyio import CapacityLimiter, create_task_group, to_thread

__all__ = ["run_batch"]

Operation = Mapping[str, Any]
Result = dict[str, Any]


async def run_batch(
    operations: Sequence[Operation],
    act: Callable[[Operation], Result],
    key: Callable[[Operation], str],
    *,
    max_concurrency: int,
) -> list[Result]:
    """Return the result of each operation, in their order; a failure is a result as well.

    Args:
        operations: What to do.
        act: Does one, in a worker thread.
        key: Names what an operation works on; those of one name wait for one another.
        max_concurrency: Threads that are busy at once.
    """
    results: list[Result] = [{} for _ in operations]
    lanes: dict[str, list[int]] = {}
    for number, operation in enumerate(operations):
        lanes.setdefault(key(operation), []).append(number)
    limiter = CapacityLimiter(max_concurrency)

    async def follow(lane: Sequence[int]) -> None:
        for number in lane:
            operation = operations[number]
            results[number] = await to_thread.run_sync(_contained, act, operation, limiter=limiter)

    async with create_task_group() as group:
        for lane in lanes.values():
            group.start_soon(follow, lane)
    return results


def _contained(act: Callable[[Operation], Result], operation: Operation) -> Result:
    try:
        return act(operation)
    except Exception as error:  # noqa: BLE001  # whatever a user's function raises is its result
        return {"path": operation.get("path"), "status": "error", "error": str(error)}
