"""What happens to files, and what the app makes of it."""

import os
import subprocess
from typing import ClassVar

import anyio
import pytest

from pegboard.testing.plugin_suite import PluginSuite
from pegboard_hot_reload import _closing, _watcher
from pegboard_hot_reload._unfinished import is_git_busy

pytestmark = pytest.mark.anyio

FILES = int(os.environ.get("PEGBOARD_BURST_FILES", "60"))
"""Files of one branch switch; 500 are promised."""

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
        await project.listener.until(lambda: project.listener.outcomes)
        assert [each.outcome for each in project.listener.outcomes] == ["reloaded"]
        assert await answer(app) == 2


async def test_a_burst_is_one_reload(project):
    for number in range(FILES):
        project.write(f"m{number}.py", ANSWER.format(0))
    async with project.app() as app:
        for number in range(FILES):
            project.write(f"m{number}.py", ANSWER.format(number))
        await reaches(project, app, FILES - 1, f"m{FILES - 1}.f")
        await project.listener.until(lambda: len(project.listener.outcomes) >= FILES - 1)
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


async def test_a_file_that_stays_open_is_taken_as_it_is_and_executed_once(project):
    path = project.write("a.py", ANSWER.format(1))
    async with project.app(longest_ms=200) as app:
        with path.open("w") as file:
            file.write(project.text('get_app("mod").count("executed")\n' + ANSWER.format(2)))
            file.flush()
            await reaches(project, app, 2)
            with anyio.move_on_after(0.5):  # what must not happen again would happen now
                await project.listener.until(lambda: len(project.listener.outcomes) > 1)
        assert [each.outcome for each in project.listener.outcomes] == ["reloaded"]


async def test_new_code_that_hangs_is_given_up_for_the_next_save(project, monkeypatch):
    monkeypatch.setattr(_watcher, "HANGS", 0.0)
    project.write("a.py", ANSWER.format(1))
    async with project.app() as app:
        project.write(
            "a.py",
            """
            import anyio
            @export(initial=True)
            async def start(app: App):
                app.state("a").hangs = True
                await anyio.sleep_forever()
            """,
        )
        with anyio.fail_after(10):
            while not hasattr(app.state("a"), "hangs"):
                await anyio.lowlevel.checkpoint()
        assert await answer(app) == 1
        project.write("a.py", ANSWER.format(3))
        await reaches(project, app, 3)


async def test_a_folder_that_cannot_be_read_changes_nothing(project):
    path = project.write("a.py", ANSWER.format(1))
    async with project.app() as app:
        path.parent.chmod(0)
        try:
            await app.reloader.follow(None)
            assert await answer(app) == 1
        finally:
            path.parent.chmod(0o755)
        path.write_text(project.text(ANSWER.format(2)))
        await reaches(project, app, 2)


async def test_a_save_that_moves_the_old_file_away_removes_nothing(project):
    path = project.write("a.py", ANSWER.format(1))
    async with project.app(quiet_ms=1000) as app:
        await reaches(project, app, 1)
        path.rename(path.with_name("a.py~"))
        await anyio.sleep(0.1)  # what must not happen would happen now
        project.write("a.py", ANSWER.format(2))
        await project.listener.until(lambda: project.listener.outcomes)
        assert [each.outcome for each in project.listener.outcomes] == ["reloaded"]
        assert await answer(app) == 2


async def test_a_checkout_of_another_branch_is_one_reload(project):
    def git(*words):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
        subprocess.run(command, cwd=project.folder, check=True, capture_output=True)

    names = [f"m{number}" for number in range(FILES)]
    for version in (1, 2):
        for name in names:
            project.write(f"{name}.py", ANSWER.format(version))
        if version == 1:
            git("init", "-q", "-b", "one")
        else:
            git("checkout", "-q", "-b", "two")
        git("add", "mods")
        git("commit", "-q", "-m", "files")
    async with project.app() as app:
        await anyio.to_thread.run_sync(git, "checkout", "-q", "one")
        await reaches(project, app, 1, f"{names[-1]}.f")
        await project.listener.until(lambda: len(project.listener.outcomes) >= FILES)
        assert {each.generation for each in project.listener.outcomes} == {2}
        assert len(project.listener.outcomes) == FILES


async def test_a_checkout_that_begins_while_files_are_looked_at_removes_nothing(
    project, monkeypatch
):
    path, looked = project.write("a.py", ANSWER.format(1)), _watcher.Watcher._looked
    lock = project.folder / ".git" / "index.lock"
    lock.parent.mkdir()
    begun, is_ready = anyio.Event(), []

    async def look_and_begin(self, *what):
        answer = await looked(self, *what)
        if is_ready and not begun.is_set():
            begun.set()
            lock.touch()
            path.unlink()
        return answer

    monkeypatch.setattr(_watcher.Watcher, "_looked", look_and_begin)
    async with project.app() as app:
        is_ready.append(True)
        project.path("package").mkdir()  # so that all is looked at
        await begun.wait()
        await anyio.sleep(0.1)  # what must not happen would happen now
        assert await answer(app) == 1
        project.write("a.py", ANSWER.format(2))
        lock.unlink()
        await project.listener.until(lambda: project.listener.outcomes)
        assert [each.outcome for each in project.listener.outcomes] == ["reloaded"]
        assert await answer(app) == 2


async def test_linux_tells_of_writers_that_close_and_of_files_that_are_moved(tmp_path):
    closings = _closing.Closings()
    try:
        closings.add([tmp_path, tmp_path / "is not there"])
        (tmp_path / "ä.py").write_text("1")
        assert await closings.next() == {tmp_path / "ä.py"}
        (tmp_path / "ä.py").rename(tmp_path / "b.py")
        assert await closings.next() == {tmp_path / "b.py"}
    finally:
        closings.close()


async def test_what_linux_has_told_is_no_news_until_the_file_changes_again(tmp_path):
    closings = _closing.Closings()
    try:
        closings.add([tmp_path])
        path = tmp_path / "a.py"
        assert not closings.has_told(path)
        path.write_text("1")
        with anyio.fail_after(5):
            assert await closings.next() == {path}
        assert closings.has_told(path)
        path.write_text("12")
        assert not closings.has_told(path)
        path.unlink()
        assert not closings.has_told(path)
    finally:
        closings.close()


async def test_a_lock_that_a_crash_of_git_has_left_holds_nothing_up(tmp_path):
    lock = tmp_path / ".git" / "index.lock"
    lock.parent.mkdir()
    lock.write_text("")
    assert is_git_busy([lock])
    os.utime(lock, (1.0, 1.0))
    assert not is_git_busy([lock])
