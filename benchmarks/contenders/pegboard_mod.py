"""The mod that Pegboard serves in the benchmarks."""

from benchmarks.payload import Item
from pegboard import get_app

export = get_app("Bench").tb


@export(mod_name="Bench", api=True)
async def get(n: int, name: str) -> dict[str, object]:
    """Return the two typed query parameters."""
    return {"n": n, "name": name}


@export(mod_name="Bench", api=True, api_methods=["POST"])
async def post(data: Item) -> Item:
    """Return the typed body."""
    return data


@export(mod_name="Bench")
async def add(a: int, b: int) -> int:
    """Return the sum: called in process only."""
    return a + b
