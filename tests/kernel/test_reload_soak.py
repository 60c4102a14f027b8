"""Many reloads leave nothing: memory, threads, tasks, descriptors, old code.

`PEGBOARD_SOAK_MODS` and `PEGBOARD_SOAK_PLUGINS` say how many; the figures of 1,000 and 200 are
those that are promised.
"""

import asyncio
import gc
import os
import threading
from textwrap import dedent

import psutil

from pegboard import App
from pegboard.testing import retired

MODS = int(os.environ.get("PEGBOARD_SOAK_MODS", "60"))
PLUGINS = int(os.environ.get("PEGBOARD_SOAK_PLUGINS", "15"))
WARM = 20

HEAD = 'from pegboard import get_app\nexport = get_app("shop").tb\n'

PLUGIN = """
from contextlib import asynccontextmanager
import anyio
from pegboard import hookimpl

NUMBER = {}

class Layer:
    stage = 10
    def __call__(self, call):
        async def layered(*args, **kwargs):
            return await call(*args, **kwargs)
        return layered

class Plugin:
    @hookimpl
    @asynccontextmanager
    async def lifespan(self, app):
        app.extend("number", NUMBER)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            yield
            group.cancel_scope.cancel()

    @hookimpl
    def register_export(self, app, export):
        return Layer()

plugin = Plugin()
"""


def write_mod(project, number):
    package = project / "mods" / "shop"
    package.mkdir(parents=True, exist_ok=True)
    (package / "price.py").write_text(f"class Price:\n    number = {number}\n")
    (package / "__init__.py").write_text(
        HEAD + "from .price import Price\n"
        "@export()\nasync def price(): return Price.number\n"
        "@export(exit_f=True)\ndef leave(): ...\n"
    )


def facts():
    gc.collect()
    process = psutil.Process()
    return {
        "descriptors": process.num_fds(),
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
        "memory": process.memory_info().rss,
    }


def check(before, after):
    assert after["descriptors"] <= before["descriptors"]
    assert after["tasks"] <= before["tasks"]
    assert after["threads"] <= before["threads"] + 2  # workers that are idle
    assert after["objects"] < before["objects"] * 1.05
    assert after["memory"] < before["memory"] + 16 * 1024**2


def test_many_reloads_leave_nothing(install, tmp_path):
    write_mod(tmp_path, 0)
    install("soaked", dedent(PLUGIN.format(0)))
    source = tmp_path / "site" / "pegboard_soaked" / "__init__.py"

    async def reload_mods(app, count):
        for number in range(1, count + 1):
            write_mod(tmp_path, number)
            await app.reloader.follow(None)
            assert (await app.call("shop.price")).get() == number
        await retired(app)

    async def reload_plugin(app, count):
        for number in range(1, count + 1):
            source.write_text(PLUGIN.format(number))
            await app.reloader.reload("soaked")
            assert app.number == number
        await retired(app)

    async def soak():
        async with App("soak", project=tmp_path, plugins=["soaked"], mods=["shop"]) as app:
            await reload_mods(app, WARM)
            await reload_plugin(app, WARM // 4)
            before = facts()
            await reload_mods(app, MODS)
            check(before, facts())
            await reload_plugin(app, PLUGINS)
            check(before, facts())

    asyncio.run(soak())
