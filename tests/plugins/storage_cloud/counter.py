"""A process that counts in a file: `python -m tests.plugins.storage_cloud.counter SETTINGS N`."""

import json
import sys

import anyio

from pegboard import App, entered
from pegboard_storage import FileHandlerV2


async def count(project: str, config: dict[str, object], times: int) -> None:
    plugins = ["storage", "storage_local", "storage_cloud"]
    async with App("counter", project=project, plugins=plugins, mods=[], config=config) as app:
        print("ready", flush=True)
        sys.stdin.readline()
        with entered(app):
            fh = FileHandlerV2("shared.data", name="M")
            for _ in range(times):
                await fh.aupdate(lambda data: {"n": data.get("n", 0) + 1})


if __name__ == "__main__":
    anyio.run(count, sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]))
