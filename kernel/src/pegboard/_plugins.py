"""Plugins of one app: ordered by what they require, activated, contained, taken away again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import msgspec

from pegboard._catalogue import KNOWN_OPTIONS, OFFICIAL_PLUGINS, missing_plugin
from pegboard._config import did_you_mean
from pegboard._discovery import PluginCandidate, find_plugins, in_process_plugin
from pegboard._export import ExportOptions
from pegboard._hooks import HookCaller
from pegboard._offers import PluginStage, current_stage
from pegboard._plugin_order import given, in_order, required
from pegboard._registry import Generation
from pegboard._scope import Scope, registering
from pegboard._status import PluginStatus, State, Statuses
from pegboard.errors import ConfigError, PegboardError, PluginError
from pegboard.hookspecs import API_VERSION

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._config import Config, Selection
    from pegboard._edition import Edition
    from pegboard._library import Library

__all__ = [
    "ActivePlugin",
    "PluginHost",
    "PluginStage",
    "PluginStatus",
    "PluginView",
    "in_order",
    "incompatibility",
    "why_not",
]

_logger = logging.getLogger("pegboard.plugins")


class ActivePlugin(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A plugin that serves.

    Attributes:
        candidate: What it was made from.
        plugin: The plugin object.
        generation: Everything that it has registered.
        settings: Its section of the configuration.
        options: Struct of the `@export` keywords that it understands.
    """

    candidate: PluginCandidate
    plugin: Any
    generation: Generation
    settings: msgspec.Struct | None
    options: type[msgspec.Struct] | None


class PluginView:
    """The plugins that wrap exports: those that are active, or soon will be.

    Attributes:
        hooks: Asks them.
        active: The plugins, by name.
        status: What became of each that was found, by name.
    """

    def __init__(
        self, hooks: HookCaller, active: dict[str, ActivePlugin], status: Statuses[PluginCandidate]
    ) -> None:
        self.hooks = hooks
        self.active = active
        self.status = status

    def options(self, keywords: Mapping[str, Any]) -> dict[type[msgspec.Struct], msgspec.Struct]:
        """Read the `@export` keywords that are for plugins.

        Raises:
            ConfigError: If nobody understands a keyword, or its value has the wrong type.
        """
        rest = dict(keywords)
        found: dict[type[msgspec.Struct], msgspec.Struct] = {}
        for active in self.active.values():
            if active.options is None:
                continue
            own = {key: rest.pop(key) for key in active.options.__struct_fields__ if key in rest}
            if own:
                found[active.options] = _converted(own, active.options)
        for key, value in rest.items():
            if value or key not in KNOWN_OPTIONS:
                raise self._unknown_option(key)
        return found

    def _unknown_option(self, key: str) -> PegboardError:
        """Return the error that says what to do about an `@export` keyword nobody understands."""
        name = KNOWN_OPTIONS.get(key)
        if name is None:
            return ConfigError(
                f"@export does not know the keyword {key!r}, and no active plugin declares it"
                f"{did_you_mean(key, self._known_keywords())}"
            )
        status = self.status.get(name)
        if status is None:
            return missing_plugin(f"@export({key}=...)", name)
        return PluginError(
            f"@export({key}=...) needs plugin {name}, which is {status.state}: {status.reason}"
        )

    def _known_keywords(self) -> set[str]:
        known = {*ExportOptions.__struct_fields__, *KNOWN_OPTIONS}
        for active in self.active.values():
            known.update(active.options.__struct_fields__ if active.options else ())
        return known


class PluginHost(PluginView):
    """Activates and deactivates the plugins of one app."""

    def __init__(self, app: App) -> None:
        super().__init__(HookCaller(), {}, Statuses())
        self._app = app

    def choose(
        self, requested: Sequence[str | object] | None, config: Config
    ) -> list[PluginCandidate]:
        """Return what to activate, in order, and note why the others are not.

        Raises:
            MissingPluginError: If a plugin that was asked for by name is not installed.
            PluginError: If one that was asked for is unknown, denied, incompatible or lacks a
                requirement.
        """
        selection = config.selection("plugins")
        found, wanted = self._candidates(requested)
        config.check_plugins([*found, *wanted])
        taken = []
        for candidate in wanted.values():
            refusal = why_not(candidate, selection)
            if refusal is None:
                taken.append(candidate)
            else:
                self._leave_out(candidate, *refusal, is_fatal=requested is not None)
        ordered, refused = in_order(taken)
        for candidate, reason in refused:
            self._leave_out(candidate, "failed", reason, is_fatal=requested is not None)
        return ordered

    def _candidates(
        self, requested: Sequence[str | object] | None
    ) -> tuple[dict[str, PluginCandidate], dict[str, PluginCandidate]]:
        """Return what is installed, if that matters, and what is wanted of it."""
        needs_scan = requested is None or any(isinstance(each, str) for each in requested)
        found = {each.name: each for each in find_plugins()} if needs_scan else {}
        if requested is None:
            return found, found
        wanted: dict[str, PluginCandidate] = {}
        for each in requested:
            if not isinstance(each, str):
                candidate = in_process_plugin(each)
            elif each in found:
                candidate = found[each]
            else:
                raise _not_installed(each, found)
            if candidate.name in wanted:
                raise ConfigError(f"plugin {candidate.name!r} is asked for twice: name each apart")
            wanted[candidate.name] = candidate
        return found, wanted

    def _leave_out(
        self, candidate: PluginCandidate, state: State, reason: str, *, is_fatal: bool
    ) -> None:
        self.status.note(candidate, state, reason)
        if is_fatal:
            raise PluginError(f"plugin {candidate.name} cannot be used: {reason}")
        if state != "off":
            _logger.error("plugin %s is left out: %s", candidate.name, reason)

    def find(self, name: str, what: str) -> ActivePlugin:
        """Return an active plugin, for one that is being activated in a reload also of that.

        Args:
            name: Its name.
            what: What of it is wanted, for the message.

        Raises:
            MissingPluginError: If it is not active.
        """
        stage = current_stage(self._app)
        active = None if stage is None else stage.active.get(name)
        active = active or self.active.get(name)
        if active is None:
            raise missing_plugin(f"{what} {name}", name)
        return active

    async def activate(self, candidate: PluginCandidate, *, is_fatal: bool) -> None:
        """Import a plugin, read its settings and enter its lifespan.

        A failure is undone, noted and, unless it is fatal, contained.

        Raises:
            PluginError: If the plugin fails and `is_fatal` is set.
        """
        name = candidate.name
        try:
            await self._activate(candidate)
        except (Exception, SystemExit) as error:
            failed = self.active.pop(name, None)
            if failed is not None:
                await failed.generation.scope.aclose()
            self.hooks.remove(name)
            reason = f"{type(error).__name__}: {error}"
            self.status.note(candidate, "failed", reason)
            if is_fatal:
                raise PluginError(f"plugin {name} failed: {reason}") from error
            is_told = isinstance(error, (ConfigError, PluginError)) or self._app.brief
            cause = None if is_told else error  # what a sentence says needs no traceback
            _logger.error(  # noqa: TRY400 - hence not always
                "plugin %s failed and is left out: %s", name, reason, exc_info=cause
            )
        else:
            self.status.note(candidate)

    async def _activate(self, candidate: PluginCandidate) -> None:
        for need in required(candidate):
            if not any(need in given(each.candidate) for each in self.active.values()):
                raise PluginError(f"it requires {need}, which is not active")
        plugin, edition = load_plugin(candidate, self._app.library)
        self.hooks.add(candidate.name, plugin)
        active = self._made(candidate, plugin, edition, self.hooks)
        await self._enter(active, self.hooks, self.active, self.active)

    def _made(
        self, candidate: PluginCandidate, plugin: Any, edition: Edition | None, hooks: HookCaller
    ) -> ActivePlugin:
        """Ask a plugin for its settings and options."""
        name, before = candidate.name, self.active.get(candidate.name)
        number = 1 if before is None else before.generation.number + 1
        schema = hooks.call(name, "config_schema")
        return ActivePlugin(
            candidate=candidate,
            plugin=plugin,
            generation=Generation(name, number, Scope(f"plugin {name}", self._app.tasks), edition),
            settings=self._app.config.section(f"plugins.{name}", schema) if schema else None,
            options=hooks.call(name, "export_options"),
        )

    async def _enter(
        self,
        active: ActivePlugin,
        hooks: HookCaller,
        home: dict[str, ActivePlugin],
        others: Mapping[str, ActivePlugin],
    ) -> None:
        """Put a plugin among those in `home`, and enter its lifespan."""
        name, scope = active.candidate.name, active.generation.scope
        _check_options(active, others)
        home[name] = active
        with registering(scope):
            lifespan = hooks.call(name, "lifespan", app=self._app)
            if lifespan is not None:
                await scope.enter("lifespan", lifespan)

    # -- for reloads -----------------------------------------------------------------------

    async def activate_staged(
        self, stage: PluginStage, candidate: PluginCandidate, plugin: Any, edition: Edition | None
    ) -> None:
        """Activate a plugin while others serve; it is seen by nobody but those of its stage.

        Raises:
            Exception: Whatever is wrong with it.
        """
        hooks = HookCaller()
        hooks.add(candidate.name, plugin)
        with nullcontext() if edition is None else self._app.library.shown(edition):
            active = self._made(candidate, plugin, edition, hooks)
        await self._enter(active, hooks, stage.active, self._beside(stage))

    def _beside(self, stage: PluginStage) -> dict[str, ActivePlugin]:
        """Return the plugins as they are with those of a stage, in no certain order."""
        staying = {name: each for name, each in self.active.items() if name not in stage.going}
        return staying | stage.active

    def staged_view(self, stage: PluginStage) -> PluginView:
        """Return the plugins as they are once a stage is committed."""
        active = self._beside(stage)
        ordered, _ = in_order(each.candidate for each in active.values())
        hooks = HookCaller()
        for candidate in ordered:
            hooks.add(candidate.name, active[candidate.name].plugin)
        return PluginView(hooks, {each.name: active[each.name] for each in ordered}, self.status)

    def commit(self, stage: PluginStage, view: PluginView | None) -> None:
        """Let the plugins of a stage serve."""
        view = view or self.staged_view(stage)
        self.hooks, self.active = view.hooks, view.active
        for name in stage.going - stage.active.keys():
            if self.status[name].state == "active":  # nobody has said why it goes
                del self.status[name]
        for each in stage.active.values():
            self.status.note(each.candidate)
        self._app.offers.commit(stage)
        stage.close()

    def note_rejected(self, candidate: PluginCandidate, reason: str) -> bool:
        """Note that the newest code of a plugin does not serve; whether that is news."""
        name = candidate.name
        return self.status.note_rejected(name, candidate, reason, is_serving=name in self.active)

    async def deactivate_all(self) -> None:
        """Take all plugins away, those that others require last."""
        for name, active in reversed(list(self.active.items())):
            await active.generation.scope.aclose()
            self.hooks.remove(name)
            del self.active[name]
            self.status.note(active.candidate, "off", "the app has stopped")

    def units(self) -> dict[str, str]:
        """Return the packages that the active plugins are, each with the plugin's name."""
        found = {each.candidate.unit: name for name, each in self.active.items()}
        found.pop("", None)
        return found


def _check_options(active: ActivePlugin, others: Mapping[str, ActivePlugin]) -> None:
    name, options = active.candidate.name, active.options
    for other in others.values():
        if options is None or other.options is None:
            continue
        both = set(options.__struct_fields__) & set(other.options.__struct_fields__)
        if both:
            raise PluginError(
                f"{name} and {other.candidate.name} both declare @export({', '.join(both)}=)"
            )


def load_plugin(candidate: PluginCandidate, library: Library) -> tuple[Any, Edition | None]:
    """Import the object of a plugin; return it with the modules that it is made of.

    Raises:
        PluginError: If there is no such object.
        Exception: Whatever the import raises.
    """
    plugin = candidate.load()
    if not isinstance(candidate.target, str):
        return plugin, None
    library.register(candidate.unit)
    return plugin, library.editions.get(candidate.unit) or library.adopt(candidate.unit)


def why_not(candidate: PluginCandidate, selection: Selection) -> tuple[State, str] | None:
    """Return what keeps a plugin from being used, and why; None if nothing does."""
    if reason := selection.why_not(candidate.name):
        return "off", reason
    if reason := incompatibility(candidate):
        return "incompatible", reason
    return None


def incompatibility(candidate: PluginCandidate) -> str | None:
    """Return why a plugin cannot be used with this kernel, None if it can."""
    if candidate.manifest is None:
        return candidate.problem
    if candidate.manifest.api != API_VERSION:
        return (
            f"it is for API {candidate.manifest.api} and this kernel has API {API_VERSION}: "
            f"install a fitting version of {candidate.distribution or candidate.name}"
        )
    return None


def _not_installed(name: str, installed: Iterable[str]) -> PluginError:
    if name in OFFICIAL_PLUGINS:
        return missing_plugin(f"plugin {name!r}", name)
    names = ", ".join(sorted(installed)) or "none"
    return PluginError(f"there is no plugin {name!r}; installed: {names}")


def _converted(values: dict[str, Any], kind: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"@export: {error}") from error
