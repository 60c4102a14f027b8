"""`app.lock` and the keyword `lock` of `@export`."""

from pathlib import Path
from types import MappingProxyType

import anyio
import pytest
from anyio import to_thread

from pegboard import App, Result
from pegboard.contracts.stream import items_of
from pegboard.errors import ConflictError, InputError, LoadError
from pegboard.testing.layer_suite import LayerSuite
from pegboard.testing.plugin_suite import PluginSuite
from pegboard_locking import LockFolder

pytestmark = pytest.mark.anyio


class TestLocking(PluginSuite):
    plugin = "locking"


class TestLayer(LayerSuite):
    plugin = "locking"
    keywords = MappingProxyType({"lock": True})


class Turnstile:
    """Counts who is inside at once."""

    def __init__(self) -> None:
        self.inside = self.most = 0

    async def pass_through(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        self.inside -= 1


async def test_the_app_has_locks_for_tasks_and_threads(pegboard_app) -> None:
    async with pegboard_app(plugins=["locking"]) as app, app.lock("a"):
        with pytest.raises(ConflictError):
            await to_thread.run_sync(lambda: app.lock("a", timeout=0).__enter__())
        async with app.lock("b"), app.lock("c", shared=True):
            pass


async def test_the_lock_files_lie_in_the_data_of_the_project(pegboard_app) -> None:
    async with pegboard_app(plugins=["locking"]) as app, app.lock("a"):
        assert LockFolder(app.data / "locks").is_locked("a")


async def test_calls_of_an_export_wait_for_one_another(pegboard_app) -> None:
    async with pegboard_app(plugins=["locking"]) as app:
        turnstile = Turnstile()

        @app.export(mod_name="m", lock=True)
        async def alone() -> None:
            await turnstile.pass_through()

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(app.call, "m.alone")
        assert turnstile.most == 1


async def test_a_lock_may_be_named_after_an_argument(pegboard_app) -> None:
    async with pegboard_app(plugins=["locking"]) as app:
        names: list[set[str]] = []
        folder = LockFolder(app.data / "locks")

        @app.export(mod_name="m", lock="document/{name}")
        async def edit(text: str, name: str = "none") -> None:
            names.append(set(await to_thread.run_sync(folder.held)))

        await app.call("m.edit", "x", "a")
        await app.call("m.edit", name="b", text="x")
        await app.call("m.edit", text="x")
        assert names == [{"document/a"}, {"document/b"}, {"document/none"}]


async def test_exports_that_share_a_lock_wait_for_one_another(pegboard_app) -> None:
    async with pegboard_app(plugins=["locking"]) as app:
        turnstile = Turnstile()

        @app.export(mod_name="m", lock="one")
        async def first() -> None:
            await turnstile.pass_through()

        @app.export(mod_name="m", lock="one")
        async def second() -> None:
            await turnstile.pass_through()

        async with anyio.create_task_group() as group:
            for name in ("m.first", "m.second") * 3:
                group.start_soon(app.call, name)
        assert turnstile.most == 1


async def test_shared_calls_run_beside_one_another(pegboard_app) -> None:
    async with pegboard_app(plugins=["locking"]) as app:
        both = anyio.Event()
        inside = 0

        @app.export(mod_name="m", lock="one", lock_shared=True)
        async def read() -> None:
            nonlocal inside
            inside += 1
            if inside == 2:
                both.set()
            await both.wait()

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(app.call, "m.read")
                group.start_soon(app.call, "m.read")


async def test_a_call_that_waits_in_vain_fails_with_409(pegboard_app) -> None:
    async with pegboard_app(plugins=["locking"]) as app:

        @app.export(mod_name="m", lock="one", lock_timeout=0.0)
        async def late() -> None:
            raise AssertionError

        async with app.lock("one"):
            with anyio.fail_after(10):
                result = await _elsewhere(app, "m.late")
        assert (result.is_error(), result.info.exec_code) == (True, 409)
        assert "'one' is held by process" in result.info.help_text


async def _elsewhere(app: App, target: str):
    results = []

    async def call() -> None:
        results.append(await app.call(target))

    async with anyio.create_task_group() as group:
        group.start_soon(call)
    return results[0]


async def test_a_call_that_would_wait_for_itself_fails(pegboard_app) -> None:
    async with pegboard_app(plugins=["locking"]) as app:

        @app.export(mod_name="m", lock="one")
        async def outer(app: App):
            return await app.call("m.inner")

        @app.export(mod_name="m", lock="one")
        async def inner() -> None:
            raise AssertionError

        with anyio.fail_after(10):
            result = await app.call("m.outer")
        assert result.is_error()
        assert "held here already" in result.info.help_text


async def test_wrong_arguments_are_told_as_without_a_lock(pegboard_app) -> None:
    async with pegboard_app(plugins=["locking"]) as app:

        @app.export(mod_name="m", lock="x/{name}")
        async def edit(name: str) -> None:
            raise AssertionError

        result = await app.call("m.edit", nam="a")
        assert result.info.exec_code == InputError.status


@pytest.mark.parametrize("name", ["x/{nobody}", "x/{", "x/{name.__class__}", ""])
async def test_a_name_that_cannot_be_is_refused(pegboard_app, name: str) -> None:
    async with pegboard_app(plugins=["locking"]) as app:

        async def edit(name: str) -> None:
            raise AssertionError

        with pytest.raises(LoadError):
            app.export(mod_name="m", lock=name)(edit)
        assert "m.edit" not in app.registry.table


async def test_another_plugin_may_give_the_locks(pegboard_app, tmp_path: Path) -> None:
    from pegboard import hookimpl

    class Elsewhere:
        folder = LockFolder(tmp_path / "elsewhere")

        @hookimpl
        def provide_lock(self, app: App) -> LockFolder:
            return self.folder

    async with pegboard_app(plugins=["locking", Elsewhere()]) as app, app.lock("a"):
        assert Elsewhere.folder.is_locked("a")


@pytest.mark.parametrize("is_read_to_its_end", [True, False])
async def test_a_stream_holds_the_lock_until_it_ends(
    pegboard_app, *, is_read_to_its_end: bool
) -> None:
    cleaned = []
    async with pegboard_app(plugins=["locking"]) as app:

        @app.export(mod_name="m", lock="one")
        async def rows() -> Result:
            async def items():
                for number in range(3):
                    yield number

            return Result.stream(items(), cleanup_func=lambda: cleaned.append(1))

        folder = LockFolder(app.data / "locks")
        stream = items_of(await app.call("m.rows"))
        assert await anext(stream) == 0
        assert folder.is_locked("one")
        if is_read_to_its_end:
            assert [each async for each in stream] == [1, 2]
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(stream.aclose)  # in another task than the one that began it
        assert not folder.is_locked("one")
        assert cleaned == [1]
        async with app.lock("one", timeout=0):
            pass


async def test_a_generator_that_another_task_closes_gives_its_lock_back(pegboard_app) -> None:
    async with pegboard_app(plugins=["locking"]) as app:

        async def rows():
            async with app.lock("one"):
                yield 1
                yield 2

        generator = rows()
        async with anyio.create_task_group() as group:
            group.start_soon(generator.__anext__)
        await generator.aclose()
        lock = app.lock("one", timeout=0)
        async with lock:
            pass
        with pytest.raises(RuntimeError, match="not held here"):
            await lock.__aexit__(None, None, None)
