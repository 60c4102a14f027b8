"""What happens to files, and what the app makes of it."""

from typing import ClassVar

import anyio
import pytest

from pegboard.testing.plugin_suite import PluginSuite
from pegboard_hot_reload import _watcher

pytestmark = pytest.mark.anyio

ANSWER = "@export()\ndef f(): return {}"


class TestPlugin(PluginSuite):
    plugin = "hot_reload"
    config: ClassVar = {"plugins": {"hot_reload": {"watch": True}}}


async def answer(app, address="a.f"):
    return (await app.call(address)).get()


async def reaches(project, app, number, address="a.f"):
    async def arrived():
        return address in app.registry.table and await answer(app, address) == number

    with anyio.fail_after(10):
        while not await arrived():
            await anyio.lowlevel.checkpoint()


async def test_a_saved_file_is_live(project):
    project.write("a.py", ANSWER.format(1))
    async with project.app() as app:
        for number in range(2, 5):
            project.write("a.py", ANSWER.format(number))
            await reaches(project, app, number)


async def test_polling_sees_it_too(project):
    project.write("a.py", ANSWER.format(1))
    async with project.app(polling=True, poll_ms=20) as app:
        project.write("a.py", ANSWER.format(22))
        await reaches(project, app, 22)


async def test_an_editor_that_replaces_the_file_is_followed(project):
    path = project.write("a.py", ANSWER.format(1))
    async with project.app() as app:
        for number in (2, 3):
            other = path.with_name(".a.py.tmp")
            other.write_text(project.text(ANSWER.format(number)))
            other.replace(path)
            await reaches(project, app, number)


async def test_links_that_lead_elsewhere_are_followed(project):
    for number in (1, 2):
        folder = project.folder / f"release{number}"
        folder.mkdir()
        (folder / "a.py").write_text(project.text(ANSWER.format(number)))
    project.path("").rmdir()
    project.path("").symlink_to("release1")
    async with project.app() as app:
        assert await answer(app) == 1
        link = project.folder / "next"
        link.symlink_to("release2")
        link.replace(project.folder / "mods")
        await reaches(project, app, 2)


async def test_files_come_and_go(project):
    async with project.app() as app:
        path = project.write("a.py", ANSWER.format(1))
        await reaches(project, app, 1)
        project.write("shop/__init__.py", "from .price import *")
        project.write("shop/price.py", "@export(mod_name='shop')\ndef f(): return 5")
        await reaches(project, app, 5, "shop.f")
        path.unlink()
        await project.listener.until(lambda: "a.f" not in app.registry.table)


async def test_a_broken_file_is_shown_and_forgotten_when_it_is_mended(project):
    project.write("a.py", ANSWER.format(1))
    async with project.app() as app:
        project.write("a.py", "def f(:")
        await project.listener.until(lambda: app.mods.status["a"].rejected)
        assert "a.py:4: SyntaxError" in app.mods.status["a"].rejected
        assert await answer(app) == 1
        project.write("a.py", ANSWER.format(1))
        await project.listener.until(lambda: not app.mods.status["a"].rejected)
        first, *_, last = [each.outcome for each in project.listener.outcomes]
        assert (first, last in {"mended", "reloaded"}) == ("rejected", True)


async def test_a_file_that_is_written_in_two_halves_is_read_once_it_is_whole(project):
    path = project.write("a.py", ANSWER.format(1))
    async with project.app() as app:
        with path.open("w") as file:
            file.write(project.text("@export()\ndef g(): return 0\n"))
            file.flush()
            await anyio.sleep(0.05)  # what must not happen would happen now
            assert project.listener.outcomes == []
            file.write(ANSWER.format(2))
        await reaches(project, app, 2)
        assert [each.outcome for each in project.listener.outcomes] == ["reloaded"]


async def test_a_burst_is_one_reload(project):
    for number in range(60):
        project.write(f"m{number}.py", ANSWER.format(0))
    async with project.app() as app:
        for number in range(60):
            project.write(f"m{number}.py", ANSWER.format(number))
        await reaches(project, app, 59, "m59.f")
        await project.listener.until(lambda: len(project.listener.outcomes) >= 59)
        assert {each.generation for each in project.listener.outcomes} == {2}


async def test_the_folder_goes_and_comes_back(project):
    path = project.write("a.py", ANSWER.format(1))
    async with project.app() as app:
        path.unlink()
        path.parent.rename(project.folder / "away")
        (project.folder / "away" / "a.py").write_text(project.text(ANSWER.format(2)))
        assert await answer(app) == 1
        (project.folder / "away").rename(path.parent)
        await reaches(project, app, 2)


async def test_a_watcher_that_dies_is_started_again(project, monkeypatch, caplog):
    project.write("a.py", ANSWER.format(1))
    real, deaths = _watcher.events, []

    async def dying(*args, **options):
        if len(deaths) < 2:
            deaths.append(1)
            raise OSError("the system has no more watches")
        async for paths in real(*args, **options):
            yield paths

    monkeypatch.setattr(_watcher, "events", dying)
    async with project.app() as app:
        project.write("a.py", ANSWER.format(2))
        await reaches(project, app, 2)
    assert "no more watches" in caplog.text


async def test_nothing_is_watched_where_nobody_wants_it(project):
    project.write("a.py", ANSWER.format(1))
    async with project.app(watch=False) as app:
        assert app.plugins.active["hot_reload"].plugin.health(app=app) == ()
