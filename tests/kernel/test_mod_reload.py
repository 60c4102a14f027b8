"""Mods are replaced while the app runs: all of a change, or nothing of it."""

import builtins
import json
import logging
import os
import pickle
import re
import sys
import threading
from textwrap import dedent

import anyio
import pytest

from pegboard import App, hookimpl
from pegboard._cli.doctor import examine
from pegboard._part import parts_of
from pegboard._serving.control import controlled
from pegboard.errors import NotFoundError, UnavailableError
from pegboard.testing import retired

pytestmark = pytest.mark.anyio

HEAD = """
from types import SimpleNamespace
from pegboard import App, Result, get_app
export = get_app("mod").tb
"""


class Listener:
    """Keeps what it hears."""

    name = "listener"

    def __init__(self):
        self.heard = []

    @hookimpl
    def reloaded(self, outcome):
        self.heard.append((outcome.name, outcome.outcome))


@pytest.fixture
def project(tmp_path):
    (tmp_path / "mods").mkdir()
    return tmp_path


@pytest.fixture
def write(project):
    def put(name, source):
        path = project / "mods" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + dedent(source))
        return path

    return put


@pytest.fixture
def app(project):
    names = [*"abcdef", "shop", "first", "second"]
    return App("test", project=project, plugins=[Listener()], config={"mods": {"allow": names}})


def heard(app):
    return app.plugins.active["listener"].plugin.heard


async def value(app, address, *args, **kwargs):
    result = await app.call(address, *args, **kwargs)
    assert result.is_ok(), result
    return result.get()


async def nothing_left(app):
    with anyio.fail_after(5):
        assert await app.reloader.settle() == []


async def test_new_code_serves_and_the_old_is_gone(app, write):
    path = write("a.py", "class Kept: ...\n@export()\ndef f(): return Kept and 1")
    async with app:
        slot = app.registry.table["a.f"]
        write("a.py", "class Kept: ...\n@export()\ndef f(): return Kept and 2")
        assert [each.outcome for each in await app.reloader.follow([path])] == ["reloaded"]
        assert app.registry.table["a.f"] is slot
        assert await value(app, "a.f") == 2
        assert app.mods.generations["a"].number == 2
        await nothing_left(app)
        assert heard(app) == [("a", "reloaded")]


async def test_a_save_that_changed_nothing_changes_nothing(app, write):
    path = write("a.py", "@export()\ndef f(): return 1")
    async with app:
        path.write_bytes(path.read_bytes())
        assert await app.reloader.follow([path]) == []
        assert await app.reloader.follow(None) == []
        assert app.mods.generations["a"].number == 1


async def test_code_whose_source_is_written_while_it_is_executed_does_not_serve(app, write):
    path = write("a.py", "@export()\ndef f(): return 1")
    async with app:
        more = "from pathlib import Path\nwith Path(__file__).open('a') as own: own.write('# more')"
        write("a.py", f"{more}\n@export()\ndef f(): return 2")
        assert await app.reloader.follow([path], unfinished=lambda _: False) == []
        assert await value(app, "a.f") == 1
        write("a.py", "@export()\ndef f(): return 3")
        await app.reloader.follow([path], unfinished=lambda _: False)
        assert await value(app, "a.f") == 3


async def test_a_change_that_was_dropped_comes_live_with_the_next_one(app, write):
    shared = write("_shared.py", "WORD = 'shared 1'")
    own = write("a.py", "from ._shared import WORD\n@export()\ndef f(): return f'{WORD}, a 1'")
    async with app:
        write("_shared.py", "WORD = 'shared 2'")
        assert await app.reloader.follow([shared], unfinished=lambda path: path == own) == []
        assert await value(app, "a.f") == "shared 1, a 1"
        write("a.py", "from ._shared import WORD\n@export()\ndef f(): return f'{WORD}, a 2'")
        await app.reloader.follow([own], unfinished=lambda _: False)
        assert await value(app, "a.f") == "shared 2, a 2"
        assert await app.reloader.follow([own]) == []


async def test_a_mod_whose_file_is_being_made_anew_is_not_removed(app, write):
    path = write("a.py", "@export()\ndef f(): return 1")
    async with app:
        path.unlink()

        def is_there_again(_):
            write("a.py", "@export()\ndef f(): return 2")
            return False

        assert await app.reloader.follow(None, unfinished=lambda each: each == path) == []
        assert await app.reloader.follow(None, unfinished=is_there_again) == []
        assert await value(app, "a.f") == 1
        await app.reloader.follow([path], unfinished=lambda _: False)
        assert await value(app, "a.f") == 2
        path.unlink()
        await app.reloader.follow([path], unfinished=lambda _: False)
        assert list(app.registry.table) == []


async def test_two_saves_of_one_size_at_one_time_are_both_seen(app, write):
    path = write("a.py", "@export()\ndef f(): return 0")
    async with app:
        for number in (1, 2, 3):
            write("a.py", f"@export()\ndef f(): return {number}")
            os.utime(path, (1_700_000_000, 1_700_000_000))
            await app.reloader.follow([path])
            assert await value(app, "a.f") == number


async def test_removed_exports_vanish_new_ones_appear(app, write):
    write("a.py", "@export()\ndef f(): return 1\n@export()\ndef g(): return 1")
    async with app:
        write("a.py", "@export()\ndef g(): return 2\n@export()\ndef h(): return 2")
        await app.reloader.follow(None)
        assert list(app.registry.table) == ["a.g", "a.h"]
        assert (await app.call("a.f")).info.exec_code == 404


@pytest.fixture
def unlogged():
    """Log nothing: pytest keeps the records, and with them the frames of what has failed."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        ("def f(:", "a.py:5: SyntaxError"),
        ("import nowhere_to_be_found", "a.py:5: ModuleNotFoundError"),
        ("@export(level='high')\ndef f(): ...", "a.py:5: ConfigError"),
        ("@export()\ndef f(x: 'Nowhere'): ...", "a.py:5: a.f"),
        ("@export(colour='red')\ndef f(): ...", "colour"),
        ("@export(initial=True)\ndef f(): raise OSError('no disk')", "OSError: no disk"),
        ("raise SystemExit('enough')", "a.py:5: SystemExit: enough"),
        ("@export(mod_name='b')\ndef f(): ...", "b.f is exported by b already"),
        ("@export(handover=True)\ndef f(state): 1 / 0", "division by zero"),
        ("@export(handover=True)\ndef f(state): return 5", "hands over int"),
    ],
)
async def test_a_failure_leaves_the_old_code_serving_and_is_shown_until_it_is_mended(
    app, write, broken, place, unlogged
):
    good = "@export()\ndef f(): return 'old'"
    path = write("a.py", good)
    write("b.py", good)
    async with app:
        before = app.registry.table, dict(sys.modules)
        write("a.py", broken)
        (outcome,) = await app.reloader.follow([path])
        assert outcome.outcome == "rejected"
        assert place in outcome.reason
        assert app.mods.status["a"].state == "active"
        assert place in app.mods.status["a"].rejected
        assert (app.registry.table, dict(sys.modules)) == before
        del before
        assert await value(app, "a.f") == "old"
        assert app.mods.generations["a"].number == 1
        assert await app.reloader.follow([path]) == []  # nothing new to tell
        write("a.py", good)
        assert [each.outcome for each in await app.reloader.follow([path])] == ["mended"]
        assert not app.mods.status["a"].rejected
        write("a.py", "@export()\ndef f(): return 'new'")
        await app.reloader.follow([path])
        assert await value(app, "a.f") == "new"
        assert heard(app) == [("a", "rejected"), ("a", "mended"), ("a", "reloaded")]
        del outcome
        await nothing_left(app)


async def test_a_package_is_executed_anew_with_all_its_modules(app, write):
    write("shop/__init__.py", "from . import prices\nfrom .prices import Price")
    write(
        "shop/prices.py",
        "from .money.sign import SIGN\nclass Price: ...\n"
        "@export(mod_name='shop')\ndef price(): return f'5 {SIGN}'",
    )
    write("shop/money/__init__.py", "")
    path = write("shop/money/sign.py", "SIGN = '€'")
    async with app:
        old = sys.modules[app.mods.generations["shop"].edition.unit]
        write("shop/money/sign.py", "SIGN = '$'")
        await app.reloader.follow([path])
        assert await value(app, "shop.price") == "5 $"
        new = sys.modules[app.mods.generations["shop"].edition.unit]
        assert new is not old
        assert new.prices is sys.modules[f"{new.__name__}.prices"]
        path.unlink()
        write("shop/prices.py", "Price = 6\n@export(mod_name='shop')\ndef price(): return 6")
        await app.reloader.follow(None)
        assert await value(app, "shop.price") == 6
        assert not [name for name in sys.modules if name.endswith("shop.money.sign")]
        del old, new
        await nothing_left(app)


async def test_who_imports_a_mod_follows_it_and_unchanged_ones_are_not_run_again(app, write):
    count = "import builtins\nbuiltins.seen.append(__name__.rpartition('.')[2])\n"
    path = write("a.py", count + "WORD = 'one'")
    write("b.py", count + "from .a import WORD")
    write("c.py", count + "from . import b\n@export()\ndef f(): return b.WORD")
    write("d.py", count + "@export()\ndef f(): return 1")
    builtins.seen = []
    try:
        async with app:
            builtins.seen.clear()
            write("a.py", count + "WORD = 'two'")
            outcomes = await app.reloader.follow([path])
            assert sorted(each.name for each in outcomes) == ["a", "b", "c"]
            assert sorted(builtins.seen) == ["a", "b", "c"]
            assert await value(app, "c.f") == "two"
            write("a.py", count + "NAME = 'three'")
            outcomes = await app.reloader.follow([path])
            assert {each.outcome for each in outcomes} == {"rejected"}
            assert all("b.py:7: ImportError" in app.mods.status[name].rejected for name in "abc")
            assert await value(app, "c.f") == "two"
    finally:
        del builtins.seen


async def test_a_module_that_mods_share_takes_them_along(app, write):
    path = write("_shared.py", "WORD = 1")
    for name in "ab":
        write(f"{name}.py", "from ._shared import WORD\n@export()\ndef f(): return WORD")
    async with app:
        write("_shared.py", "WORD = 2")
        assert [each.name for each in await app.reloader.follow([path])] == ["a", "b"]
        assert [await value(app, "a.f"), await value(app, "b.f")] == [2, 2]


async def test_files_appear_move_and_go(app, write):
    path = write("a.py", "@export(mod_name='Same')\ndef f(): return 'a'")
    async with app:
        slot = app.registry.table["Same.f"]
        path.rename(path.with_name("b.py"))
        outcomes = await app.reloader.follow(None)
        assert {(each.name, each.outcome) for each in outcomes} == {
            ("a", "removed"),
            ("b", "loaded"),
        }
        assert app.registry.table["Same.f"] is slot
        assert "a" not in app.mods.status
        new = write("c.py", "@export()\ndef g(): return 1")
        await app.reloader.follow([new])
        assert list(app.registry.table) == ["Same.f", "c.g"]
        new.unlink()
        path.with_name("b.py").unlink()
        await app.reloader.follow(None)
        assert not app.registry.table
        assert not app.mods.candidates()
        await nothing_left(app)


async def test_a_new_mod_that_fails_does_not_keep_another_from_going(app, write):
    path = write("a.py", "@export()\ndef f(): return 1")
    async with app:
        path.unlink()
        write("b.py", "1 / 0")
        await app.reloader.follow(None)
        assert not app.registry.table
        assert app.mods.status["b"].state == "failed"
        write("b.py", "@export()\ndef f(): return 1")
        await app.reloader.follow(None)
        assert app.mods.status["b"].state == "active"


async def test_a_file_that_another_mod_needs_goes_only_with_that_need(app, write):
    path = write("a.py", "WORD = 1\n@export()\ndef f(): return 1")
    write("b.py", "from .a import WORD\n@export()\ndef f(): return WORD")
    async with app:
        path.unlink()
        await app.reloader.follow(None)
        assert "b.py:5: ModuleNotFoundError" in app.mods.status["b"].rejected
        assert await value(app, "a.f") == 1
        write("b.py", "@export()\ndef f(): return 2")
        await app.reloader.follow(None)
        assert list(app.registry.table) == ["b.f"]


async def test_calls_and_streams_end_in_the_code_that_began_them(app, write):
    source = """
    import anyio
    NUMBER = {}
    class Marker: ...

    @export()
    async def wait(app: App):
        app.state("a").begun.set()
        await app.state("a").go_on.wait()
        from . import a as late
        return NUMBER, late.NUMBER

    @export()
    async def count():
        for _ in range(3):
            yield NUMBER

    @export(exit_f=True)
    def leave(app: App): app.state("a").left.append(NUMBER)
    """
    write("a.py", source.format(1))
    async with app:
        state = app.state("a")
        state.begun, state.go_on, state.left = anyio.Event(), anyio.Event(), []
        answers = []
        async with anyio.create_task_group() as group:

            async def ask():
                answers.append(await value(app, "a.wait"))

            group.start_soon(ask)
            await state.begun.wait()
            stream = (await app.call("a.count")).result.data["generator"]
            assert await anext(stream) == 1
            write("a.py", source.format(2))
            await app.reloader.follow(None)
            (report,) = app.reloader.retired()
            assert (report.owner, report.number, report.busy) == ("a", 1, 2)
            assert state.left == []
            state.go_on.set()
        assert answers == [(1, 1)]
        assert await anext(stream) == 1
        await stream.aclose()


async def test_state_outlives_reloads_and_new_code_may_convert_it(app, write):
    write("a.py", "@export()\ndef add(state): state.n = getattr(state, 'n', 0) + 1; return state.n")
    async with app:
        kept = app.state("a")
        assert await value(app, "a.add") == 1
        write(
            "a.py",
            "@export(handover=True)\ndef take(state): state.total = state.n; del state.n\n"
            "@export()\ndef add(state): state.total += 1; return state.total",
        )
        await app.reloader.follow(None)
        assert await value(app, "a.add") == 2
        assert vars(kept) == {"total": 2}
        assert list(app.registry.table) == ["a.add"]


async def test_what_tools_of_the_language_look_up_by_name_is_found(app, write):
    source = """
    import dataclasses, pickle, typing
    from __future__ import annotations

    @dataclasses.dataclass
    class Point:
        x: int
        y: Point | None = None

    @export()
    def hints(): return sorted(typing.get_type_hints(Point)), pickle.dumps(Point(1))
    """
    head = "from __future__ import annotations\n"
    source = head + HEAD + dedent(source).replace(head, "")
    path = write("a.py", "")
    path.write_text(source)
    async with app:
        path.write_text(source + "# changed\n")
        await app.reloader.follow(None)
        names, pickled = await value(app, "a.hints")
        assert names == ["x", "y"]
        assert pickle.loads(pickled).x == 1


async def test_by_hand_a_mod_is_replaced_even_where_nothing_has_changed(app, write):
    write("a.py", "@export()\ndef f(): return 1")
    async with app:
        assert [each.outcome for each in await app.reloader.reload("a")] == ["reloaded"]
        assert app.mods.generations["a"].number == 2
        assert await app.reloader.reload() == []
        with pytest.raises(NotFoundError, match="no mod or plugin 'z'"):
            await app.reloader.reload("z")


async def test_a_folder_that_is_gone_or_closed_takes_nothing_away(app, project, write):
    path = write("a.py", "@export()\ndef f(): return 1")
    async with app:
        source = path.read_text()
        path.unlink()
        path.parent.rmdir()
        assert await app.reloader.follow([path]) == [] or app.mods.status["a"].rejected
        assert await value(app, "a.f") == 1
        path.parent.mkdir()
        path.write_text(source.replace("return 1", "return 2"))
        await app.reloader.follow(None)
        assert await value(app, "a.f") == 2
        assert not app.mods.status["a"].rejected


async def test_two_apps_with_one_folder_change_apart(app, project, write):
    write("a.py", "@export()\ndef f(): return 1")
    write("b.py", "@export()\ndef f():\n    from . import a\n    return a.f()")
    async with app, App("other", project=project, plugins=[], mods=["a", "b"]) as other:
        write("a.py", "@export()\ndef f(): return 2")
        await app.reloader.follow(None)
        assert [await value(app, "b.f"), await value(other, "b.f")] == [2, 1]
        await other.reloader.follow(None)
        assert [await value(app, "b.f"), await value(other, "b.f")] == [2, 2]


async def test_what_holds_an_old_generation_is_named(app, write):
    write("a.py", "import json\nclass Held: ...\njson.held_by_test = Held\n@export()\ndef f(): ...")
    try:
        async with app:
            write("a.py", "@export()\ndef f(): ...")
            await app.reloader.follow(None)
            (report,) = await app.reloader.settle()
            assert any(each.endswith("a.Held") for each in report.alive)
            assert report.held_by == ["json.held_by_test"]
            del json.held_by_test
            await nothing_left(app)
    finally:
        vars(json).pop("held_by_test", None)


def test_parts_are_as_small_as_links_allow():
    links = {"b": ["a"], "c": ["b", "z"], "e": ["d"], "f": []}
    assert sorted(map(sorted, parts_of("abcdef", links))) == [["a", "b", "c"], ["d", "e"], ["f"]]
    assert parts_of("", links) == []
    assert parts_of("cab", {"a": ["c"], "b": ["c"], "c": []}) == [frozenset("abc")]


async def test_types_of_new_code_are_its_own_before_it_serves(app, write):
    source = """
    from __future__ import annotations
    import msgspec
    class Item(msgspec.Struct):
        number: int = 0
        def plain(self):
            return PLAIN
    class Box(msgspec.Struct):
        item: Item
    PLAIN = Item()
    def opened():
        return isinstance(msgspec.json.decode(b'{"item": {}}', type=Box).item, Item)
    @export(initial=True)
    def start(state):
        state.first = opened()
    @export()
    def f(state): return state.first, opened()
    """
    path = write("a.py", source.replace("from __future__ import annotations", ""))
    path.write_text("from __future__ import annotations\n" + path.read_text())
    async with app:
        for _ in range(3):
            path.write_text(path.read_text() + "#\n")
            await app.reloader.follow([path])
            assert (await app.call("a.f")).get() == (True, True)
        await retired(app)


async def test_a_state_is_as_it_was_when_its_handover_fails(app, write):
    kept = "@export()\ndef add(state):\n    state.items = [*getattr(state, 'items', []), 1]\n"
    kept += "    return len(state.items)\n"
    path = write("a.py", kept)
    async with app:
        await app.call("a.add")
        write("a.py", "@export(handover=True)\ndef take(state):\n    state.items.clear(); 1 / 0\n")
        (outcome,) = await app.reloader.follow([path])
        assert outcome.outcome == "rejected"
        assert (await app.call("a.add")).get() == 2


async def test_a_state_that_cannot_be_copied_is_named(app, write):
    path = write("a.py", "@export()\ndef f(state):\n    state.gate = (n for n in ())\n")
    async with app:
        await app.call("a.f")
        write("a.py", "@export(handover=True)\ndef take(state): ...\n")
        (outcome,) = await app.reloader.follow([path])
        assert "gate cannot be copied" in outcome.reason


async def test_a_slow_dependency_is_imported_while_everything_is_in_its_place(
    app, write, project, monkeypatch
):
    slow = project / "site"
    slow.mkdir()
    monkeypatch.syspath_prepend(slow)
    path = write("a.py", "@export()\ndef f(): return 1")
    async with app:
        home = app.mods.generations["a"].edition.unit
        (slow / "slowly.py").write_text(f"import sys\nSEEN = hasattr(sys.modules[{home!r}], 'f')\n")
        write("a.py", "import slowly\n@export()\ndef f(): return slowly.SEEN")
        await app.reloader.follow([path])
        assert (await app.call("a.f")).get() is True
    sys.modules.pop("slowly")


async def test_new_code_that_never_begins_is_given_up_when_the_next_change_comes(app, write):
    path = write("a.py", "@export()\ndef f(): return 1")
    async with app, anyio.create_task_group() as group:
        waits = "    app.state('a').waits = True\n    await anyio.sleep_forever()"
        write("a.py", f"import anyio\n@export(initial=True)\nasync def start(app: App):\n{waits}")
        group.start_soon(app.reloader.follow, [path])
        with anyio.fail_after(5):
            while not hasattr(app.state("a"), "waits"):
                await anyio.lowlevel.checkpoint()
        write("a.py", "@export()\ndef f(): return 3")
        await app.reloader.follow([path])
        assert (await app.call("a.f")).get() == 3


async def test_new_code_that_does_not_end_is_named_with_its_line_and_delays_no_stop(
    app, write, project, monkeypatch
):
    monkeypatch.setattr("pegboard._patience.LONGEST_QUIET", 0.05)
    monkeypatch.setattr("pegboard._reload.LAST_WAIT", 0.05)
    gate = project / "gate"
    endless = f"import time, pathlib\nwhile not pathlib.Path({str(gate)!r}).exists():\n"
    path = write("a.py", "FINE = 1\n")
    said, told, turn = threading.Event(), [], sys.getswitchinterval()

    def tell(record):
        told.append(record.getMessage())
        said.set()

    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", tell)
    monkeypatch.setattr(logging.getLogger("pegboard.reload"), "handlers", [handler])
    with anyio.fail_after(5):
        async with app:
            write("a.py", endless + "    time.sleep(0.001)\n")
            app.tasks.start_soon(app.reloader.follow, [path])
            await anyio.to_thread.run_sync(said.wait)
            assert re.search(r"a: its new code .* at \S+a\.py:\d+", told[0])
            assert sys.getswitchinterval() == turn
            (stuck,) = app.reloader.stuck()
            assert (stuck.name, stuck.generation) == ("a", 1)
            assert re.search(r"executed for \d+ s; it is at \S+a\.py:\d+", stuck.reason)
            assert app.reloader.unserved() == [stuck]
            with pytest.raises(UnavailableError, match=r"mod a: .*: start anew"):
                await app.reloader.reload()
            async with controlled(app):
                found = await anyio.to_thread.run_sync(anyio.run, examine, project)
            names = [each.name for each in found if not each.ok]
            assert names == ["mod a", "start"]
            (thread,) = [each for each in threading.enumerate() if each.name == "new code of a"]
    assert thread.daemon
    assert thread.is_alive()
    gate.touch()
    await anyio.to_thread.run_sync(thread.join)
