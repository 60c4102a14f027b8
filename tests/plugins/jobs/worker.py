"""A process that works on durable jobs; each is nested three deep. Killed at any moment."""

import logging
import os
import sys
from pathlib import Path

import anyio

from pegboard import App

folder, url = Path(sys.argv[1]), sys.argv[2]
app = App(
    "worker",
    project=folder,
    plugins=["jobs"],
    mods=[],
    config={"plugins": {"jobs": {"url": url, "workers": 8}}},
)


@app.export(mod_name="chaos", retries=1000)
async def deep(app: App, pause: float) -> int:
    """Work on something in something."""
    async with app.jobs.track("second"), app.jobs.track("third"):
        await anyio.sleep(pause)
    return os.getpid()


@app.export(mod_name="chaos", retries=1000)
async def block(app: App, seconds: float) -> str:
    """Block the event loop."""
    import time

    time.sleep(seconds)
    return "done"


async def main() -> None:
    logging.getLogger("pegboard").setLevel(logging.CRITICAL)
    async with app:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main)
