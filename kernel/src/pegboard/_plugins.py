"""Plugins of one app: ordered by what they require, activated, contained, taken away again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pluggy

from pegboard._catalogue import KNOWN_OPTIONS, OFFICIAL_PLUGINS, missing_plugin
from pegboard._config import did_you_mean
from pegboard._discovery import PluginCandidate, find_plugins, in_process_plugin
from pegboard._export import ExportOptions
from pegboard._registry import Generation
from pegboard._scope import Scope, registering
from pegboard.errors import ConfigError, PegboardError, PluginError
from pegboard.hookspecs import API_VERSION, Hooks

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._config import Config, Selection
    from pegboard._edition import Edition, Library
    from pegboard._offers import Offer

__all__ = [
    "HookCaller",
    "PluginHost",
    "PluginStage",
    "PluginStatus",
    "PluginView",
    "current_stage",
    "in_order",
    "incompatibility",
]

_logger = logging.getLogger("pegboard.plugins")

State = Literal["active", "off", "failed", "incompatible"]


class PluginStatus(msgspec.Struct, kw_only=True):
    """What became of one plugin.

    Attributes:
        candidate: What was found.
        state: Whether it serves, is off, has failed or is for other hooks.
        reason: Why it does not serve.
        rejected: Why the newest version of its code does not serve, and the one before does.
    """

    candidate: PluginCandidate
    state: State
    reason: str = ""
    rejected: str = ""


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


class HookCaller:
    """Asks plugins, one after the other, and contains those that raise."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("pegboard")
        self.manager.add_hookspecs(Hooks)
        self._order: list[str] = []

    def add(self, name: str, plugin: object) -> None:
        """Take the hook implementations of a plugin.

        Raises:
            PluginError: If one does not fit its declaration.
        """
        try:
            self.manager.register(plugin, name)
            self.manager.check_pending()
            _refuse_wrappers(self.manager, plugin)
        except (pluggy.PluginValidationError, ValueError) as error:
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)
            msg = f"plugin {name}: {error}"
            raise PluginError(msg) from error
        self._order.append(name)

    def remove(self, name: str) -> None:
        """Forget a plugin."""
        self.manager.unregister(name=name)
        self._order.remove(name)

    def holds(self, name: str, plugin: object) -> bool:
        """Whether it is this plugin that has a name."""
        return self.manager.get_plugin(name) is plugin

    def implementations(self, hook: str) -> list[Any]:
        """Return the implementations of a hook in the order in which they are asked."""
        return sorted(getattr(self.manager.hook, hook).get_hookimpls(), key=self._rank)

    def all(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        """Ask everyone; return the plugin's name and answer for each answer that is not None."""
        return list(self._answers(hook, arguments))

    def first(self, hook: str, **arguments: Any) -> Any:
        """Ask until somebody answers.

        Raises:
            PluginError: If one raises: that is a refusal, and nobody else is asked.
        """
        return next(self.each(hook, **arguments), None)

    def each(self, hook: str, **arguments: Any) -> Iterator[Any]:
        """Ask everyone; the first one that raises is the last one asked.

        Raises:
            PluginError: If one raises anything but a `PegboardError`, naming the plugin.
        """
        for implementation in self.implementations(hook):
            try:
                answer = _invoke(implementation, arguments)
            except PegboardError:
                raise
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
                msg = f"plugin {implementation.plugin_name} failed in hook {hook}: {text}"
                raise PluginError(msg) from error
            if answer is not None:
                yield answer

    def call(self, name: str, hook: str, **arguments: Any) -> Any:
        """Ask one plugin; what it raises is not contained."""
        for each in self.implementations(hook):
            if each.plugin_name == name:
                return _invoke(each, arguments)
        return None

    def _answers(self, hook: str, arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for each in self.implementations(hook):
            try:
                answer = _invoke(each, arguments)
            except (Exception, SystemExit):
                _logger.exception("plugin %s failed in hook %s", each.plugin_name, hook)
                continue
            if answer is not None:
                yield each.plugin_name, answer

    def _rank(self, implementation: Any) -> tuple[int, int]:
        urgency = -1 if implementation.tryfirst else 1 if implementation.trylast else 0
        return urgency, self._order.index(implementation.plugin_name)


class PluginStage:
    """Plugins that are activated while others serve, and what they offer, as nobody sees it yet.

    Attributes:
        going: Names of the plugins whose place they take, or that go.
        active: The plugins, by name.
        services: What they provide, by kind.
        attributes: What they extend the app with, by name.
    """

    def __init__(self, app: App, going: Iterable[str] = ()) -> None:
        self.going = set(going)
        self.active: dict[str, ActivePlugin] = {}
        self.services: dict[Any, Offer] = {}
        self.attributes: dict[Any, Offer] = {}
        self._app: App | None = app

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let what is registered in the block, and in the tasks that it starts, be staged."""
        token = _stage.set(self)
        try:
            yield
        finally:
            _stage.reset(token)

    def is_of(self, app: App) -> bool:
        """Whether it is open, and of this app."""
        return self._app is app

    def close(self) -> None:
        """End the staging: tasks that began in it see the app as everyone does."""
        self._app = None

    async def aclose(self) -> None:
        """Deactivate the plugins again."""
        for active in reversed(list(self.active.values())):
            await active.generation.scope.aclose()
        self.close()
        self.clear()

    def clear(self) -> None:
        """Lead to nothing any more: who began in it may remember it for long."""
        self.active.clear()
        self.services.clear()
        self.attributes.clear()


_stage: ContextVar[PluginStage] = ContextVar("pegboard_stage")


def current_stage(app: App) -> PluginStage | None:
    """Return the stage of the plugin that is being activated, if it is one of a reload."""
    stage = _stage.get(None)
    return stage if stage is not None and stage.is_of(app) else None


class PluginView:
    """The plugins that wrap exports: those that are active, or soon will be.

    Attributes:
        hooks: Asks them.
        active: The plugins, by name.
    """

    def __init__(
        self,
        hooks: HookCaller,
        active: Mapping[str, ActivePlugin],
        status: Mapping[str, PluginStatus],
    ) -> None:
        self.hooks = hooks
        self.active = active
        self._status = status

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
        status = self._status.get(name)
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


class PluginHost:
    """Activates and deactivates the plugins of one app.

    Attributes:
        hooks: Asks them.
        active: Those that serve, by name, in the order of their activation.
        status: What became of each that was found, by name.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.hooks = HookCaller()
        self.active: dict[str, ActivePlugin] = {}
        self.status: dict[str, PluginStatus] = {}

    def choose(
        self, requested: Sequence[str | object] | None, selection: Selection, config: Config
    ) -> list[PluginCandidate]:
        """Return what to activate, in order, and note why the others are not.

        Raises:
            MissingPluginError: If a plugin that was asked for by name is not installed.
            PluginError: If one that was asked for is unknown, denied, incompatible or lacks a
                requirement.
        """
        found, wanted = self._candidates(requested)
        config.check_plugins([*found, *wanted])
        taken = []
        for candidate in wanted.values():
            reason = selection.why_not(candidate.name)
            state: State = "off"
            if reason is None and (reason := incompatibility(candidate)):
                state = "incompatible"
            if reason is None:
                taken.append(candidate)
            else:
                self._leave_out(candidate, state, reason, is_fatal=requested is not None)
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
        self.status[candidate.name] = PluginStatus(candidate=candidate, state=state, reason=reason)
        if is_fatal:
            msg = f"plugin {candidate.name} cannot be used: {reason}"
            raise PluginError(msg)
        if state != "off":
            _logger.error("plugin %s is left out: %s", candidate.name, reason)

    async def activate(self, candidate: PluginCandidate, *, is_fatal: bool) -> None:
        """Import a plugin, read its settings and enter its lifespan.

        A failure is undone, noted and, unless it is fatal, contained.

        Raises:
            PluginError: If the plugin fails and `is_fatal` is set.
        """
        scope = Scope(f"plugin {candidate.name}", self._app.tasks)
        try:
            await self._activate(candidate, scope)
        except (Exception, SystemExit) as error:
            self.active.pop(candidate.name, None)
            await scope.aclose()
            reason = f"{type(error).__name__}: {error}"
            status = PluginStatus(candidate=candidate, state="failed", reason=reason)
            self.status[candidate.name] = status
            if is_fatal:
                msg = f"plugin {candidate.name} failed: {reason}"
                raise PluginError(msg) from error
            is_told = isinstance(error, (ConfigError, PluginError)) or self._app.brief
            cause = None if is_told else error  # what a sentence says needs no traceback
            _logger.error(  # noqa: TRY400 - hence not always
                "plugin %s failed and is left out: %s", candidate.name, reason, exc_info=cause
            )

    async def _activate(self, candidate: PluginCandidate, scope: Scope) -> None:
        name, app = candidate.name, self._app
        for need in candidate.manifest.requires if candidate.manifest else ():
            if not self._has(need):
                msg = f"it requires {need}, which is not active"
                raise PluginError(msg)
        plugin, edition = load_plugin(candidate, app.library)
        self.hooks.add(name, plugin)
        scope.defer("hooks", lambda: self._forget(name, plugin))
        active = self._made(candidate, plugin, self.hooks, self._generation(name, scope, edition))
        self._check_options(active, self.active)
        self.active[name] = active
        scope.defer("activation", lambda: self._forget(name, plugin))
        await self._enter(active, self.hooks)
        self.status[name] = PluginStatus(candidate=candidate, state="active")

    def _generation(self, name: str, scope: Scope, edition: Edition | None) -> Generation:
        before = self.active.get(name)
        number = 1 if before is None else before.generation.number + 1
        return Generation(name, number, scope, edition)

    def _made(
        self, candidate: PluginCandidate, plugin: Any, hooks: HookCaller, generation: Generation
    ) -> ActivePlugin:
        """Ask a plugin for its settings and options."""
        name = candidate.name
        schema = hooks.call(name, "config_schema")
        return ActivePlugin(
            candidate=candidate,
            plugin=plugin,
            generation=generation,
            settings=self._app.config.section(f"plugins.{name}", schema) if schema else None,
            options=hooks.call(name, "export_options"),
        )

    async def _enter(self, active: ActivePlugin, hooks: HookCaller) -> None:
        scope = active.generation.scope
        with registering(scope):
            lifespan = hooks.call(active.candidate.name, "lifespan", app=self._app)
            if lifespan is not None:
                await scope.enter("lifespan", lifespan)

    def _forget(self, name: str, plugin: Any) -> None:
        """Take a plugin out, unless another generation of it has taken its place."""
        if self.hooks.holds(name, plugin):
            self.hooks.remove(name)
        if name in self.active and self.active[name].plugin is plugin:
            del self.active[name]

    # -- for reloads -----------------------------------------------------------------------

    async def activate_staged(
        self, stage: PluginStage, candidate: PluginCandidate, plugin: Any, edition: Edition | None
    ) -> None:
        """Activate a plugin while others serve; it is seen by nobody but those of its stage.

        Raises:
            Exception: Whatever is wrong with it.
        """
        name = candidate.name
        hooks = HookCaller()
        hooks.add(name, plugin)
        scope = Scope(f"plugin {name}", self._app.tasks)
        generation = self._generation(name, scope, edition)
        with nullcontext() if edition is None else self._app.library.shown(edition):
            active = self._made(candidate, plugin, hooks, generation)
        others = {key: each for key, each in self.active.items() if key not in stage.going}
        self._check_options(active, {**others, **stage.active})
        stage.active[name] = active
        await self._enter(active, hooks)
        scope.defer("activation", lambda: self._forget(name, plugin))

    def staged_view(self, stage: PluginStage) -> PluginView:
        """Return the plugins as they are once a stage is committed."""
        active = {
            name: stage.active.get(name, each)
            for name, each in self.active.items()
            if name not in stage.going or name in stage.active
        }
        active |= {name: each for name, each in stage.active.items() if name not in active}
        ordered, _ = in_order(each.candidate for each in active.values())
        hooks = HookCaller()
        for candidate in ordered:
            hooks.add(candidate.name, active[candidate.name].plugin)
        return PluginView(hooks, {each.name: active[each.name] for each in ordered}, self.status)

    def commit(self, stage: PluginStage, view: PluginView | None) -> None:
        """Let the plugins of a stage serve."""
        view = view or self.staged_view(stage)
        self.hooks = view.hooks
        self.active.clear()
        self.active.update(view.active)
        for name in stage.going - stage.active.keys():
            if self.status[name].state == "active":  # nobody has said why it goes
                del self.status[name]
        for name, each in stage.active.items():
            self.status[name] = PluginStatus(candidate=each.candidate, state="active")
        self._app.offers.commit(stage)
        stage.close()

    def note_rejected(self, candidate: PluginCandidate, reason: str) -> bool:
        """Note that the newest code of a plugin does not serve; whether that is news."""
        status = self.status.get(candidate.name)
        if candidate.name in self.active and status is not None:
            is_news, status.rejected = status.rejected != reason, reason
            return is_news
        self.status[candidate.name] = PluginStatus(
            candidate=candidate, state="failed", reason=reason
        )
        return status is None or status.reason != reason

    def _has(self, need: str) -> bool:
        return any(need in _given(each.candidate) for each in self.active.values())

    @staticmethod
    def _check_options(active: ActivePlugin, others: Mapping[str, ActivePlugin]) -> None:
        name, options = active.candidate.name, active.options
        for other in others.values():
            if options is None or other.options is None:
                continue
            both = set(options.__struct_fields__) & set(other.options.__struct_fields__)
            if both:
                msg = f"{name} and {other.candidate.name} both declare @export({', '.join(both)}=)"
                raise PluginError(msg)

    async def deactivate_all(self) -> None:
        """Take all plugins away, those that others require last."""
        for active in reversed(list(self.active.values())):
            await active.generation.scope.aclose()
            self._forget(active.candidate.name, active.plugin)
            name = active.candidate.name
            self.status[name] = PluginStatus(
                candidate=active.candidate, state="off", reason="the app has stopped"
            )

    def units(self) -> dict[str, str]:
        """Return the packages that the active plugins are, each with the plugin's name."""
        found = {each.candidate.unit: name for name, each in self.active.items()}
        found.pop("", None)
        return found

    def view(self) -> PluginView:
        """Return the plugins as they are now."""
        return PluginView(self.hooks, dict(self.active), self.status)


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


def in_order(
    candidates: Iterable[PluginCandidate],
) -> tuple[list[PluginCandidate], list[tuple[PluginCandidate, str]]]:
    """Sort plugins so that what is required comes first; equals are in order of their names.

    Returns:
        The order, and those refused with the reason: a missing requirement or a circle.
    """
    remaining = {each.name: each for each in sorted(candidates, key=lambda each: each.name)}
    refused: list[tuple[PluginCandidate, str]] = []
    while True:
        givers = _givers(remaining.values())
        missing = _missing(remaining.values(), givers)
        if missing is None:
            graph = {name: _needs(each, givers) for name, each in remaining.items()}
            try:
                order = list(TopologicalSorter(graph).static_order())
            except CycleError as error:
                circle = error.args[1]
                reason = f"circle of requirements: {' -> '.join(reversed(circle))}"
                refused.extend((remaining.pop(name), reason) for name in set(circle))
                continue
            return [remaining[name] for name in order], refused
        candidate, reason = missing
        refused.append((remaining.pop(candidate.name), reason))


def _givers(candidates: Iterable[PluginCandidate]) -> dict[str, list[str]]:
    givers: dict[str, list[str]] = {}
    for each in candidates:
        for capability in _given(each):
            givers.setdefault(capability, []).append(each.name)
    return givers


def _given(candidate: PluginCandidate) -> tuple[str, ...]:
    return (candidate.name, *(candidate.manifest.provides if candidate.manifest else ()))


def _missing(
    candidates: Iterable[PluginCandidate], givers: Mapping[str, Any]
) -> tuple[PluginCandidate, str] | None:
    for each in candidates:
        for need in each.manifest.requires if each.manifest else ():
            if need not in givers:
                return each, f"it requires {need}; {missing_plugin(need, need)}"
    return None


def _needs(candidate: PluginCandidate, givers: Mapping[str, list[str]]) -> list[str]:
    manifest = candidate.manifest
    if manifest is None:
        return []
    wanted = (*manifest.requires, *manifest.after)
    return [name for need in wanted for name in givers.get(need, ()) if name != candidate.name]


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
        msg = f"@export: {error}"
        raise ConfigError(msg) from error


def _invoke(implementation: Any, arguments: Mapping[str, Any]) -> Any:
    return implementation.function(*(arguments[name] for name in implementation.argnames))


def _refuse_wrappers(manager: pluggy.PluginManager, plugin: object) -> None:
    for caller in manager.get_hookcallers(plugin) or ():
        for each in caller.get_hookimpls():
            if each.plugin is plugin and (each.wrapper or each.hookwrapper):
                raise ValueError(f"hook {caller.name}: an implementation cannot be a wrapper")
