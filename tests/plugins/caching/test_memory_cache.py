"""Answers kept in memory."""

import inspect
import subprocess
import sys
from dataclasses import dataclass

import anyio
import msgspec
import pytest

from pegboard import Result, Session, current_session, entered
from pegboard.errors import ConfigError, InputError, LoadError, NotFoundError
from pegboard_caching._mark import Marks

pytestmark = pytest.mark.anyio


class Clock:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("pegboard_caching._memory.time.monotonic", clock)
    return clock


def in_app(test):
    """Run a test inside an app: in its own task, as a fixture would not."""

    async def run(pegboard_app, **fixtures):
        async with pegboard_app(plugins=["caching"]) as app:
            await test(app, **fixtures)

    signature = inspect.signature(test)
    wanted = [each for each in signature.parameters.values() if each.name != "app"]
    factory = inspect.Parameter("pegboard_app", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = signature.replace(parameters=[factory, *wanted])
    run.__name__ = test.__name__
    return run


def counted(app, function, **keywords):
    """Export `function` and return the list of the arguments that it was called with."""
    calls = []

    def count(*args, **kwargs):
        calls.append((args, kwargs))
        return args, kwargs

    app.export(mod_name="M", name="f", memory_cache=True, pre_compute=count, **keywords)(function)
    return calls


@in_app
async def test_an_answer_is_made_once(app):
    async def f(a: int, b: int = 2):
        return {"sum": a + b}

    calls = counted(app, f)
    for _ in range(3):
        assert (await app.call("M.f", 1)).get() == {"sum": 3}
    assert len(calls) == 1
    assert app.cache.statistics()["M.f"].hits == 2
    assert app.cache.statistics()["M.f"].misses == 1


@in_app
async def test_positions_names_and_defaults_are_the_same_call(app):
    async def f(a: int, b: int = 2, *, c: int = 3):
        return [a, b, c]

    calls = counted(app, f)
    await app.call("M.f", 1)
    await app.call("M.f", 1, 2)
    await app.call("M.f", b=2, a=1)
    await app.call("M.f", 1, c=3)
    assert len(calls) == 1
    await app.call("M.f", 1, c=4)
    assert len(calls) == 2


@in_app
async def test_values_that_only_compare_equal_are_different_calls(app):
    async def f(a):
        return str(a)

    counted(app, f)
    values = [1, True, 1.0, "1", b"1", [1], [True], (1,), None, {"a": 1}, {"a": True}]
    for value in values:
        for _ in range(2):
            assert (await app.call("M.f", value)).get() == str(value)


@in_app
async def test_the_order_of_a_dict_makes_no_difference(app):
    async def f(a: dict):
        return sorted(a)

    calls = counted(app, f)
    await app.call("M.f", {"x": 1, "y": 2})
    await app.call("M.f", {"y": 2, "x": 1})
    assert len(calls) == 1


@in_app
async def test_rest_arguments_are_part_of_the_call(app):
    async def f(*args, **kwargs):
        return [len(args), sorted(kwargs)]

    calls = counted(app, f)
    await app.call("M.f", 1, 2, x=1)
    await app.call("M.f", 1, 2, x=1)
    await app.call("M.f", 1, 2, y=1)
    assert len(calls) == 2


@in_app
async def test_long_arguments_are_told_apart(app):
    async def f(a: str):
        return a[-1]

    counted(app, f)
    assert (await app.call("M.f", "x" * 10_000 + "a")).get() == "a"
    assert (await app.call("M.f", "x" * 10_000 + "b")).get() == "b"


@in_app
async def test_arguments_without_a_plain_form_are_called_each_time(app):
    async def f(a):
        return 1

    calls = counted(app, f)
    await app.call("M.f", object())
    await app.call("M.f", object())
    assert len(calls) == 2
    assert app.cache.statistics()["M.f"].unfit == 2


@in_app
async def test_arguments_that_do_not_fit_are_an_input_error(app):
    async def f(a: int):
        return a

    counted(app, f)
    result = await app.call("M.f", 1, 2)
    assert result.error == "InputError"


@in_app
async def test_an_error_is_not_kept(app):
    async def f():
        raise ValueError

    calls = counted(app, f)
    assert (await app.call("M.f")).is_error()
    assert (await app.call("M.f")).is_error()
    assert len(calls) == 2


@in_app
async def test_an_error_that_is_answered_is_not_kept(app):
    async def f():
        return Result.default_user_error("no")

    calls = counted(app, f)
    await app.call("M.f")
    await app.call("M.f")
    assert len(calls) == 2


@in_app
async def test_nothing_is_not_kept(app):
    async def f():
        return None

    calls = counted(app, f)
    await app.call("M.f")
    await app.call("M.f")
    assert len(calls) == 2


@dataclass
class Box:
    items: list


@pytest.mark.parametrize(
    "make",
    [lambda: {"a": [1]}, lambda: [[1]], lambda: ([1],), lambda: Box([1]), lambda: {1, 2}],
    ids=["dict", "list", "tuple", "dataclass", "set"],
)
@in_app
async def test_who_changes_an_answer_changes_nobody_elses(app, make):
    own = make()

    async def f():
        return own

    counted(app, f)
    for _ in range(3):
        answer = (await app.call("M.f")).get()
        assert answer == make()
        spoil(answer)
    spoil(own)
    assert (await app.call("M.f")).get() == make()


def spoil(value):
    match value:
        case dict() | list() | set():
            value.clear()
        case tuple():
            value[0].clear()
        case Box():
            value.items.clear()


@in_app
async def test_a_frozen_answer_is_shared(app):
    shared = "x" * 1000

    async def f():
        return shared

    counted(app, f)
    await app.call("M.f")
    assert (await app.call("M.f")).get() is shared


@in_app
async def test_who_changes_a_result_changes_nobody_elses(app):
    async def f():
        return Result.html("<b>", headers={"x-a": "1"})

    counted(app, f)
    for _ in range(2):
        result = await app.call("M.f")
        assert result.headers["x-a"] == "1"
        result.headers["x-a"] = "2"


@in_app
async def test_a_stream_is_made_for_each(app):
    async def f():
        async def numbers():
            yield 1

        return Result.stream(numbers())

    calls = counted(app, f)
    for _ in range(2):
        await (await app.call("M.f")).result.data["generator"].aclose()
    assert len(calls) == 2


@in_app
async def test_a_result_with_a_task_is_made_for_each_and_each_task_runs(app):
    ran = []

    async def f():
        return Result.ok(1).task(lambda: ran.append(1))

    calls = counted(app, f)
    for _ in range(2):
        app.run_tasks(await app.call("M.f"))
    assert len(calls) == 2


@in_app
async def test_a_bare_answer_stays_bare(app):
    async def f():
        return [1]

    counted(app, f, row=True)
    assert await app.call("M.f") == [1]
    assert await app.call("M.f") == [1]


@in_app
async def test_an_answer_has_its_time(app, clock):
    async def f():
        return 1

    calls = counted(app, f, memory_cache_ttl=10)
    await app.call("M.f")
    clock.now += 9.9
    await app.call("M.f")
    assert len(calls) == 1
    clock.now += 0.2
    await app.call("M.f")
    assert len(calls) == 2


@in_app
async def test_the_answer_unused_for_longest_goes_first(app):
    async def f(a: int):
        return a

    calls = counted(app, f, memory_cache_max_size=2)
    for a in (1, 2, 1, 3, 1):
        await app.call("M.f", a)
    assert [args for args, _ in calls] == [(1,), (2,), (3,)]
    assert app.cache.statistics()["M.f"].entries == 2


async def test_all_caches_together_hold_no_more_bytes_than_may_be(pegboard_app):
    config = {"plugins": {"caching": {"memory_bytes": 20_000}}}
    async with pegboard_app(plugins=["caching"], config=config) as app:
        for name in ("f", "g"):

            @app.export(mod_name="M", name=name, memory_cache=True)
            async def f(a: int):
                return "x" * 3000

        for a in range(10):
            await app.call("M.f", a)
            await app.call("M.g", a)
        statistics = app.cache.statistics()
        assert statistics["M.f"].bytes + statistics["M.g"].bytes <= 20_000
        assert statistics["M.f"].entries + statistics["M.g"].entries == 5


@in_app
async def test_fifty_who_miss_at_once_wait_for_one(app):
    go = anyio.Event()
    answers = []

    async def f():
        await go.wait()
        return {"n": 1}

    calls = counted(app, f)

    async def ask():
        answers.append((await app.call("M.f")).get())

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert len(calls) == 1
    assert answers == [{"n": 1}] * 50
    assert len({id(each) for each in answers}) == 50


@in_app
async def test_who_waits_shares_a_failure_and_the_next_one_tries_again(app):
    go = anyio.Event()
    kinds = []

    async def f():
        await go.wait()
        raise ValueError

    calls = counted(app, f)

    async def ask():
        kinds.append((await app.call("M.f")).error)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert kinds == ["InternalError"] * 5
    assert len(calls) == 1
    await app.call("M.f")
    assert len(calls) == 2


@in_app
async def test_where_whoever_makes_an_answer_is_cancelled_the_next_one_makes_it(app):
    go = anyio.Event()
    answers = []

    async def f():
        await go.wait()
        return 1

    calls = counted(app, f)

    async def ask():
        answers.append((await app.call("M.f")).get())

    first = anyio.CancelScope()

    async def ask_until_cancelled():
        with first:
            await ask()

    async with anyio.create_task_group() as group:
        group.start_soon(ask_until_cancelled)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(ask)
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert answers == [1, 1]
    assert len(calls) == 2


@in_app
async def test_an_answer_that_needs_itself_does_not_wait_for_itself(app):
    async def g(n: int):
        inner = app.call("M.g", n) if nesting.pop() else None
        return 1 if inner is None else (await inner).get()

    nesting = [False, True]
    app.export(mod_name="M", name="g", memory_cache=True)(g)
    with anyio.fail_after(5):
        assert (await app.call("M.g", 1)).get() == 1


@in_app
async def test_an_answer_that_is_too_old_is_given_while_a_new_one_is_made(app, clock):
    numbers = iter(range(10))

    async def f():
        return next(numbers)

    counted(app, f, memory_cache_ttl=10, cache_stale=5)
    assert (await app.call("M.f")).get() == 0
    clock.now += 12
    assert (await app.call("M.f")).get() == 0
    await anyio.wait_all_tasks_blocked()
    assert (await app.call("M.f")).get() == 1
    assert app.cache.statistics()["M.f"].stale_hits == 1
    clock.now += 16
    assert (await app.call("M.f")).get() == 2


@in_app
async def test_an_answer_is_forgotten(app):
    async def f(a: int):
        return a

    calls = counted(app, f)
    for a in (1, 2):
        await app.call("M.f", a)
    assert await app.cache.invalidate("M.f", a=1) == 1
    assert await app.cache.invalidate("M.f", 7) == 0
    for a in (1, 2):
        await app.call("M.f", a)
    assert [args for args, _ in calls] == [(1,), (2,), (1,)]
    assert await app.cache.invalidate("M.f") == 2
    await app.call("M.f", 1)
    assert await app.cache.clear() == 1


@in_app
async def test_forgetting_says_what_it_does_not_know(app):
    async def f(a: int):
        return a

    counted(app, f)
    with pytest.raises(NotFoundError, match=r"no export 'M\.g' has a cache; there are \['M\.f'\]"):
        await app.cache.invalidate("M.g")
    with pytest.raises(InputError, match=r"M\.f: missing a required argument: 'a'"):
        await app.cache.invalidate("M.f", b=1)


@in_app
async def test_a_tag_takes_the_answers_of_several_exports(app):
    for name in ("f", "g"):

        @app.export(mod_name="M", name=name, memory_cache=True, cache_tags=["all", "user:{user}"])
        async def f(user: str, page: int = 1):
            return [user, page]

        for user in ("ada", "bob"):
            await app.call(f"M.{name}", user)
    assert await app.cache.invalidate_tag("user:ada") == 2
    assert await app.cache.invalidate_tag("user:ada") == 0
    assert await app.cache.invalidate_tag("all") == 2


@in_app
async def test_what_was_invalidated_while_it_was_made_is_not_kept(app):
    entered_f, go = anyio.Event(), anyio.Event()

    async def f():
        entered_f.set()
        await go.wait()
        return 1

    calls = counted(app, f)
    async with anyio.create_task_group() as group:
        group.start_soon(app.call, "M.f")
        await entered_f.wait()
        await app.cache.invalidate("M.f")
        go.set()
    await app.call("M.f")
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("invalidate", "made_again"),
    [
        (lambda cache: cache.invalidate("M.f", 1), [1]),
        (lambda cache: cache.invalidate("M.f"), [1, 2]),
        (lambda cache: cache.invalidate_tag("a:2"), [2]),
        (lambda cache: cache.invalidate_tag("all of them"), [1, 2]),
        (lambda cache: cache.clear(), [1, 2]),
        (lambda cache: cache.invalidate_tag("another"), []),
        (lambda cache: cache.invalidate("M.f", 1, b=1), []),
    ],
)
async def test_what_one_process_invalidates_no_other_gives(pegboard_app, invalidate, made_again):
    async with pegboard_app(plugins=["caching"]) as one, pegboard_app(plugins=["caching"]) as two:
        assert one.data == two.data
        tags = ["all of them", "a:{a}"]
        _, calls = (counted(app, lambda a, b=0: [a, b], cache_tags=tags) for app in (one, two))
        for a in (1, 2):
            await two.call("M.f", a)
        calls.clear()
        await invalidate(one.cache)
        for a in (1, 2, 1, 2):
            assert (await two.call("M.f", a)).get() == [a, 0]
        assert [args[0] for args, _ in calls] == made_again


async def test_marks_reach_other_processes(tmp_path):
    marks = Marks(tmp_path / "new" / "marks")
    one, other = marks.take(["one"]), marks.take(["other"])
    program = "import sys, pathlib, pegboard_caching._mark as mark\n"
    program += "mark.Marks(pathlib.Path(sys.argv[1])).change('one')"
    subprocess.run([sys.executable, "-c", program, marks.path], check=True)
    assert not marks.hold(one)
    assert marks.hold(other)
    assert marks.hold(marks.take(["one"]))
    marks.close()
    assert [path.name for path in marks.path.parent.iterdir()] == ["marks"]


async def test_what_another_process_invalidates_while_it_is_made_is_not_kept(pegboard_app):
    async with pegboard_app(plugins=["caching"]) as one, pegboard_app(plugins=["caching"]) as two:
        values = iter("ab")

        async def f():
            value = next(values)
            if value == "a":
                await one.cache.invalidate("M.f")
            return value

        one.export(mod_name="M", name="f", memory_cache=True)(lambda: "")
        two.export(mod_name="M", name="f", memory_cache=True)(f)
        assert [(await two.call("M.f")).get() for _ in range(3)] == ["a", "b", "b"]


async def test_where_no_other_process_can_be_told_a_warning_says_so(pegboard_app, caplog):
    async with pegboard_app(plugins=["caching"]) as app:
        (app.data / "cache.marks").mkdir(parents=True)
        calls = counted(app, lambda: 1)
        for _ in range(2):
            await app.call("M.f")
        await app.cache.invalidate("M.f")
        await app.call("M.f")
        assert len(calls) == 2
    (said,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert "is so in this process only" in said


@pytest.mark.parametrize("kind", ["memory_cache", "file_cache"])
async def test_an_answer_for_which_it_was_asked_who_asks_is_for_them_alone(
    pegboard_app, kind, caplog
):
    async with pegboard_app(plugins=["caching"]) as app:
        go, began = anyio.Event(), []

        async def inner() -> str:
            return current_session().user_id

        async def f(is_personal: bool) -> str:
            began.append(is_personal)
            await go.wait()
            return (await app.call("M.inner")).get() if is_personal else "for all"

        app.export(mod_name="M", name="inner")(inner)
        app.export(mod_name="M", name="f", **{kind: True})(f)
        answers = {}

        async def ask(user, is_personal):
            with entered(app) as context:
                context.session = Session(user_id=user)
                answers[user, is_personal] = (await app.call("M.f", is_personal)).get()

        async with anyio.create_task_group() as group:  # who waits for the other gets their own
            for user in ("ada", "bob"):
                group.start_soon(ask, user, True)
                group.start_soon(ask, user, False)
            await anyio.wait_all_tasks_blocked()
            go.set()
        await ask("bob", True)
        await ask("bob", False)
        assert all(answer == user for (user, mine), answer in answers.items() if mine)
        assert began.count(True) == 3
        assert began.count(False) == 1
    said = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len(said) == 1
    assert "M.f is not kept" in said[0]


@pytest.mark.parametrize("kind", ["memory_cache", "file_cache"])
async def test_a_call_after_an_invalidation_waits_for_nobody_who_began_before(pegboard_app, kind):
    async with pegboard_app(plugins=["caching"]) as app:
        values, began, go = ["old"], anyio.Event(), anyio.Event()

        async def f() -> str:
            value = values[-1]
            if value == "old":
                began.set()
                await go.wait()
            return value

        app.export(mod_name="M", name="f", **{kind: True})(f)
        answers = []

        async def ask() -> None:
            answers.append((await app.call("M.f")).get())

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await began.wait()
            values.append("new")
            await app.cache.invalidate("M.f")
            await ask()
            go.set()
        assert answers == ["new", "old"]


@in_app
async def test_what_an_answer_leads_to_counts(app):
    class Holder:
        def __init__(self):
            self.content = [bytearray(200_000)]

    app.export(mod_name="M", name="f", memory_cache=True)(lambda: [Holder()])
    await app.call("M.f")
    assert app.cache.statistics()["M.f"].bytes > 200_000


@in_app
async def test_a_session_that_has_ended_is_not_its_user(app):
    async def f():
        return "secret" if current_session().valid else "nobody"

    counted(app, f, cache_per_user=True)
    for level, validated, expected in ((1, True, "secret"), (0, False, "nobody")):
        with entered(app) as context:
            context.session = Session(
                user_id="ada", level=level, validated=validated, anonymous=False
            )
            assert (await app.call("M.f")).get() == expected


@in_app
async def test_each_user_has_their_own_answers(app):
    async def f(request):
        return current_session().user_id

    counted(app, f, cache_per_user=True)
    for user in ("ada", "bob", "ada"):
        with entered(app) as context:
            context.session = Session(user_id=user)
            assert (await app.call("M.f")).get() == user
    assert app.cache.statistics()["M.f"].hits == 1


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"memory_cache": True, "file_cache": True}, "both memory_cache and file_cache"),
        ({"memory_cache": True, "request_as_kwarg": True}, "give cache_per_user=True"),
        ({"memory_cache": True, "cache_tags": ["{b}"]}, "names 'b', which is no argument"),
        ({"memory_cache": True, "cache_tags": ["{a"]}, "is malformed"),
        ({"memory_cache": True, "memory_cache_max_size": 0}, "memory_cache_max_size"),
    ],
)
@in_app
async def test_options_that_cannot_be_are_refused(app, keywords, message):
    with pytest.raises((ConfigError, LoadError), match=message):

        @app.export(mod_name="M", **keywords)
        async def f(a: int, **kwargs):
            return a


@in_app
async def test_a_stream_cannot_have_a_cache(app):
    with pytest.raises((ConfigError, LoadError), match="a stream cannot be kept"):

        @app.export(mod_name="M", memory_cache=True)
        async def f():
            yield 1


async def test_the_memory_of_a_mod_that_is_unloaded_is_free_again(pegboard_app, tmp_path):
    source = tmp_path / "big.py"
    source.write_text(
        "from pegboard import get_app\n"
        "@get_app('big').tb(mod_name='Big', memory_cache=True)\n"
        "async def f():\n"
        "    return 'x' * 100_000\n"
    )
    async with pegboard_app(plugins=["caching"], mods=[source]) as app:
        await app.call("Big.f")
        memory = app.cache._memory
        assert memory.used > 100_000
        await app.mods.unload("big")
        assert memory.used == 0
        assert memory.shelves == []


@in_app
async def test_a_hit_costs_no_thread_and_no_wait(app):
    def f(a: int):  # a plain function: it runs in a worker thread
        return a

    counted(app, f)
    await app.call("M.f", 1)
    before = app.threads.statistics().borrowed_tokens
    with anyio.CancelScope() as scope:
        scope.cancel()  # nothing of a hit can be interrupted
        assert (await app.call("M.f", 1)).get() == 1
    assert app.threads.statistics().borrowed_tokens == before


@in_app
async def test_a_struct_comes_back_as_itself(app):
    async def f():
        return Item(name="a", tags=["b"])

    counted(app, f)
    for _ in range(2):
        item = (await app.call("M.f")).get()
        assert item == Item(name="a", tags=["b"])
        item.tags.clear()


class Item(msgspec.Struct):
    name: str
    tags: list
