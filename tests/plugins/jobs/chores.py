"""A mod with things to do, tracked and in the background."""

import anyio

from pegboard import App, Result, get_app

export = get_app("chores").tb


@export(job=True)
async def tracked(app: App, text: str = "") -> str:
    async with app.jobs.track("inner"):
        return text.upper()


@export(job=True)
def failing() -> None:
    msg = "it did not work"
    raise ValueError(msg)


@export(job=True)
def in_thread(app: App) -> str:
    with app.jobs.track("in a thread") as job:
        return job.number


@export()
async def add(a: int, b: int = 0) -> int:
    return a + b


@export(retries=2)
async def flaky(app: App, times: int) -> int:
    state = app.state("chores")
    state.tries = getattr(state, "tries", 0) + 1
    if state.tries <= times:
        msg = f"try {state.tries}"
        raise RuntimeError(msg)
    return state.tries


@export(background=True)
async def later(app: App, word: str) -> str:
    app.state("chores").said = word
    return word


@export()
async def forever(app: App) -> None:
    state = app.state("chores")
    state.entered.set()
    await anyio.sleep_forever()


@export(concurrency=1, queue="single")
async def alone(app: App) -> int:
    state = app.state("chores")
    state.inside = getattr(state, "inside", 0) + 1
    state.most = max(getattr(state, "most", 0), state.inside)
    await anyio.sleep(0.01)
    state.inside -= 1
    return state.most


@export()
async def with_task(app: App) -> Result[str]:
    async def afterwards() -> None:
        app.state("chores").done.set()

    return Result.ok("now").task(afterwards)


@export(background=True)
async def gather(app: App, a: int, **more: int) -> dict[str, int]:
    return {"a": a, **more}
