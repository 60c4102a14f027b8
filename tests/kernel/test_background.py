"""Work that goes on after the answer."""

import logging
import threading

import anyio
import pytest

from pegboard import Result, current_app

pytestmark = pytest.mark.anyio


async def test_a_task_may_be_a_function_a_coroutine_function_or_a_coroutine(pegboard_app):
    done = []

    async def coroutine(what):
        done.append((what, current_app().name))

    def function():
        done.append(("function", current_app().name))

    async with pegboard_app(name="here") as app:

        @app.export(mod_name="M")
        async def begin():
            result = Result.ok("begun").task(function).task(lambda: coroutine("made in a thread"))
            return result.task(coroutine("coroutine")).task(partial_function)

        async def partial_function():
            await coroutine("coroutine function")

        assert (await app.call("M.begin")).get() == "begun"
    assert sorted(done) == [
        ("coroutine", "here"),
        ("coroutine function", "here"),
        ("function", "here"),
        ("made in a thread", "here"),
    ]


async def test_a_function_runs_in_a_worker_thread(pegboard_app):
    threads = []
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def begin():
            return Result.ok().task(lambda: threads.append(threading.get_ident()))

        await app.call("M.begin")
    assert threads != [threading.get_ident()]


async def test_a_task_starts_after_the_answer_and_is_awaited_when_the_app_stops(pegboard_app):
    begun, go_on, done = anyio.Event(), anyio.Event(), []

    async def work():
        begun.set()
        await go_on.wait()
        done.append(True)

    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def begin():
            return Result.ok("answer").task(work)

        assert (await app.call("M.begin")).get() == "answer"
        assert not begun.is_set()
        await begun.wait()
        assert app.statistics()["tasks_running"] == 1
        app.spawn(go_on_when_stopping, app, go_on)
    assert done == [True]
    assert app.statistics()["tasks_running"] == 0


async def go_on_when_stopping(app, go_on):
    await app.stopping.wait()
    go_on.set()


async def test_a_task_runs_once_though_its_result_is_handed_on(pegboard_app):
    done = []
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def inner():
            return Result.ok("inner").task(lambda: done.append(True))

        @app.export(mod_name="M")
        async def outer():
            return await app.call("M.inner")

        assert (await app.call("M.outer")).get() == "inner"
    assert done == [True]


async def test_the_failure_of_a_task_is_logged_and_counted_and_nobody_elses(pegboard_app, caplog):
    def fail():
        msg = "on purpose"
        raise ValueError(msg)

    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def begin():
            return Result.ok().task(fail)

        assert (await app.call("M.begin")).is_ok()
        while app.statistics()["tasks_failed"] == 0:
            await anyio.lowlevel.checkpoint()
        assert (await app.call("M.begin")).is_ok()
    assert app.statistics()["tasks_failed"] == 2
    records = [each for each in caplog.records if each.name == "pegboard.task"]
    assert {each.levelno for each in records} == {logging.ERROR}
    assert "on purpose" in str(records[0].exc_info[1])


async def test_a_task_that_does_not_end_is_cut_off_at_the_deadline(
    pegboard_app, monkeypatch, caplog
):
    monkeypatch.setattr("pegboard._background.TASK_TIMEOUT", 0.01)
    cancelled = []

    async def linger():
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(True)

    async with pegboard_app() as app:
        app.spawn(linger)
        await anyio.wait_all_tasks_blocked()
    assert cancelled == [True]
    assert "cut off" in caplog.text


async def test_a_plain_function_may_begin_what_awaits(pegboard_app):
    done = []

    async def work():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.lowlevel.checkpoint)
        await anyio.to_thread.run_sync(done.append, current_app().name)

    async with pegboard_app(name="here") as app:

        @app.export(mod_name="M")
        def begin():
            return Result.ok().task(work)

        await app.call("M.begin")
    assert done == ["here"]


async def test_a_plain_function_may_answer_a_coroutine(pegboard_app):
    async def work():
        return current_app().name

    async with pegboard_app(name="here") as app:

        @app.export(mod_name="M")
        def begin():
            return work()

        assert (await app.call("M.begin")).get() == "here"
