"""What every plugin has to do: subclass `PluginSuite` and name yours.

```python
class TestMyPlugin(PluginSuite):
    plugin = "my_plugin"
```
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import anyio
import msgspec
import pytest

from pegboard._app import App
from pegboard._discovery import PluginCandidate, find_plugins, in_process_plugin
from pegboard._hooks import HookCaller
from pegboard.contracts.asgi import Router
from pegboard.hookspecs import API_VERSION
from pegboard.testing.harness import watched

__all__ = ["PluginSuite"]


class PluginSuite:
    """The tests of one plugin.

    Attributes:
        plugin: Name of the installed plugin, or the plugin object.
        others: Plugins that it requires.
        config: Settings that it cannot do without.
    """

    plugin: ClassVar[str | object]
    others: ClassVar[Sequence[str | object]] = ()
    config: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def candidate(self) -> PluginCandidate:
        """Return what discovery knows of the plugin, which it has not imported."""
        if not isinstance(self.plugin, str):
            return in_process_plugin(self.plugin)
        found = {each.name: each for each in find_plugins()}
        assert self.plugin in found, f"no entry point {self.plugin!r} in group pegboard.plugins"
        return found[self.plugin]

    def test_its_manifest_can_be_read_and_fits_this_kernel(
        self, candidate: PluginCandidate
    ) -> None:
        """`plugin.toml` stands beside the code, with the version of the hooks and a summary."""
        assert candidate.manifest is not None, candidate.problem
        assert candidate.manifest.api == API_VERSION
        assert candidate.manifest.summary or candidate.target is self.plugin

    def test_its_hooks_fit_their_declarations(self, candidate: PluginCandidate) -> None:
        """Each implementation has a declaration, and takes no argument that is not declared."""
        hooks = HookCaller()
        plugin = candidate.load()
        hooks.add(candidate.name, plugin)
        assert hooks.manager.get_hookcallers(plugin), "it implements no hook"

    def test_it_is_an_object_and_no_module(self, candidate: PluginCandidate) -> None:
        """A module would be kept alive, with all that it imports, by whoever holds the hooks."""
        assert not hasattr(candidate.load(), "__file__")

    def test_each_setting_has_a_default_and_a_line_of_help(
        self, candidate: PluginCandidate
    ) -> None:
        """An app without any configuration works, and each setting can be looked up."""
        schema = _hook(candidate, "config_schema")
        if schema is not None:
            _check_struct(schema)

    def test_each_export_option_has_a_default_and_a_line_of_help(
        self, candidate: PluginCandidate
    ) -> None:
        """Exports that do not use the plugin's keywords are not bothered by them."""
        options = _hook(candidate, "export_options")
        if options is not None:
            _check_struct(options)

    def test_its_commands_are_those_that_its_manifest_names(
        self, candidate: PluginCandidate
    ) -> None:
        """The command line imports a plugin only when a command that it names is asked for."""
        commands = _hook(candidate, "cli_commands") or ()
        named = candidate.manifest.commands if candidate.manifest else ()
        assert sorted(str(each.name) for each in commands) == sorted(named)
        assert all(each.get_short_help_str() for each in commands), "a command has no help"

    @pytest.mark.anyio
    async def test_what_it_shows_of_itself_is_well_formed(
        self, candidate: PluginCandidate, tmp_path: Path
    ) -> None:
        """Health checks have names of their own; pages have a title and a path on this server."""
        async with watched(self._app(tmp_path)) as app:
            for _ in range(2):  # they are asked again and again
                checks = app.hooks.call(candidate.name, "health", app=app) or ()
                names = [check.name for check in checks]
                assert all(names), "a health check has no name"
                assert len(set(names)) == len(names), "two health checks have one name"
                for page in app.hooks.call(candidate.name, "pages", app=app) or ():
                    assert page.title, f"the page {page.path} has no title"
                    assert re.match(r"/(?!/)", page.path), f"{page.path} is no path on this server"

    @pytest.mark.anyio
    async def test_its_routes_can_be_served(
        self, candidate: PluginCandidate, tmp_path: Path
    ) -> None:
        """Each is for one first segment, and no two of it are for the same."""
        async with watched(self._app(tmp_path)) as app:
            Router(app.hooks.call(candidate.name, "asgi_routes", app=app) or ())

    @pytest.mark.anyio
    async def test_it_activates_and_deactivates_twice_and_leaves_nothing(
        self, candidate: PluginCandidate, tmp_path: Path
    ) -> None:
        """No task, hook, route or service of it is left once the app has stopped."""
        app = self._app(tmp_path)
        subscribers = len(app.registry._subscribers)  # noqa: SLF001 - what must not leak
        for _ in range(2):
            async with watched(app):
                assert candidate.name in app.plugins.active
                assert app.plugins.status[candidate.name].state == "active"
            assert not app.plugins.active
            assert not app.hooks.manager.get_plugins()
            assert not app.offers.table, "it provides services after the end"
            assert len(app.registry._subscribers) == subscribers, "it is still subscribed"  # noqa: SLF001 - the same
            assert not app.registry.table

    @pytest.mark.anyio
    async def test_two_apps_have_it_at_once(self, tmp_path: Path) -> None:
        """Its state belongs to an app: one that stops takes nothing from the other."""
        async with watched(self._app(tmp_path / "first")) as first:
            async with watched(self._app(tmp_path / "second")):
                pass
            assert not [each for each in first.plugins.status.values() if each.state != "active"]

    @pytest.mark.anyio
    async def test_it_is_deactivated_when_the_app_is_cancelled(self, tmp_path: Path) -> None:
        """A cancelled app stops in order; the plugin does not hold it up."""
        app = self._app(tmp_path)
        with anyio.CancelScope() as scope:
            async with app:
                scope.cancel()
                await anyio.sleep_forever()
        assert not app.plugins.active

    def _app(self, project: Path) -> App:
        project.mkdir(exist_ok=True)
        plugins = [*self.others, self.plugin]
        return App("test", project=project, plugins=plugins, mods=[], config=self.config)


def _hook(candidate: PluginCandidate, name: str) -> Any:
    hooks = HookCaller()
    hooks.add(candidate.name, candidate.load())
    return hooks.call(candidate.name, name)


def _check_struct(kind: type[msgspec.Struct]) -> None:
    described = set(re.findall(r"^\s*(\w+): \S", kind.__doc__ or "", flags=re.MULTILINE))
    for field in msgspec.structs.fields(kind):
        assert not field.required, f"{kind.__name__}.{field.name} has no default"
        assert field.name in described, (
            f"the docstring of {kind.__name__} does not tell {field.name}"
        )
    assert kind.__struct_config__.frozen, f"{kind.__name__} can be changed"
