"""`FileHandlerV2`: a dict that is a file, on this machine and in a service."""

import fcntl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from textwrap import dedent

import anyio
import msgspec
import pytest
from anyio import to_thread

from pegboard import App
from pegboard.contracts.storage import FileKey
from pegboard.errors import (
    AccessError,
    ConflictError,
    InputError,
    MissingPluginError,
    PluginError,
    UnavailableError,
)
from pegboard.testing.plugin_suite import PluginSuite
from pegboard_storage import FileHandler, FileHandlerV2, FilenameError, StorageScope, _lane

pytestmark = pytest.mark.anyio


class TestPlugin(PluginSuite):
    plugin = "storage"


class Theme(msgspec.Struct):
    name: str
    dark: bool = False


@pytest.fixture
def handler(storage_app):
    """Return a function that runs a test in a thread, with a maker of handlers of one file."""

    async def run(test):
        async with storage_app() as app:
            await to_thread.run_sync(test, partial(FileHandlerV2, "file.data", name="M", app=app))

    return run


async def test_values_are_those_of_the_file_then_of_the_defaults(handler):
    def test(make):
        fh = make(defaults={"size": [1]}, keys={"short": "long name"})
        assert fh.get("size") == [1]
        assert fh.get("none") is None
        assert fh.get("none", 3) == 3
        assert fh.set("size", [2])
        assert fh.set("short", "s")
        fh.update(a=1, b=None).update({"c": {"d": []}})
        assert list(fh) == ["size", "long name", "a", "b", "c"]
        fh.save()
        again = make().load()
        assert again.to_dict() == {"size": [2], "long name": "s", "a": 1, "b": None, "c": {"d": []}}
        assert "short" not in again
        assert "short" in fh
        assert again["b"] is None
        assert len(again) == 5
        assert again.keys() == again.list_keys() == list(again)
        assert again.items() == again.list_items() == list(zip(again, again.values(), strict=True))
        del again["a"]
        assert not again.delete("a")
        with pytest.raises(KeyError):
            _ = again["a"]
        with pytest.raises(KeyError):
            del again["a"]
        assert again.load()["a"] == 1

    await handler(test)


async def test_what_was_not_loaded_is_loaded_when_it_is_looked_at(handler):
    def test(make):
        make().update(a=1, b=2).save()
        fh = make()
        fh["b"] = 3
        assert fh["a"] == 1
        assert fh["b"] == 3
        assert "a" in make()
        assert make()

    await handler(test)


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        b"bytes",
        [({1},)],
        float("nan"),
        float("inf"),
        {1: 2},
        object(),
        Theme("x"),
        "\ud800",
    ],
    ids=[
        "set",
        "bytes",
        "set within",
        "nan",
        "inf",
        "number as key",
        "object",
        "struct",
        "surrogate",
    ],
)
async def test_a_value_that_json_cannot_hold_is_an_error_and_nothing_is_written(handler, value):
    def test(make):
        make().update(a=1).save()
        with pytest.raises(InputError, match="'bad'"):
            make().update(bad=value).save()
        with pytest.raises(InputError, match="'bad'"):
            make().update(lambda data: {**data, "bad": value})
        assert make().to_dict() == {"a": 1}

    await handler(test)


async def test_values_that_json_can_hold_come_back_as_they_are(handler):
    values = {
        "text": "\u00e9\U0001f600\0\n", "int": 2**53 + 1, "big": -(2**63), "float": 1e300,
        "none": None, "list": [1, "a", [True]], "": {"": {}}, "bool": False,
    }  # fmt: skip

    def test(make):
        make().update(values).save()
        assert make().to_dict() == values
        make().update(pair=(1, [(2,)])).save()
        assert make()["pair"] == [1, [[2]]]

    await handler(test)


async def test_a_nest_that_is_too_deep_is_an_error(handler):
    def test(make):
        deep: list = []
        for _ in range(100_000):
            deep = [deep]
        with pytest.raises(InputError, match="deep"):
            make().update(deep=deep).save()

    await handler(test)


async def test_a_value_can_be_read_as_a_type(handler):
    def test(make):
        make().update(theme={"name": "night", "dark": True}, n="5").save()
        fh = make()
        assert fh.get("theme", type=Theme) == Theme("night", dark=True)
        assert fh.get("none", Theme("day"), type=Theme) == Theme("day")
        with pytest.raises(InputError, match=r"'n' of 'file\.data'"):
            fh.get("n", type=int)

    await handler(test)


async def test_with_saves_unless_something_is_raised(handler):
    def test(make):
        with make() as fh:
            fh["a"] = 1
        with pytest.raises(LookupError), make() as fh:
            fh.update(a=2)["none"]
        assert make()["a"] == 1

    await handler(test)


async def test_who_saves_changes_what_they_have_changed_and_no_more(handler):
    def test(make):
        make().update(a=1, b=1, c=1, d=1).save()
        mine, theirs = make().load(), make().load()
        theirs.update(a=2, d=2, e=2)
        theirs.delete("b")
        theirs.save()
        mine.update(c=3, d=3)
        mine.save()
        assert make().to_dict() == mine.to_dict() == {"a": 2, "c": 3, "d": 3, "e": 2}
        blind = make()
        blind["f"] = 4
        blind.save()
        assert make().to_dict() == {"a": 2, "c": 3, "d": 3, "e": 2, "f": 4}

    await handler(test)


async def test_who_names_a_version_is_told_of_a_conflict(handler):
    def test(make):
        new = make().update(a=1).save(if_version="")
        with pytest.raises(ConflictError):
            make().update(a=2).save(if_version="")
        other = make().load()
        assert other.version == new.version
        other.update(a=3).save(if_version=other.version)
        with pytest.raises(ConflictError):
            new.update(a=4).save(if_version=new.version)
        assert make()["a"] == 3

    await handler(test)


async def test_a_function_changes_the_file_and_leaves_what_is_not_saved(handler):
    def test(make):
        fh = make().update(a=1, n=1).save()
        fh["a"] = 5
        fh.update(lambda data: {**data, "n": data["n"] + 1})
        assert fh.to_dict() == {"a": 5, "n": 2}
        assert make().to_dict() == {"a": 1, "n": 2}
        fh.update(lambda data: data.clear())
        assert make().to_dict() == {}
        assert fh.to_dict() == {"a": 5}

    await handler(test)


async def test_a_file_that_was_encrypted_on_request_says_so(handler):
    def test(make):
        make(encrypt=True).update(a=1).save()
        with pytest.raises(InputError, match="open it with encrypt=True"):
            make().load()
        with pytest.raises(InputError, match="open it with encrypt=True"):
            make().update(dict)
        assert make(encrypt=True)["a"] == 1

    await handler(test)


async def test_a_deleted_file_is_gone(handler):
    def test(make):
        fh = make().update(a=1).save()
        assert fh.delete_file()
        assert not fh.delete_file()
        assert fh.version == ""
        assert make().to_dict() == {}

    await handler(test)


async def test_a_default_that_is_changed_is_saved_and_one_that_is_not_is_not(handler):
    def test(make):
        defaults = {"notes": [], "seen": {}, "size": 3}
        with make(defaults=defaults) as fh:
            fh["notes"].append("bread")
            assert fh["notes"] == ["bread"]
            assert (fh["seen"], fh["size"]) == ({}, 3)
        assert make().to_dict() == {"notes": ["bread"]}
        assert defaults["notes"] == []

    await handler(test)


async def test_what_one_user_has_loaded_is_refused_to_others(storage_app, as_user):
    async with storage_app() as app:
        with as_user(app, "alice"):
            fh = FileHandlerV2("private.data", name="M", app=app)
            await fh.aset("mine", 1)
            await fh.asave()
            assert fh["mine"] == 1
        with as_user(app, "bob"):
            for act in (fh.to_dict, fh.keys, partial(fh.get, "mine"), partial(fh.set, "mine", 2)):
                with pytest.raises(AccessError):
                    act()
            for act in (partial(fh.delete, "mine"), partial(fh.update, mine=2), fh.save):
                with pytest.raises(AccessError):
                    act()
        with as_user(app, "alice"):
            assert fh["mine"] == 1


async def test_a_file_that_is_removed_during_a_save_keeps_what_was_saved(handler):
    def test(make):
        fh = make().update(a=1)
        store = fh._store("write")
        real = store.write

        def write_and_remove(*arguments, **options):
            fh.delete_file()
            return real(*arguments, **options)

        store.write = write_and_remove
        fh._document.save(store)
        del store.write
        fh.update(b=2).save()
        assert make().to_dict() == {"a": 1, "b": 2}

    await handler(test)


async def test_a_document_is_read_while_another_thread_changes_it(handler):
    def test(make):
        fh = make().load()
        done = threading.Event()

        def change():
            for number in range(3000):
                fh.set(str(number), number)
            done.set()

        thread = threading.Thread(target=change)
        thread.start()
        while not done.is_set():
            assert len(fh.items()) <= len(fh.to_dict()) <= 3000
        thread.join()

    await handler(test)


async def test_who_waits_for_one_file_takes_no_thread_from_others(pegboard_app):
    async with pegboard_app(plugins=["storage", "storage_local"]) as app:
        make = partial(FileHandlerV2, name="M", app=app)
        await make("stuck.data").update(n=0).asave()
        (lock,) = app.data.rglob("stuck.data~lock")

        async def count() -> None:
            await make("stuck.data").aupdate(lambda data: {"n": data["n"] + 1})
            counted.append(1)

        counted = []
        async with anyio.create_task_group() as group:
            with lock.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                for _ in range(60):
                    group.start_soon(count)
                await anyio.wait_all_tasks_blocked()
                await make("other.data").update(a=1).asave()
                assert await make("other.data").aget("a") == 1
                assert await to_thread.run_sync(len, counted) == 0
        assert (await make("stuck.data").aload())["n"] == 60


async def test_a_file_that_too_many_write_is_refused_in_time(monkeypatch):
    monkeypatch.setattr(_lane, "PATIENCE", 0.0)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(10)

    key = FileKey(scope="mod_data", owner="", mod="M", name="n")
    async with anyio.create_task_group() as group:
        for _ in range(_lane.WRITERS):
            group.start_soon(_lane.in_thread_alone, slow, "local", key)
        await to_thread.run_sync(begun.wait, 10)
        with pytest.raises(UnavailableError, match="by too many"):
            await _lane.in_thread_alone(slow, "local", key)
        go_on.set()


async def test_threads_with_one_handler_and_with_several_lose_nothing(handler):
    def test(make):
        shared = make()

        def count(number: int) -> None:
            for step in range(10):
                fh = shared if number % 2 else make()
                fh.update(lambda data: {**data, "n": data.get("n", 0) + 1})
                shared.set(f"{number} {step}", step)
                shared.save()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count, range(4)))
        found = make().to_dict()
        assert found.pop("n") == 40
        assert len(found) == 40

    await handler(test)


async def test_everything_can_be_awaited(storage_app):
    async with storage_app() as app:
        fh = FileHandlerV2("file.data", name="M", app=app)
        async with fh:
            assert await fh.aset("a", 1)
        fh = FileHandlerV2("file.data", name="M", app=app)
        assert await fh.aget("a", type=int) == 1
        assert await fh.adelete("a")
        await fh.aupdate({"b": 2})
        await fh.asave()
        await fh.aupdate(lambda data: {**data, "c": 3})
        with pytest.raises(KeyError):
            await fail_within(fh)
        assert (await fh.aload()).to_dict() == {"b": 2, "c": 3}
        assert await fh.adelete_file()
        assert (await fh.aload()).to_dict() == {}


async def fail_within(fh):
    async with fh:
        await fh.aset("d", 4)
        _ = fh["none"]


async def test_a_save_that_has_begun_is_finished_when_its_task_is_cancelled(storage_app):
    async with storage_app() as app:
        fh = FileHandlerV2("file.data", name="M", app=app)
        fh["a"] = 1
        begun, go_on = threading.Event(), threading.Event()

        def slow(data):
            begun.set()
            go_on.wait(10)
            return {"a": 2}

        async with anyio.create_task_group() as group:
            group.start_soon(fh.aupdate, slow)
            await to_thread.run_sync(begun.wait)
            group.cancel_scope.cancel()
            go_on.set()
        assert await FileHandlerV2("file.data", name="M", app=app).aget("a") == 2


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"filename": "notes.txt"}, "ends with .config or .data"),
        ({"scope": "mine"}, "there is no scope 'mine'"),
        ({"filename": "private.data", "encrypt": False, "owner": "a"}, "always encrypted"),
        ({"filename": "global.data", "owner": "alice"}, "have no owner"),
        ({"filename": "x" * 260 + ".data"}, "more than 255"),
    ],
)
def test_what_cannot_be_a_file_is_said_at_once(options, complaint):
    with pytest.raises(InputError, match=complaint):
        FileHandlerV2(**{"filename": "a.data", **options})


@pytest.mark.parametrize(
    ("filename", "scope"),
    [
        ("private.data", "user_private"),
        ("private_notes.data", "user_private"),
        ("sub/folder/public.data", "user_public"),
        ("global.data", "public_read"),
        ("shared_list.data", "public_rw"),
        ("server.data", "server"),
        ("privateer.data", "mod_data"),
        ("a.private.data", "mod_data"),
        ("private.config", "config"),
    ],
)
def test_the_scope_is_that_of_the_name(filename, scope):
    assert FileHandlerV2(filename, owner="a" if "user" in scope else None).scope.value == scope


def test_a_scope_that_is_said_wins_but_not_over_config():
    assert FileHandlerV2("private.data", scope="MOD_DATA").scope is StorageScope.MOD_DATA
    assert FileHandlerV2("a.config", scope=StorageScope.PUBLIC_RW).scope is StorageScope.CONFIG
    assert FileHandler is FileHandlerV2


async def test_config_never_leaves_this_machine(storage_app):
    async with storage_app() as app:
        with pytest.raises(FilenameError, match="always local"):
            await FileHandlerV2("a.config", name="M", backend="s3", app=app).aload()
        fh = FileHandlerV2("a.config", name="M", app=app)
        await fh.aset("a", 1)
        await fh.asave()
        assert (app.data / "storage" / "config" / "-" / "!m" / "a.config").is_file()


async def test_a_file_can_lie_in_another_folder(storage_app, tmp_path):
    async with storage_app() as app:
        elsewhere = partial(FileHandlerV2, "a.data", name="M", base_path=tmp_path / "x", app=app)
        await elsewhere().update(a=1).asave()
        assert (await elsewhere().aload()).to_dict() == {"a": 1}
        assert (await FileHandlerV2("a.data", name="M", app=app).aload()).to_dict() == {}
        with pytest.raises(FilenameError, match="base path"):
            await elsewhere(backend="s3").aload()


async def test_a_backend_that_nobody_has_is_named_with_what_to_install(pegboard_app):
    async with pegboard_app(plugins=["storage"]) as app:
        with pytest.raises(MissingPluginError, match="pip install pegboard-storage-local"):
            await FileHandlerV2("a.data", app=app).aload()
        with pytest.raises(MissingPluginError, match="pip install pegboard-storage-cloud"):
            await FileHandlerV2("a.data", backend="cloud", app=app).aload()
        with pytest.raises(PluginError, match="has a storage backend 'tape'"):
            await FileHandlerV2("a.data", backend="tape", app=app).aload()
    async with pegboard_app(plugins=[]) as app:
        with pytest.raises(MissingPluginError, match="pip install pegboard-storage"):
            await FileHandlerV2("a.data", app=app).aload()


async def test_a_mode_that_does_not_exist_is_a_mistake(pegboard_app):
    config = {"plugins": {"storage": {"mode": "XX"}}}
    with pytest.raises(PluginError, match=r"plugins\.storage\.mode"):
        async with pegboard_app(plugins=["storage"], config=config):
            pass


def test_a_plain_script_uses_the_default_app(tmp_path: Path):
    script = """
        import anyio
        from pegboard_storage import FileHandler, UserContext, set_current_context

        with FileHandler("a.config", name="Script") as fh:
            fh["n"] = 1
        FileHandler("b.data", name="Script").update(lambda data: {"n": data.get("n", 0) + 1})
        set_current_context(UserContext(user_id="me", is_authenticated=True))
        with FileHandler("private.data", name="Script") as fh:
            fh["mine"] = True

        async def main():
            async with FileHandler("a.config", name="Script") as fh:
                print(fh["n"], await FileHandler("b.data", name="Script").aget("n"))

        anyio.run(main)
    """
    for count in (1, 2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", dedent(script)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.stdout, done.stderr) == (f"1 {count}\n", "")


async def test_an_app_on_its_own_is_found_by_the_call_that_runs(storage_app, as_user):
    async with storage_app() as first, App("other", plugins=[], mods=[]) as second:
        with as_user(first):
            await FileHandlerV2("a.data", name="M").update(a=1).asave()
        with as_user(second), pytest.raises(MissingPluginError):
            await FileHandlerV2("a.data", name="M").aload()
