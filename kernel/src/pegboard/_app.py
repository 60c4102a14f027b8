"""The app: assembles plugins, mods and registry; starts, stops, calls."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import anyio

from pegboard._access import Access
from pegboard._asgi import AsgiApp
from pegboard._background import BackgroundTasks
from pegboard._blocking import BlockingRunner
from pegboard._catalogue import KNOWN_ATTRIBUTES, distribution_of, missing_plugin
from pegboard._config import AccessSettings, AppSettings, Config, did_you_mean, load_config
from pegboard._context import CallContext, call_context
from pegboard._edition import Library
from pegboard._export import Exporter
from pegboard._hooks import invoke
from pegboard._mods import ModHost
from pegboard._offers import Offers, current_stage
from pegboard._plugins import PluginHost
from pegboard._reference import get_app
from pegboard._registry import Registry, Slot
from pegboard._reload import Reloader
from pegboard._request import RequestData
from pegboard._result import Result
from pegboard._routes import joined
from pegboard.contracts.asgi import Router
from pegboard.errors import (
    ConfigError,
    ExportError,
    MissingPluginError,
    NotFoundError,
    PegboardError,
)

if TYPE_CHECKING:
    import msgspec
    from anyio.abc import TaskGroup

    from pegboard._background import TaskWrapper
    from pegboard._hooks import HookCaller
    from pegboard._plugins import ActivePlugin
    from pegboard._registry import Generation
    from pegboard.contracts.asgi import Route

__all__ = ["App"]

P = TypeVar("P")

TASK_TIMEOUT = 10.0  # seconds that background tasks get to end when the app stops


class _AppType(type):
    """Lets `App.set_ctx`, asked of the class, be that of the app that runs."""

    if not TYPE_CHECKING:  # so that a type checker finds a misspelt attribute

        def __getattr__(cls, name: str) -> Any:
            if name in KNOWN_ATTRIBUTES:
                return getattr(get_app(), name)
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


class App(metaclass=_AppType):
    """One kernel instance. Several can live in one process.

    Args:
        name: What logs and pages call it.
        project: Folder with the manifest, the `mods` folder and the data; None for no project.
        plugins: Names of installed plugins, or plugin objects; None takes all that are installed.
        mods: Names, modules, or paths of files and packages; None takes all that are found.
        config: Nested settings that win over manifest and environment.
        dev: Whether clients see tracebacks; None leaves it to the settings.
        testing: Whether exports with `test_only` exist.

    Attributes:
        project: The project's folder.
        registry: The exports.
        plugins: The plugins.
        mods: The mods.
        reloader: Brings changes of both live.
        library: Their modules.
        config: The settings, from the start on.
        overrides: Nested settings of the caller, which win over all others.
        access: Says who asks from outside, and whether they may.
        started: Set once all mods are loaded: what works on its own account begins then.
        stopping: Set when a graceful stop begins: streams and sockets end.
        brief: Whether the app runs for one command only, so that nothing begins work beside it.
        jobs, cache, lock, set_ctx, get_ctx: What plugins of these names' capabilities give, see
            `extend`; without the plugin, asking for one says what to install.
        ws_send, ws_broadcast, ws_join, ws_leave, ws_close, ws_connections: The methods of
            `pegboard.contracts.channel.Channels`, given by the plugin that serves WebSockets.
    """

    jobs: Any
    cache: Any
    lock: Any
    set_ctx: Any
    get_ctx: Any
    ws_send: Callable[[str, Any], Awaitable[bool]]
    ws_broadcast: Callable[..., Awaitable[int]]
    ws_join: Callable[[str, str], Awaitable[bool]]
    ws_leave: Callable[[str, str], Awaitable[bool]]
    ws_close: Callable[..., Awaitable[bool]]
    ws_connections: Callable[..., list[str]]

    def __init__(
        self,
        name: str = "pegboard",
        *,
        project: str | Path | None = None,
        plugins: Sequence[str | object] | None = None,
        mods: Sequence[str | ModuleType | Path] | None = None,
        config: Mapping[str, Any] | None = None,
        dev: bool | None = None,
        testing: bool = False,
        brief: bool = False,
    ) -> None:
        self.name = name
        self.brief = brief
        self.overrides = config
        self.project = None if project is None else Path(project).resolve()
        self.testing = testing or "test" in re.split(r"[^a-z0-9]+", name.lower())
        self.registry = Registry()
        self.offers = Offers(self)
        self.library = Library()
        self.plugins = PluginHost(self)
        self.mods = ModHost(self)
        self.reloader = Reloader(self)
        self.export = Exporter(self.mods.declare)
        self.tb = self.export
        self.logger = logging.getLogger(f"pegboard.app.{name}")
        self.access = Access(self)
        self.router = Router()
        self.request_hooks: list[Any] = []
        self._requested = (plugins, mods, dev)
        self._configure(Config({}, {}))
        self._group: TaskGroup | None = None
        self._background = BackgroundTasks(self)
        self._counts: Counter[str] = Counter()
        self._states: dict[str, SimpleNamespace] = {}
        self._blocking = BlockingRunner(self)

    # -- starting and stopping -------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start: read the settings, activate plugins, load mods.

        Raises:
            ConfigError: If a setting is wrong.
            PegboardError: If a plugin or mod that was asked for by name fails. Those that were
                merely found are left out and noted in `plugins.status` and `mods.status`.
            RuntimeError: If the app runs already.
        """
        if self._group is not None:
            raise RuntimeError(f"app {self.name!r} runs already")
        self.started = anyio.Event()
        self.stopping = anyio.Event()
        self.reloader = Reloader(self)
        self._configure(load_config(self.project, overrides=self.overrides))
        self.token = anyio.lowlevel.current_token()
        group = self._group = anyio.create_task_group()
        await group.__aenter__()
        try:
            await self._start()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._stop()
            await self._leave(group)
            raise
        self.started.set()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop: let background tasks end, retire mods, deactivate plugins."""
        group = self.tasks
        self.stopping.set()
        with anyio.CancelScope(shield=True):
            await self._end_tasks()
            await self._stop()
        await self._leave(group)

    async def _end_tasks(self) -> None:
        if not await self._background.wait(TASK_TIMEOUT):
            self.logger.error("%d background tasks are cut off", self._background.running)

    async def _leave(self, group: TaskGroup) -> None:
        """End the task group; what the `async with` block raised is not wrapped in a group."""
        group.cancel_scope.cancel()
        try:
            await group.__aexit__(None, None, None)
        finally:
            self._group = None

    def _configure(self, config: Config) -> None:
        _, _, dev = self._requested
        self.config = config
        settings = config.section("app", AppSettings)
        self.access.settings = config.section("access", AccessSettings)
        self.dev = settings.dev if dev is None else dev
        self.data = (self.project or Path.cwd()) / settings.data
        self.threads = anyio.CapacityLimiter(settings.threads)

    async def _start(self) -> None:
        plugins, mods, _ = self._requested
        self._undo_subscription = self.registry.subscribe(lambda _: self.router.known.clear())
        selection = self.config.selection("plugins")
        for plugin in self.plugins.choose(plugins, selection, self.config):
            await self.plugins.activate(plugin, is_fatal=plugins is not None)
        self.plugins_changed(self._routes())
        await self.mods.load_inline()
        for mod in self.mods.choose(mods, self.config.selection("mods")):
            await self.mods.load(mod, is_fatal=mods is not None)
        self.reloader.open()

    async def _stop(self) -> None:
        await self.reloader.close()
        await self.mods.unload_all()
        await self.reloader.aclose()
        await self._end_tasks()
        await self.plugins.deactivate_all()
        self.plugins_changed(self._routes())
        self.library.close()
        self._undo_subscription()

    def plugins_changed(self, routes: list[Route]) -> None:
        """Work out again what is derived from the set of active plugins."""
        self.request_hooks = self.hooks.implementations("handle_request")
        self.access.follow(self.hooks)
        self.router = Router(routes)

    def routes_of(self, hooks: HookCaller, *, is_strict: bool = True) -> list[Route]:
        """Return the routes that plugins would serve.

        Args:
            hooks: Asks them.
            is_strict: Whether a mistake is an error; else the plugin that makes it loses its
                routes, and has failed.

        Raises:
            ConfigError: If two of them claim one, or one is wrong.
        """

        def refuse(plugin: str, error: ConfigError) -> None:
            if is_strict:
                raise error
            self.plugins.status[plugin].state = "failed"
            self.plugins.status[plugin].reason = str(error)
            self.logger.error("%s", error)

        serving = self.request_hooks
        self.request_hooks = hooks.implementations("handle_request")  # what transports look at
        try:
            return joined(hooks.all("asgi_routes", app=self), refuse)
        finally:
            self.request_hooks = serving

    def _routes(self) -> list[Route]:
        return self.routes_of(self.hooks, is_strict=self._requested[0] is not None)

    @property
    def requested_plugins(self) -> list[str] | None:
        """Names of the plugins that were asked for, None for all that are installed."""
        plugins = self._requested[0]
        return None if plugins is None else [each for each in plugins if isinstance(each, str)]

    @property
    def is_running(self) -> bool:
        """Whether the app has started, and not stopped."""
        return self._group is not None and self.started.is_set()

    @property
    def is_entered(self) -> bool:
        """Whether the app starts, runs or stops."""
        return self._group is not None

    @property
    def tasks(self) -> TaskGroup:
        """The task group that everything of this app runs in.

        Raises:
            PegboardError: If the app does not run.
        """
        if self._group is None:
            raise _not_running(self)
        return self._group

    @property
    def hooks(self) -> HookCaller:
        """Asks the plugins."""
        return self.plugins.hooks

    # -- calling ---------------------------------------------------------------------------

    async def call(self, target: str | tuple[str, str], /, *args: Any, **kwargs: Any) -> Any:
        """Call an export in process.

        Args:
            target: `"Mod.fn"`, `("Mod", "fn")`, or `"Mod"` followed by `"fn"`.
            args: Positional arguments.
            kwargs: Keyword arguments.

        Returns:
            The `Result`; from an export with `row=True` the bare value. An unknown export or
            wrong arguments are an error `Result`.

        Raises:
            ExportError: If an export with `row=True` fails.
            PegboardError: If the app does not run.
        """
        slot = self.registry.table.get(target) if isinstance(target, str) else None
        if slot is None:
            slot, args = self._resolve(target, args)
            if slot is None:
                return Result.from_error(self._unknown(target))
        export = slot.export
        context = call_context.get(None)
        if context is not None and context.app is self:
            result = await slot.call(*args, **kwargs)
        else:
            result = await self.invoke(slot, CallContext(self), args, kwargs)
        if result.tasks:
            self.run_tasks(result)
        if export is None or not export.options.row:
            return result
        if result.is_error():
            raise ExportError(result) from result.exception
        return result.result.data

    async def invoke(
        self, slot: Slot, context: CallContext, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Result[Any]:
        """Call what is in a slot, in the surroundings that a transport has made."""
        token = call_context.set(context)
        try:
            return await slot.call(*args, **kwargs)
        finally:
            call_context.reset(token)

    def run(self, target: str | tuple[str, str], /, *args: Any, **kwargs: Any) -> Any:
        """Call an export from code that is not asynchronous; see `call`.

        In a worker thread of a running app it calls into that app. Elsewhere it starts the app in
        a thread of its own, where it runs until `close` or the end of the process.

        Raises:
            RuntimeError: On the event loop, which it would block: `await app.call(...)` there.
        """
        return self._blocking.run(partial(self.call, target, *args, **kwargs))

    def start(self) -> None:
        """Start the app in a thread of its own, for code that is not asynchronous.

        It runs there until `close` or the end of the process; nothing happens if it runs already.

        Raises:
            PegboardError: As entering the app does.
        """
        self._blocking.start()

    def close(self) -> None:
        """Stop an app that `run` or `start` has started; nothing to do for any other."""
        self._blocking.close()

    def _resolve(self, target: Any, args: tuple[Any, ...]) -> tuple[Slot | None, tuple[Any, ...]]:
        if self._group is None:
            raise _not_running(self)
        table = self.registry.table
        if not isinstance(target, str):
            return table.get(".".join(target)), args
        if args and isinstance(args[0], str):
            return table.get(f"{target}.{args[0]}"), args[1:]
        return None, args

    def _unknown(self, target: Any) -> PegboardError:
        address = target if isinstance(target, str) else ".".join(target)
        hint = did_you_mean(address, self.registry.table)
        return NotFoundError(f"there is no export {address}{hint}")

    # -- for transports --------------------------------------------------------------------

    def asgi(self) -> AsgiApp:
        """Return the app as an ASGI callable."""
        return AsgiApp(self)

    async def intercept(self, request: RequestData) -> Result[Any] | None:
        """Let the plugins that implement `handle_request` answer in place of an export."""
        for each in self.request_hooks:
            answer = invoke(each, {"app": self, "request": request})
            if answer is not None:
                result = await answer
                if result is not None:
                    return cast("Result[Any]", result)
        return None

    def run_tasks(self, result: Result[Any]) -> None:
        """Start what `Result.task` was given, now that the response has left; each only once."""
        for task, context in result.take_tasks():
            context.run(partial(self._background.start, task, wrapped=True))

    def wrap_tasks(self, around: TaskWrapper) -> Callable[[], None]:
        """Let somebody run what `Result.task` was given, in their surroundings; return the undo.

        `around(name, work)` awaits `work()` once and lets through what it raises.

        Raises:
            ConfigError: If somebody does so already.
        """
        return self.offers.add(BackgroundTasks, around, "two plugins wrap background tasks")

    def spawn(
        self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any, name: str = ""
    ) -> None:
        """Run a coroutine function in the app's task group; a failure is logged."""
        self._background.start(partial(function, *args), name=name)

    # -- for plugins and mods --------------------------------------------------------------

    def settings(self, plugin: str) -> Any:
        """Return the settings of an active plugin, an instance of its `config_schema`.

        Raises:
            MissingPluginError: If the plugin is not active.
        """
        return cast("msgspec.Struct", self._active(plugin, "the settings of").settings)

    def generation(self, plugin: str) -> Generation:
        """Return the version of a plugin that is active.

        Who keeps something open beyond a call counts it in `Generation.leases`, so that this
        version is not retired before that has ended.

        Raises:
            MissingPluginError: If the plugin is not active.
        """
        return self._active(plugin, "a lease on").generation

    def _active(self, plugin: str, what: str) -> ActivePlugin:
        stage = current_stage(self)
        active = None if stage is None else stage.active.get(plugin)
        active = active or self.plugins.active.get(plugin)
        if active is None:
            raise missing_plugin(f"{what} {plugin}", plugin)
        return active

    def provide(self, kind: type[P], service: P) -> Callable[[], None]:
        """Offer a service to mods and other plugins; return the undo.

        Raises:
            ConfigError: If another plugin offers it already.
        """
        return self.offers.add(kind, service, f"two plugins provide {kind.__name__}")

    def service(self, kind: type[P], distribution: str = "pegboard[all]") -> P:
        """Return the service of a kind.

        Raises:
            MissingPluginError: If nobody provides it, naming what to install.
        """
        try:
            return cast("P", self.offers.get(kind))
        except KeyError:
            raise MissingPluginError(kind.__name__, distribution) from None

    def extend(self, name: str, value: object) -> Callable[[], None]:
        """Let `app.<name>` answer `value`; return the undo.

        Raises:
            ConfigError: If the app has an attribute of that name already.
        """
        conflict = f"app.{name} exists already: a plugin cannot give it again"
        if name in vars(self) or any(name in vars(kind) for kind in type(self).__mro__):
            raise ConfigError(conflict)
        return self.offers.add(name, value, conflict)

    if not TYPE_CHECKING:  # so that a type checker finds a misspelt attribute

        def __getattr__(self, name: str) -> Any:
            """Return what a plugin has given under that name.

            Raises:
                MissingPluginError: If a plugin that is not active would give it.
                AttributeError: If it is unknown.
            """
            if name != "offers":  # which is there from the beginning
                with suppress(KeyError):
                    return self.offers.get(name)
            if name in KNOWN_ATTRIBUTES:
                raise _MissingAttributeError(f"app.{name}", distribution_of(KNOWN_ATTRIBUTES[name]))
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def state(self, mod: str) -> SimpleNamespace:
        """Return the state of a mod: plain data that outlives its generations."""
        return self._states.setdefault(mod, SimpleNamespace())

    def count(self, name: str) -> None:
        """Add one to a counter of `statistics`."""
        self._counts[name] += 1

    def statistics(self) -> dict[str, int]:
        """Return the counters, and how many tasks and threads are busy."""
        return {
            "calls_failed": self._counts["calls_failed"],
            "tasks_failed": self._counts["tasks_failed"],
            "tasks_running": self._background.running,
            "threads_busy": self.threads.borrowed_tokens,
            "exports": len(self.registry.table),
        }

    def print(self, *values: object) -> None:
        """Write to the log of the app."""
        self.logger.info("%s", " ".join(map(str, values)))

    def __repr__(self) -> str:
        state = "running" if self.is_running else "stopped"
        return f"<App {self.name!r} {state}, {len(self.registry.table)} exports>"


class _MissingAttributeError(MissingPluginError, AttributeError):
    """An attribute that a plugin would give; `hasattr` and `getattr` take it for an absent one."""


def _not_running(app: App) -> PegboardError:
    return PegboardError(f"app {app.name!r} does not run: use `async with app:`")
