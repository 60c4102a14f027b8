"""`pegboard-caching` alone: an answer is made once, in memory and on disk, and forgotten."""

import anyio

from pegboard import App

made: list[str] = []


async def main() -> None:
    for expected in (["memory", "file", "memory"], ["memory", "file", "memory"] + ["memory"] * 2):
        async with App("smoke", project=".") as app:

            @app.export(mod_name="Smoke", memory_cache=True)
            async def memory() -> str:
                made.append("memory")
                return "answer"

            @app.export(mod_name="Smoke", file_cache=True)
            async def file() -> str:
                made.append("file")
                return "answer"

            for _ in range(2):
                assert (await app.call("Smoke.memory")).get() == "answer"
                assert (await app.call("Smoke.file")).get() == "answer"
            assert await app.cache.invalidate("Smoke.memory") == 1
            await app.call("Smoke.memory")
        assert made == expected, made


anyio.run(main)
