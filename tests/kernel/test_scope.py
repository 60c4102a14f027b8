"""What a generation has registered is undone, backwards, whatever happens."""

from contextlib import asynccontextmanager

import anyio
import pytest

from pegboard._scope import Scope

pytestmark = pytest.mark.anyio


async def test_closing_undoes_everything_backwards_and_once():
    done = []
    async with anyio.create_task_group() as tasks:
        scope = Scope("test", tasks)
        scope.defer("first", lambda: done.append("first"))

        async def second():
            await anyio.lowlevel.checkpoint()
            done.append("second")

        scope.defer("second", second)
        await scope.aclose()
        await scope.aclose()
    assert done == ["second", "first"]


async def test_nothing_can_be_registered_with_a_closed_scope():
    async with anyio.create_task_group() as tasks:
        scope = Scope("mod x", tasks)
        await scope.aclose()
        with pytest.raises(RuntimeError, match="mod x is closed: route would never be undone"):
            scope.defer("route", print)


async def test_a_step_that_fails_is_reported_and_the_others_are_done(caplog):
    done = []

    def fail():
        msg = "broken"
        raise ValueError(msg)

    async with anyio.create_task_group() as tasks:
        scope = Scope("test", tasks)
        scope.defer("first", lambda: done.append("first"))
        scope.defer("bad", fail)
        await scope.aclose()
    assert done == ["first"]
    assert "undoing bad failed" in caplog.text


async def test_a_step_that_hangs_is_cut_off_and_the_others_are_done(caplog, monkeypatch):
    monkeypatch.setattr("pegboard._scope.STEP_TIMEOUT", 0.01)
    done = []
    async with anyio.create_task_group() as tasks:
        scope = Scope("test", tasks)
        scope.defer("first", lambda: done.append("first"))
        scope.defer("slow", anyio.sleep_forever)
        await scope.aclose()
    assert done == ["first"]
    assert "undoing slow took more than" in caplog.text


async def test_a_context_manager_is_left_in_the_task_that_entered_it():
    seen = []

    @asynccontextmanager
    async def manager():
        seen.append(anyio.get_current_task().id)
        with anyio.CancelScope():
            yield "value"
        seen.append(anyio.get_current_task().id)

    async with anyio.create_task_group() as tasks:
        scope = Scope("test", tasks)
        assert await scope.enter("manager", manager()) == "value"
        async with anyio.create_task_group() as others:
            others.start_soon(scope.aclose)
    assert seen[0] == seen[1] != anyio.get_current_task().id


async def test_a_context_manager_that_fails_to_open_fails_the_caller_only():
    @asynccontextmanager
    async def manager():
        msg = "no"
        raise OSError(msg)
        yield

    async with anyio.create_task_group() as tasks:
        scope = Scope("test", tasks)
        with pytest.raises(OSError, match="no"):
            await scope.enter("manager", manager())
        await scope.aclose()


async def test_a_context_manager_that_fails_to_close_is_reported(caplog):
    @asynccontextmanager
    async def manager():
        yield
        msg = "stuck"
        raise OSError(msg)

    async with anyio.create_task_group() as tasks:
        scope = Scope("test", tasks)
        await scope.enter("manager", manager())
        await scope.aclose()
    assert "leaving manager failed" in caplog.text


async def test_closing_goes_through_though_the_closer_is_cancelled():
    done = []

    async def step():
        await anyio.lowlevel.checkpoint()
        done.append(True)

    async with anyio.create_task_group() as tasks:
        scope = Scope("test", tasks)
        scope.defer("step", step)
        with anyio.CancelScope() as cancelled:
            cancelled.cancel()
            await scope.aclose()
    assert done == [True]
