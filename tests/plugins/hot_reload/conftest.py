"""A project that is watched, and what its app hears of changes."""

from textwrap import dedent

import anyio
import pytest

from pegboard import App, hookimpl

HEAD = """
from pegboard import App, Result, get_app
export = get_app("mod").tb
"""


class Listener:
    """Hears outcomes and lets a test wait for them."""

    name = "listener"

    def __init__(self):
        self.outcomes = []
        self._changed = anyio.Event()

    @hookimpl
    def reloaded(self, outcome):
        self.outcomes.append(outcome)
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, condition):
        """Wait until `condition` holds, which is looked at after each outcome."""
        with anyio.fail_after(10):
            while not condition():
                await self._changed.wait()


class Project:
    """A folder with mods."""

    def __init__(self, folder):
        self.folder = folder
        self.listener = Listener()
        (folder / "mods").mkdir(exist_ok=True)

    def path(self, name):
        return self.folder / "mods" / name

    def text(self, source):
        return HEAD + dedent(source)

    def write(self, name, source):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text(source))
        return path

    def app(self, **settings):
        return App(
            "test",
            project=self.folder,
            plugins=["hot_reload", self.listener],
            config={
                "plugins": {"hot_reload": {"watch": True, **settings}},
                "mods": {"deny": ["chat", "clock", "files", "system"]},
            },
        )


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)
