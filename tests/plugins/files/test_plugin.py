"""The plugin in an app."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pegboard import App
from pegboard.testing.plugin_suite import PluginSuite
from pegboard_files import AdvancedFileHandler, PathError


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
