"""`pegboard-hot-reload` alone: a mod is changed while its app runs, and answers anew."""

import tempfile
from pathlib import Path

import anyio
from anyio import to_thread

from pegboard import App, hookimpl

MOD = """
from pegboard import get_app

@get_app("told").tb()
def number() -> int:
    return {}
"""


class Listener:
    """A plugin that hears of the change."""

    name = "listener"

    def __init__(self) -> None:
        self.heard = anyio.Event()

    @hookimpl
    def reloaded(self) -> None:
        """Remember it."""
        self.heard.set()


async def main(folder: str, source: Path) -> None:
    listener, config = Listener(), {"plugins": {"hot_reload": {"watch": True}}}
    plugins = ["hot_reload", listener]
    async with App("smoke", project=folder, plugins=plugins, config=config) as app:
        assert (await app.call("told.number")).get() == 1
        await to_thread.run_sync(source.write_text, MOD.format(2))
        with anyio.fail_after(20):
            await listener.heard.wait()
        assert (await app.call("told.number")).get() == 2


with tempfile.TemporaryDirectory() as temporary:
    path = Path(temporary, "mods", "told.py")
    path.parent.mkdir()
    path.write_text(MOD.format(1))
    anyio.run(main, temporary, path)
