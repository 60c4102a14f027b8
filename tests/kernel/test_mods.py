"""Mods: loaded fresh, staged, committed, taken back without a trace when they fail."""

import os
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from pegboard import App
from pegboard._discovery import find_mods, mod_at
from pegboard._library import Library
from pegboard._loader import load_mod
from pegboard.errors import LoadError, NotFoundError

HEAD = """
from pegboard import App, Result, get_app
export = get_app("mod").tb
"""


def write(project, name, source):
    path = project / "mods" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + dedent(source))
    return path


def project_modules():
    return {name for name in sys.modules if name.startswith("pegboard_project_")}


@pytest.fixture
def project(pegboard_app):
    return pegboard_app.project


@pytest.mark.anyio
async def test_one_file_is_a_mod_named_like_the_file(pegboard_app, project):
    write(project, "hello.py", "@export()\ndef greet(who: str = 'world'): return f'hello {who}'")
    async with pegboard_app() as app:
        assert list(app.registry.table) == ["hello.greet"]
        assert (await app.call("hello.greet", who="Ada")).get() == "hello Ada"
        assert app.mods.status["hello"].state == "active"
    assert not app.registry.table


def test_what_is_no_mod_is_not_found(tmp_path):
    folder = tmp_path / "mods"
    for name in ("good.py", "_private.py", ".hidden.py", "not-a-name.py", "class.py", "notes.txt"):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("")
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("")
    (folder / "data").mkdir()
    assert [each.name for each in find_mods(tmp_path) if each.path] == ["good", "package"]


def test_finding_mods_runs_nothing(tmp_path):
    (tmp_path / "mods").mkdir()
    (tmp_path / "mods" / "loud.py").write_text("raise SystemExit")
    assert [each.name for each in find_mods(tmp_path) if each.path] == ["loud"]


def test_a_syntax_error_leaves_no_trace_and_names_file_and_line(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("x = 1\ndef f(:\n")
    before = project_modules()
    with pytest.raises(LoadError) as caught:
        load_mod(mod_at(path), Library())
    assert f"{path}:2: SyntaxError" in str(caught.value)
    assert {each for each in project_modules() - before if each.endswith("broken")} == set()


def test_a_failure_while_running_names_the_line_in_the_mod(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("import json\n\njson.loads('{')\n")
    with pytest.raises(LoadError, match=r"broken\.py:3: JSONDecodeError"):
        load_mod(mod_at(path), Library())


def test_a_failing_load_puts_the_old_modules_back(tmp_path):
    path = tmp_path / "thing.py"
    path.write_text("value = 1\n")
    library = Library()
    old = load_mod(mod_at(path), library)
    path.write_text("value = 2\nraise RuntimeError\n")
    with pytest.raises(LoadError):
        load_mod(mod_at(path), library)
    assert sys.modules[old.module.__name__] is old.module
    assert old.module.value == 1
    library.close()
    assert old.module.__name__ not in sys.modules


def test_two_saves_of_one_size_within_a_second_load_the_new_source(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "thing.py"
    values = []
    for number in range(3):
        path.write_text(f"value = {number}\n")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        library = Library()
        values.append(load_mod(mod_at(path), library).module.value)
        library.close()
    assert values == [0, 1, 2]


@pytest.mark.anyio
async def test_a_package_with_submodules_and_relative_imports(pegboard_app, project):
    write(project, "shop/__init__.py", "from . import prices\nfrom .prices import Price")
    write(
        project,
        "shop/prices.py",
        """
        from .money.currency import SIGN

        class Price: ...

        @export(mod_name="shop")
        def price(): return f"5 {SIGN}"
        """,
    )
    write(project, "shop/money/__init__.py", "")
    write(project, "shop/money/currency.py", "SIGN = '€'")
    async with pegboard_app() as app:
        assert (await app.call("shop.price")).get() == "5 €"
    assert not {each for each in project_modules() if "shop" in each}


@pytest.mark.anyio
async def test_mods_may_import_one_another_whichever_is_loaded_first(pegboard_app, project):
    counter = """
    seen = []

    @export()
    def count(): return len(seen)
    """
    user = """
    from . import {0} as other
    from .{0} import seen

    @export()
    def add():
        seen.append(1)
        return other.count()
    """
    write(project, "b_counter.py", counter)
    write(project, "a_user.py", user.format("b_counter"))
    write(project, "c_user.py", user.format("b_counter"))
    async with pegboard_app() as app:
        assert {name: each.state for name, each in app.mods.status.items()} == {
            "a_user": "active",
            "b_counter": "active",
            "c_user": "active",
        }
        assert (await app.call("a_user.add")).get() == 1
        assert (await app.call("c_user.add")).get() == 2
        assert (await app.call("b_counter.count")).get() == 2


@pytest.mark.anyio
async def test_what_a_private_module_exports_belongs_to_the_mod_that_imports_it(
    pegboard_app, project
):
    write(project, "_shared.py", "@export(mod_name='user')\ndef f(): return 1")
    write(project, "user.py", "from . import _shared")
    async with pegboard_app() as app:
        assert (await app.call("user.f")).get() == 1


@pytest.mark.anyio
async def test_a_submodule_imported_late_does_not_keep_the_mod_from_being_run_anew(
    pegboard_app, project
):
    path = write(
        project, "lazy/__init__.py", "@export()\ndef f():\n    from . import late\n    return 1"
    )
    write(project, "lazy/late.py", "")
    async with pegboard_app() as app:
        assert (await app.call("lazy.f")).get() == 1
        path.write_text(path.read_text().replace("return 1", "return 2"))
        async with App(project=project, plugins=[], mods=[path.parent]) as other:
            assert (await other.call("lazy.f")).get() == 2


@pytest.mark.anyio
async def test_a_mod_that_fails_is_left_out_and_the_others_serve(project, caplog):
    write(project, "bad.py", "1 / 0")
    write(project, "good.py", "@export()\ndef f(): return 1")
    async with App(project=project, plugins=[], config={"mods": {"allow": ["bad", "good"]}}) as app:
        assert app.mods.status["bad"].state == "failed"
        assert "bad.py:4: ZeroDivisionError" in app.mods.status["bad"].reason
        assert list(app.registry.table) == ["good.f"]
    assert "bad.py:4" in caplog.text


@pytest.mark.anyio
async def test_a_failing_initial_function_rolls_the_mod_back(pegboard_app, project):
    path = write(
        project,
        "moody.py",
        """
        @export(exit_f=True)
        def leave(app: App): app.state("moody").left = True

        @export(initial=True)
        async def begin(): raise OSError("no database")

        @export()
        def f(): return 1
        """,
    )
    before = project_modules()
    app = App(project=project, plugins=[], mods=[path])
    with pytest.raises(LoadError, match=r"moody\.begin"):
        await app.__aenter__()
    assert not app.registry.table
    assert not vars(app.state("moody"))
    assert not {each for each in project_modules() - before if each.endswith("moody")}


@pytest.mark.anyio
async def test_exit_functions_run_once_nobody_can_call_the_mod_and_a_failing_one_stops_nothing(
    pegboard_app, project, caplog
):
    write(
        project,
        "tidy.py",
        """
        @export(exit_f=True)
        async def close(app: App):
            app.state("tidy").answer = await app.call("tidy.helper")

        @export(exit_f=True)
        def fail(): raise ValueError("never mind")

        @export()
        def helper(): return "still here"
        """,
    )
    async with pegboard_app() as app:
        assert (await app.call("tidy.helper")).is_ok()
    assert app.state("tidy").answer.info.exec_code == 404
    assert "tidy.fail, an exit function, failed" in caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("@export(mod_name=5)\ndef f(): ...", "@export(mod_name=...): Expected `str"),
        ("@export(level='high')\ndef f(): ...", "@export(level=...): Expected `int"),
        (
            "@export(api_methods=['TELEPORT'])\ndef f(): ...",
            "@export(api_methods[0]=...): Invalid",
        ),
        ("@export\ndef f(): ...", "with parentheses"),
        ("@export(colour='red')\ndef f(): ...", "'colour'"),
        ("@export()\ndef f(a: 'Nowhere'): ...", "TYPE_CHECKING"),
        ("@export()\ndef f(a: 'no python'): ...", "no python"),
        ("@export()\ndef f(a: 'int.nothing'): ...", "nothing"),
        ("@export()\ndef f(): ...\n@export(name='f')\ndef g(): ...", "exported twice"),
    ],
)
async def test_a_wrong_declaration_names_file_line_and_what_is_wrong(
    pegboard_app, project, source, complaint
):
    path = write(project, "wrong.py", source)
    with pytest.raises(LoadError) as caught:
        async with pegboard_app():
            pass
    assert complaint in str(caught.value)
    assert f"{path}:" in str(caught.value)


@pytest.mark.anyio
async def test_two_mods_cannot_export_one_address(project):
    write(project, "first.py", "@export(mod_name='Same')\ndef f(): return 1")
    write(project, "second.py", "@export(mod_name='Same')\ndef f(): return 2")
    config = {"mods": {"allow": ["first", "second"]}}
    async with App(project=project, plugins=[], config=config) as app:
        assert (await app.call("Same.f")).get() == 1
        assert "exported by first already" in app.mods.status["second"].reason


@pytest.mark.anyio
async def test_a_denied_mod_is_never_run(project):
    write(project, "loud.py", "raise RuntimeError('run')")
    async with App(project=project, plugins=[], config={"mods": {"deny": ["loud"]}}) as app:
        assert app.mods.status["loud"].state == "off"
        assert app.mods.status["loud"].reason == "denied by the configuration"


@pytest.mark.anyio
async def test_a_mod_that_was_asked_for_and_is_not_there_says_what_is(project):
    write(project, "here.py", "")
    with pytest.raises(NotFoundError, match=r"no mod 'there'; found: .*here"):
        await App(project=project, plugins=[], mods=["there"]).__aenter__()


@pytest.mark.anyio
async def test_a_mod_of_a_distribution_is_found_by_its_entry_point(install):
    install(
        "weather",
        HEAD + "@export()\ndef today(): return 'sun'\n",
        manifest=None,
        group="pegboard.mods",
    )
    for _ in range(2):
        async with App(plugins=[], mods=["weather"]) as app:
            assert (await app.call("pegboard_weather.today")).get() == "sun"
            assert app.mods.status["weather"].candidate.origin == "pegboard-weather"


@pytest.mark.anyio
async def test_test_only_exports_exist_in_an_app_under_test_only(project):
    path = write(project, "probe.py", "@export(test_only=True)\ndef f(): ...")
    async with App(project=project, plugins=[], mods=[path]) as app:
        assert not app.registry.table
    async with App(project=project, plugins=[], mods=[path], testing=True) as app:
        assert list(app.registry.table) == ["probe.f"]


@pytest.mark.anyio
async def test_names_of_the_documents_for_start_and_exit_are_rewritten(project):
    path = write(project, "old.py", "@export()\ndef on_start(): ...\n@export()\ndef on_exit(): ...")
    async with App(project=project, plugins=[], mods=[path]) as app:
        assert list(app.registry.table) == ["old.on_close", "old.on_startup"]


@pytest.mark.anyio
async def test_a_mod_name_may_have_dots(project):
    path = write(project, "deep.py", "@export(mod_name='A.B')\ndef f(): return 1")
    async with App(project=project, plugins=[], mods=[path]) as app:
        assert (await app.call("A.B.f")).get() == 1
        assert (await app.call(("A.B", "f"))).get() == 1


def test_a_path_that_leads_nowhere_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither a Python file nor a package"):
        mod_at(Path(tmp_path / "nothing"))


@pytest.mark.anyio
async def test_a_helper_that_changed_while_the_app_stood_still_is_read_again(tmp_path):
    before = project_modules()
    (tmp_path / "mods").mkdir()
    helper = tmp_path / "mods" / "_helper.py"
    (tmp_path / "mods" / "told.py").write_text(
        "from pegboard import get_app\n"
        "from ._helper import WORD\n"
        "@get_app('told').tb()\n"
        "def word():\n"
        "    return WORD\n"
    )
    for word in ("first", "other"):
        helper.write_text(f"WORD = {word!r}\n")
        async with App("app", project=tmp_path, plugins=[], mods=["told"]) as app:
            assert (await app.call("told.word")).get() == word
    assert project_modules() == before
