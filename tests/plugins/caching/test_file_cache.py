"""Answers kept on disk."""

import logging
import subprocess
import sys
from datetime import UTC, datetime
from textwrap import dedent

import anyio
import msgspec
import pytest

from pegboard import Result, hookimpl
from pegboard.errors import UnavailableError

pytestmark = pytest.mark.anyio


class Item(msgspec.Struct):
    name: str
    made: datetime


ITEM = Item(name="a", made=datetime(2026, 1, 2, tzinfo=UTC))


async def test_an_answer_outlives_the_app(pegboard_app):
    calls = []

    async def f(a: int) -> dict[str, int]:
        calls.append(a)
        return {"a": a}

    for _ in range(2):
        async with pegboard_app(plugins=["caching"]) as app:
            app.export(mod_name="M", name="f", file_cache=True)(f)
            for a in (1, 2, 1):
                assert (await app.call("M.f", a)).get() == {"a": a}
    assert calls == [1, 2]


async def test_a_struct_comes_back_as_what_the_function_says_it_returns(pegboard_app):
    calls = []

    async def f() -> Item:
        calls.append(1)
        return ITEM

    async def g() -> Result[list[Item]]:
        calls.append(1)
        return Result.ok([ITEM])

    async with pegboard_app(plugins=["caching"]) as app:
        for function in (f, g):
            app.export(mod_name="M", file_cache=True)(function)
        for _ in range(2):
            assert (await app.call("M.f")).get() == ITEM
            assert (await app.call("M.g")).get() == [ITEM]
    assert len(calls) == 2


async def test_what_would_come_back_as_something_else_is_not_kept_and_said(pegboard_app, caplog):
    calls = []

    async def f():
        calls.append(1)
        return (1, 2)

    async with pegboard_app(plugins=["caching"]) as app:
        app.export(mod_name="M", file_cache=True)(f)
        for _ in range(2):
            assert (await app.call("M.f")).get() == (1, 2)
        assert app.cache.statistics()["M.f"].unfit == 2
    assert len(calls) == 2
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "say what the function returns, or use memory_cache" in warnings[0].getMessage()


async def test_how_a_result_travels_is_kept_with_it(pegboard_app):
    async def f():
        return Result.html("<b>", status=201, info="made")

    async with pegboard_app(plugins=["caching"]) as app:
        app.export(mod_name="M", file_cache=True)(f)
        first, second = await app.call("M.f"), await app.call("M.f")
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    assert first.origin == second.origin
    assert first.__dict__ == second.__dict__


async def test_an_error_is_not_kept(pegboard_app):
    calls = []

    async def f():
        calls.append(1)
        return Result.default_user_error("no")

    async with pegboard_app(plugins=["caching"]) as app:
        app.export(mod_name="M", file_cache=True)(f)
        for _ in range(2):
            assert (await app.call("M.f")).is_error()
    assert len(calls) == 2


async def test_another_version_of_the_code_has_other_answers(pegboard_app, tmp_path):
    source = tmp_path / "versioned.py"
    text = dedent(
        """
        from pegboard import get_app

        @get_app("versioned").tb(mod_name="V", file_cache=True)
        async def f() -> int:
            return 1
        """
    )
    for answer in (1, 2, 1):
        source.write_text(text.replace("return 1", f"return {answer}"))
        async with pegboard_app(plugins=["caching"], mods=[source]) as app:
            assert (await app.call("V.f")).get() == answer


async def test_two_apps_that_miss_at_once_make_one_answer(pegboard_app):
    calls, go = [], anyio.Event()

    async def f() -> int:
        calls.append(1)
        await go.wait()
        return 1

    answers = []

    async def ask(app):
        answers.append((await app.call("M.f")).get())

    async with pegboard_app(plugins=["caching"]) as one, pegboard_app(plugins=["caching"]) as two:
        for app in (one, two):
            app.export(mod_name="M", file_cache=True)(f)
        async with anyio.create_task_group() as group:
            for app in (one, two, one, two):
                group.start_soon(ask, app)
            with anyio.fail_after(5):
                while not calls:
                    await anyio.lowlevel.checkpoint()
            go.set()
    assert answers == [1] * 4
    assert len(calls) == 1


async def test_an_answer_is_forgotten_for_all_processes(pegboard_app):
    calls = []

    async def f(a: int) -> int:
        calls.append(a)
        return a

    async with pegboard_app(plugins=["caching"]) as one, pegboard_app(plugins=["caching"]) as two:
        for app in (one, two):
            app.export(mod_name="M", file_cache=True, cache_tags=["t", "a:{a}"])(f)
        for a in (1, 2):
            await one.call("M.f", a)
        assert await two.cache.invalidate("M.f", 1) == 1
        await one.call("M.f", 1)
        assert await two.cache.invalidate_tag("a:2") == 1
        await one.call("M.f", 2)
        assert await two.cache.invalidate("M.f") == 2
        await one.call("M.f", 1)
    assert calls == [1, 2, 1, 2, 1]


async def test_an_answer_that_is_too_old_is_given_while_a_new_one_is_made(pegboard_app):
    numbers, go = iter(range(10)), anyio.Event()

    async def f() -> int:
        number = next(numbers)
        if number:
            await go.wait()
        return number

    async with pegboard_app(plugins=["caching"]) as app:
        app.export(mod_name="M", file_cache=True, file_cache_ttl=1e-6, cache_stale=60)(f)
        for _ in range(3):
            assert (await app.call("M.f")).get() == 0
        go.set()
        with anyio.fail_after(10):
            while (await app.call("M.f")).get() == 0:
                pass
        assert app.cache.statistics()["M.f"].stale_hits >= 2


class Broken:
    """A cache that is away."""

    def __getattr__(self, name):
        async def fail(*args, **kwargs):
            msg = "the cache is away"
            raise UnavailableError(msg)

        return fail


class BrokenPlugin:
    @hookimpl
    def provide_cache(self, app):
        return Broken()


async def test_a_cache_that_fails_is_done_without_and_said_once(pegboard_app, caplog):
    async def f() -> int:
        return 1

    async with pegboard_app(plugins=["caching", BrokenPlugin()]) as app:
        app.export(mod_name="M", file_cache=True)(f)
        for _ in range(3):
            assert (await app.call("M.f")).get() == 1
        assert app.cache.statistics()["M.f"].failures > 0
    assert [each.getMessage() for each in caplog.records] == [
        "M.f does without its file cache: the cache is away"
    ]


async def test_whoever_is_cancelled_gives_up_its_claim(pegboard_app):
    entered_f = anyio.Event()
    slow = [True]

    async def f() -> int:
        if slow.pop():
            slow.append(False)
            entered_f.set()
            await anyio.sleep_forever()
        return 1

    async with pegboard_app(plugins=["caching"]) as app:
        app.export(mod_name="M", file_cache=True)(f)
        async with anyio.create_task_group() as group:
            group.start_soon(app.call, "M.f")
            await entered_f.wait()
            group.cancel_scope.cancel()
        with anyio.fail_after(2):
            assert (await app.call("M.f")).get() == 1


WORKER = """
import os, sys, time
from pathlib import Path
import anyio
from pegboard import App

folder = Path(sys.argv[1])
config = {"plugins": {"caching": {"claim_seconds": 0.5}}}
app = App("worker", project=folder, plugins=["caching"], mods=[], config=config)

@app.export(mod_name="M", file_cache=True)
def f() -> int:
    with (folder / "calls").open("a") as log:
        log.write(f"{os.getpid()}\\n")
    time.sleep(float(sys.argv[2]))
    return 7

async def main():
    async with app:
        print("ready", flush=True)
        sys.stdin.readline()
        print((await app.call("M.f")).get(), flush=True)

anyio.run(main)
"""


@pytest.fixture
def workers(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    started = []

    def start(seconds):
        command = [sys.executable, str(script), str(tmp_path), str(seconds)]
        worker = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        started.append(worker)
        assert worker.stdout.readline() == "ready\n"
        return worker

    yield start
    for worker in started:
        worker.kill()
        worker.communicate()


def test_four_processes_that_miss_at_once_make_one_answer(workers, tmp_path):
    running = [workers(1.0) for _ in range(4)]
    for worker in running:
        worker.stdin.write("go\n")
    assert [worker.stdout.readline() for worker in running] == ["7\n"] * 4
    assert len((tmp_path / "calls").read_text().split()) == 1


def test_the_claim_of_a_process_that_was_killed_ends(workers, tmp_path):
    first, second = workers(60), workers(0)
    first.stdin.write("go\n")
    calls = tmp_path / "calls"
    while not (calls.exists() and calls.read_text()):
        assert first.poll() is None
    first.kill()
    second.stdin.write("go\n")
    assert second.stdout.readline() == "7\n"
    assert len(calls.read_text().split()) == 2
