"""The stream of the developer guide; between its chunks it waits for a word, not for time."""

import anyio

from pegboard import App, Result, get_app

MOD_NAME = "Streaming"
export = get_app("Streaming").tb


@export(mod_name=MOD_NAME, api=True, version="1.0")
async def stream_data(app: App):
    state = app.state(MOD_NAME)
    state.closed, state.finished = anyio.Event(), anyio.Event()
    gate = getattr(state, "gate", None)

    async def generator():
        try:
            for i in range(10):
                yield {"chunk": i}
                if gate is not None:
                    await gate.wait()
        finally:
            state.finished.set()

    async def cleanup():
        state.closed.set()

    return Result.stream(
        stream_generator=generator(), info="Streaming data chunks", cleanup_func=cleanup
    )
