"""What every layer around the calls of exports has to do: subclass `LayerSuite`, name your plugin.

```python
class TestMyLayer(LayerSuite):
    plugin = "my_plugin"
    keywords = {"my_keyword": 3}
```
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from pegboard._app import App
from pegboard._result import Result
from pegboard.contracts.call import Stage
from pegboard.contracts.stream import items_of
from pegboard.errors import PegboardError
from pegboard.testing.harness import watched

__all__ = ["LayerSuite"]

TIMEOUT = 10.0  # seconds after which a call is taken to hang
MANY = 20  # calls that are made at once


class LayerSuite:
    """The tests of the layer that a plugin puts around exports.

    They hold for every layer, whatever it is for: one that answers in place of the export, as a
    cache does, has tests of its own for that.

    Attributes:
        plugin: Name of the installed plugin, or the plugin object.
        others: Plugins that it requires.
        config: Settings under which it lets these calls pass.
        keywords: Keywords of `@export` that turn the layer on.
    """

    plugin: ClassVar[str | object]
    others: ClassVar[Sequence[str | object]] = ()
    config: ClassVar[Mapping[str, Any]] = {}
    keywords: ClassVar[Mapping[str, Any]] = {}

    @pytest.mark.anyio
    async def test_it_stands_at_a_stage(self, tmp_path: Path) -> None:
        """What is outside and what is inside is decided by stages, not by luck."""
        async with self._running(tmp_path) as app:
            self._export(app, _echo)
            export = app.registry.table["Suite.echo"].export
            layers = list(app.hooks.each("register_export", app=app, export=export))
        assert layers, "the plugin gives no layer to an export with these keywords"
        assert all(isinstance(each.stage, Stage) for each in layers)

    @pytest.mark.anyio
    @pytest.mark.parametrize("name", ["echo", "plain"])
    async def test_arguments_and_answers_pass_unchanged(self, tmp_path: Path, name: str) -> None:
        """By position, by keyword and by default; of functions of both kinds."""
        async with self._running(tmp_path) as app:
            self._export(app, _echo)
            self._export(app, _plain)
            for args in ((1,), (1, "two"), (2, "ü")):
                assert (await _called(app, f"Suite.{name}", *args)).get() == _plain(*args)
            by_name = await _called(app, f"Suite.{name}", b="two", a=1)
            assert by_name.get() == _plain(1, "two")

    @pytest.mark.anyio
    async def test_a_failure_comes_out_as_an_error_result(self, tmp_path: Path) -> None:
        """What the export answers or raises is no exception outside of it."""
        async with self._running(tmp_path) as app:
            self._export(app, _refuse)
            self._export(app, _crash)
            refused = await _called(app, "Suite.refuse")
            assert refused.is_error()
            assert "not today" in refused.info.help_text
            for _ in range(2):  # the first failure does not spoil the second call
                crashed = await _called(app, "Suite.crash")
                assert crashed.is_error()

    @pytest.mark.anyio
    async def test_wrong_arguments_are_the_callers_error(self, tmp_path: Path) -> None:
        """The layer does not choke on what the export would refuse."""
        async with self._running(tmp_path) as app:
            self._export(app, _echo)
            result = await _called(app, "Suite.echo", unknown=1)
            assert result.is_error()

    @pytest.mark.anyio
    async def test_calls_at_once_get_their_own_answers(self, tmp_path: Path) -> None:
        """However it orders them, none is lost, mixed up or left waiting for ever."""
        answers: dict[int, Any] = {}

        async def ask(app: App, number: int) -> None:
            answers[number] = (await _called(app, "Suite.echo", number)).get()

        async with self._running(tmp_path) as app:
            self._export(app, _echo)
            async with anyio.create_task_group() as tasks:
                for number in range(MANY):
                    tasks.start_soon(ask, app, number)
        assert answers == {number: _plain(number) for number in range(MANY)}

    @pytest.mark.anyio
    async def test_exports_do_not_meet(self, tmp_path: Path) -> None:
        """Equal arguments of two exports are two calls."""
        async with self._running(tmp_path) as app:
            self._export(app, _echo)
            self._export(app, _double)
            assert (await _called(app, "Suite.echo", 2)).get() == _plain(2)
            assert (await _called(app, "Suite.double", 2)).get() == 4

    @pytest.mark.anyio
    async def test_a_cancelled_call_ends_and_holds_up_no_other(self, tmp_path: Path) -> None:
        """A client that goes away leaves nothing locked, counted or half done."""
        entered, ended = anyio.Event(), anyio.Event()

        async def wait(*, is_long: bool) -> str:
            try:
                if is_long:
                    entered.set()
                    await anyio.sleep_forever()
            finally:
                if is_long:
                    ended.set()
            return "done"

        async with self._running(tmp_path) as app:
            self._export(app, wait)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(app.call, "Suite.wait", is_long=True))
                with anyio.fail_after(TIMEOUT):
                    await entered.wait()
                tasks.cancel_scope.cancel()
            with anyio.fail_after(TIMEOUT):
                await ended.wait()
            assert (await _called(app, "Suite.wait", is_long=False)).get() == "done"

    @pytest.mark.anyio
    async def test_a_stream_can_be_read_to_its_end(self, tmp_path: Path) -> None:
        """The items come when they are asked for; the layer does not read them itself."""
        async with self._running(tmp_path) as app:
            self._export(app, _count)
            result = await _called(app, "Suite.count", 3)
            assert not result.is_error(), result
            with anyio.fail_after(TIMEOUT):
                assert [each async for each in items_of(result)] == [0, 1, 2]

    @pytest.mark.anyio
    async def test_a_removed_export_stays_removed(self, tmp_path: Path) -> None:
        """No call is kept beside the slot that the kernel empties."""
        async with self._running(tmp_path) as app:
            self._export(app, _echo)
            slot = app.registry.table["Suite.echo"]
            await _called(app, "Suite.echo", 1)
            await app.mods.unload_all()
            with pytest.raises(PegboardError):
                await slot.call(1)

    def _export(self, app: App, function: Callable[..., Any]) -> None:
        name = function.__name__.lstrip("_")
        app.export(name, mod_name="Suite", **self.keywords)(function)

    def _running(self, project: Path) -> AbstractAsyncContextManager[App]:
        plugins = [*self.others, self.plugin]
        return watched(App("test", project=project, plugins=plugins, mods=[], config=self.config))


async def _called(app: App, address: str, *args: Any, **kwargs: Any) -> Result[Any]:
    with anyio.fail_after(TIMEOUT):
        result: Result[Any] = await app.call(address, *args, **kwargs)
    return result


def _plain(a: int, b: str = "b") -> dict[str, Any]:
    return {"a": a, "b": b}


async def _echo(a: int, b: str = "b") -> dict[str, Any]:
    return _plain(a, b)


async def _double(a: int) -> int:
    return 2 * a


async def _refuse() -> Result[Any]:
    return Result.default_user_error("not today")


async def _crash() -> None:
    msg = "it fails on purpose"
    raise RuntimeError(msg)


async def _count(until: int) -> AsyncIterator[int]:
    for number in range(until):
        yield number
