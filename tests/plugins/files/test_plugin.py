"""The plugin in an app."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pegboard import App
from pegboard.contracts.storage import every_key
from pegboard.testing.plugin_suite import PluginSuite
from pegboard_files import AdvancedFileHandler, PathError, VersionedStore
from pegboard_storage import FileHandlerV2


class TestPlugin(PluginSuite):
    plugin = "files"


@pytest.mark.anyio
async def test_mods_are_given_a_handler_of_the_folder_of_the_app(
    pegboard_app: Callable[..., App],
) -> None:
    async with pegboard_app(plugins=["files"]) as app:
        handler = app.service(AdvancedFileHandler, "pegboard-files")
        await handler.secure_write_async("a.txt", "there")
        assert (app.data / "files" / "a.txt").read_text() == "there"


@pytest.mark.anyio
async def test_a_path_that_leads_out_is_the_fault_of_the_caller(
    pegboard_app: Callable[..., App],
) -> None:
    async with pegboard_app(plugins=["files"]) as app:
        handler = app.service(AdvancedFileHandler, "pegboard-files")

        @app.export(mod_name="Reader", api=True)
        async def read(name: str) -> str:
            return str((await handler.secure_read_async(name))["content"])

        result = await app.call("Reader.read", name="../../etc/passwd")
        assert result.info.exec_code == PathError.status
        assert str(app.data) not in result.info.help_text
        result = await app.call("Reader.read", name="nothing.txt")
        assert result.info.exec_code == 404


@pytest.mark.anyio
async def test_any_backend_can_keep_versions(pegboard_app: Callable[..., App]) -> None:
    async with pegboard_app(plugins=["files", "storage", "storage_local"]) as app:

        @app.export(mod_name="Notes")
        async def note(text: str) -> str:
            handler = FileHandlerV2("a.data", name="Notes", backend="versioned:local")
            await handler.update(text=text).asave()
            return str((await handler.aload()).to_dict()["text"])

        for text in ("one", "two", "three"):
            assert (await app.call("Notes.note", text)).get() == text
        store = app.hooks.first("persist_file", app=app, file=None, backend="versioned:local")
        assert isinstance(store, VersionedStore)
        (key,) = every_key(store)
        kept = [store.read_version(key, each.version) for each in store.versions(key)]
        assert [text in content for text, content in zip((b"one", b"two"), kept, strict=True)]
        assert app.hooks.first("persist_file", app=app, file=None, backend="versioned:none") is None
