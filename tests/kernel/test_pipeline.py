"""From an export to one call: threads, compute functions, failures, layers, leases."""

import asyncio
import logging
import threading
from functools import partial, wraps

import anyio
import pytest

from pegboard import CallContext, RequestData, Result, Session, current_session, entered, hookimpl
from pegboard.contracts.call import Stage
from pegboard.errors import ConfigError, ExportError, NotFoundError, UnavailableError

pytestmark = pytest.mark.anyio


async def test_a_plain_value_becomes_a_result_with_type_and_origin(pegboard_app):
    async with pegboard_app() as app:

        @app.export(mod_name="M", interface="cli")
        async def value():
            return [1]

        result = await app.call("M.value")
    assert result.as_dict() == {
        "error": "none",
        "origin": ["M", "value", "cli"],
        "result": {"data_to": "NATIVE", "data_info": "", "data": [1], "data_type": "list"},
        "info": {"exec_code": 0, "help_text": "OK"},
    }


async def test_the_decorator_returns_the_function_unchanged(pegboard_app):
    async with pegboard_app() as app:

        def function(a):
            return a + 1

        assert app.export(mod_name="M")(function) is function
        assert function(1) == 2
        assert (await app.call("M.function", 1)).get() == 2


async def test_a_plain_function_runs_in_a_thread_and_a_non_blocking_one_does_not(pegboard_app):
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        def in_thread():
            return threading.get_ident()

        @app.export(mod_name="M", blocking=False)
        def inline():
            return threading.get_ident()

        assert (await app.call("M.in_thread")).get() != threading.get_ident()
        assert (await app.call("M.inline")).get() == threading.get_ident()


async def test_no_more_threads_are_used_than_configured(pegboard_app):
    both, release = threading.Barrier(3), threading.Event()
    running = []

    async with pegboard_app(config={"app": {"threads": 2}}) as app:

        @app.export(mod_name="M")
        def block(n: int):
            running.append(n)
            if n < 2:
                both.wait(5)
                release.wait(5)

        async with anyio.create_task_group() as tasks:
            for n in range(2):
                tasks.start_soon(app.call, "M.block", n)
            await anyio.to_thread.run_sync(both.wait, 5)
            tasks.start_soon(app.call, "M.block", 2)
            await anyio.wait_all_tasks_blocked()
            assert sorted(running) == [0, 1]
            assert app.statistics()["threads_busy"] == 2
            release.set()
    assert sorted(running) == [0, 1, 2]


def full_pre(func, *args, **kwargs):
    return (*args, func.__name__), kwargs


def short_pre(*args, **kwargs):
    return (*args, "short"), kwargs


async def async_pre(func, *args, **kwargs):
    return (*args, f"async {func.__name__}"), kwargs


def full_post(result, func, *args, **kwargs):
    return Result.ok((result, func.__name__, args, kwargs))


def short_post(result):
    return ("post", result)


async def async_post(result):
    return ("async post", result)


@pytest.mark.parametrize(
    ("pre", "post", "expected"),
    [
        (full_pre, None, ["x", "target"]),
        (short_pre, None, ["x", "short"]),
        (async_pre, None, ["x", "async target"]),
        (None, full_post, (["x"], "target", ("x",), {})),
        (None, short_post, ("post", ["x"])),
        (None, async_post, ("async post", ["x"])),
        (short_pre, short_post, ("post", ["x", "short"])),
    ],
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_compute_functions_of_both_signatures_sync_and_async(
    pegboard_app, pre, post, expected, is_async
):
    async def async_target(*args):
        return list(args)

    def target(*args):
        return list(args)

    async_target.__name__ = "target"
    async with pegboard_app() as app:
        function = async_target if is_async else target
        app.export(mod_name="M", pre_compute=pre, post_compute=post)(function)
        assert (await app.call("M.target", "x")).get() == expected


async def test_a_compute_function_may_be_given_app_and_request_of_the_export(pegboard_app):
    def pre(func, *args, **kwargs):
        return args, kwargs

    async with pegboard_app() as app:

        @app.export(mod_name="M", pre_compute=pre)
        async def who(app, name, request=None):
            return (app.name, name, request.path if request else None)

        assert (await app.call("M.who", "Ada")).get() == ("test", "Ada", None)


async def test_a_compute_function_that_is_none_is_an_error_of_the_declaration(pegboard_app):
    async with pegboard_app() as app:
        with pytest.raises(ConfigError, match="pre_compute has to be callable"):
            app.export(mod_name="M", pre_compute="later")


async def test_an_exception_is_told_to_the_log_with_an_id_and_to_nobody_else(pegboard_app, caplog):
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def fail():
            msg = "password=hunter2"
            raise RuntimeError(msg)

        result = await app.call("M.fail")
        assert app.statistics()["calls_failed"] == 1
    assert (result.error, result.info.exec_code) == ("InternalError", -2)
    assert "hunter2" not in result.print(show=False, full_data=True)
    assert result.origin == ("M", "fail", "tb")
    error_id = result.info.help_text.rsplit(" ", 1)[1]
    (record,) = [each for each in caplog.records if each.name == "pegboard.call"]
    assert error_id in record.message
    assert "hunter2" in str(record.exc_info[1])


async def test_in_development_the_traceback_is_shown(pegboard_app):
    async with pegboard_app(dev=True) as app:

        @app.export(mod_name="M")
        async def fail():
            msg = "visible"
            raise RuntimeError(msg)

        text = (await app.call("M.fail")).info.help_text
    assert "visible" in text
    assert "Traceback" in text


async def test_an_error_raised_on_purpose_keeps_its_text_and_status(pegboard_app):
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def look():
            msg = "no such page"
            raise NotFoundError(msg)

        @app.export(mod_name="M")
        async def wait():
            msg = "try later"
            raise UnavailableError(msg, retry_after=3)

        missing, away = await app.call("M.look"), await app.call("M.wait")
    assert (missing.error, missing.info.exec_code, missing.info.help_text) == (
        "InputError",
        404,
        "no such page",
    )
    assert (away.error, away.info.exec_code, away.info.help_text) == (
        "InternalError",
        503,
        "try later",
    )


async def test_system_exit_of_an_export_does_not_end_the_process(pegboard_app):
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        def leave():
            raise SystemExit(3)

        assert (await app.call("M.leave")).error == "InternalError"


async def test_wrong_arguments_are_the_callers_mistake_and_a_type_error_inside_is_not(
    pegboard_app,
):
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def add(a: int, b: int):
            return a + b

        missing = await app.call("M.add", 1)
        inside = await app.call("M.add", 1, "x")
        unknown = await app.call("M.add", 1, 2, c=3)
    assert (missing.error, missing.info.exec_code) == ("InputError", 400)
    assert "'b'" in missing.info.help_text
    assert inside.error == "InternalError"
    assert (unknown.error, "'c'" in unknown.info.help_text) == ("InputError", True)


async def test_cancelling_a_call_cancels_the_export_and_frees_its_generation(pegboard_app):
    cancelled = []
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def wait():
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                cancelled.append(True)
                raise

        generation = app.registry.table["M.wait"].export.generation
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.call, "M.wait")
            await anyio.wait_all_tasks_blocked()
            assert generation.leases == 1
            tasks.cancel_scope.cancel()
        assert cancelled == [True]
        assert generation.leases == 0


async def test_row_gives_the_bare_value_and_raises_for_an_error(pegboard_app):
    async with pegboard_app() as app:

        @app.export(mod_name="M", row=True)
        def bare(text: str):
            return text or Result.default_user_error("empty")

        assert await app.call("M.bare", "x") == "x"
        with pytest.raises(ExportError, match="empty") as caught:
            await app.call("M.bare", "")
    assert caught.value.result.error == "InputError"


async def test_a_generator_becomes_a_stream(pegboard_app):
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def count():
            yield 1

        @app.export(mod_name="M")
        def plain():
            yield 1

        for name in ("count", "plain"):
            result = await app.call(f"M.{name}")
            assert result.result.data_type == "stream"
            stream = result.get("generator")
            await (
                stream.aclose()
                if hasattr(stream, "aclose")
                else anyio.to_thread.run_sync(stream.close)
            )


class Recorder:
    """Wraps every export in two layers, declared in the wrong order."""

    def __init__(self):
        self.calls = []

    class Layer:
        def __init__(self, stage, calls):
            self.stage = stage
            self.calls = calls

        def __call__(self, call):
            @wraps(call)
            async def wrapped(*args, **kwargs):
                self.calls.append(self.stage.name)
                return await call(*args, **kwargs)

            return wrapped

    @hookimpl
    def register_export(self, app, export):
        stage = Stage.CACHE if export.name.endswith("cache") else Stage.LIMIT
        return self.Layer(stage, self.calls)


class Tracer(Recorder):
    @hookimpl
    def register_export(self, app, export):
        return self.Layer(Stage.TRACE, self.calls)


async def test_layers_stand_in_the_order_of_their_stages_not_of_their_plugins(pegboard_app):
    recorder, tracer = Recorder(), Tracer()
    tracer.calls = recorder.calls
    async with pegboard_app(plugins=[recorder, tracer]) as app:

        @app.export(mod_name="M")
        async def first():
            return 1

        @app.export(mod_name="M")
        async def in_cache():
            return 2

        await app.call("M.first")
        assert recorder.calls == ["LIMIT", "TRACE"]
        recorder.calls.clear()
        await app.call("M.in_cache")
        assert recorder.calls == ["TRACE", "CACHE"]


async def test_the_context_reaches_worker_threads_and_nested_calls(pegboard_app):
    request = RequestData.from_dict({"request": {"path": "/p"}, "session": {"user_name": "ada"}})
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        def in_thread(request: RequestData):
            return (current_session().user_name, request.path, app.run("M.nested"))

        @app.export(mod_name="M", row=True)
        async def nested(request: RequestData):
            return (current_session().user_name, request.path)

        with entered(app, request):
            answer = (await app.call("M.in_thread")).get()
    assert answer == ("ada", "/p", ("ada", "/p"))


async def test_calls_at_the_same_time_never_see_each_others_session(pegboard_app):
    met = {name: anyio.Event() for name in ("ada", "bob")}
    seen = {}

    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def who():
            mine = current_session().user_name
            met[mine].set()
            await met["bob" if mine == "ada" else "ada"].wait()
            seen[mine] = current_session().user_name

        async def call_as(name):
            context = CallContext(app, Session(user_name=name))
            await app.invoke(app.registry.table["M.who"], context, (), {})

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call_as, "ada")
            tasks.start_soon(call_as, "bob")
    assert seen == {"ada": "ada", "bob": "bob"}
    assert current_session().anonymous


async def test_state_is_plain_data_of_the_mod(pegboard_app):
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def count(state):
            state.n = getattr(state, "n", 0) + 1
            return state.n

        await app.call("M.count")
        assert (await app.call("M.count")).get() == 2
        assert app.state("M").n == 2


def test_a_slow_plain_function_stalls_nobody_on_asyncio(tmp_path):
    from pegboard import App

    async def main():
        release = threading.Event()
        async with App(plugins=[], mods=[], project=tmp_path) as app:

            @app.export(mod_name="M")
            def slow():
                return release.wait(5)

            @app.export(mod_name="M")
            async def quick():
                release.set()

            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(app.call("M.slow"))
                await app.call("M.quick")
            assert waiting.result().get() is True

    asyncio.run(main())


async def test_a_mistake_of_the_caller_is_no_error_in_the_log(pegboard_app, caplog):
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def add(a: int):
            return a

        await app.call("M.add")
        await app.call("M.nothing")
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


class Greeting:
    async def __call__(self, who):
        return f"hello {who}"

    def method(self, who):
        return f"hi {who}"


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        (Greeting(), "hello Ada"),
        (Greeting().method, "hi Ada"),
        (partial(lambda how, who: f"{how} {who}", "dear"), "dear Ada"),
        (partial(Greeting().__call__), "hello Ada"),
    ],
)
async def test_whatever_can_be_called_can_be_exported(pegboard_app, function, answer):
    async with pegboard_app() as app:
        app.export(mod_name="M", name="greet")(function)
        assert (await app.call("M.greet", "Ada")).get() == answer
