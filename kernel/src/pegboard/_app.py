"""The app: assembles plugins, mods and registry; starts, stops, calls."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import anyio

from pegboard._access import Access
from pegboard._asgi import AsgiApp
from pegboard._background import BackgroundTasks
from pegboard._blocking import BlockingRunner
from pegboard._config import AccessSettings, AppSettings, Config, load_config
from pegboard._context import CallContext, call_context
from pegboard._export import Exporter
from pegboard._hooks import invoke
from pegboard._library import Library
from pegboard._mods import ModHost
from pegboard._offers import Extensible, Offers
from pegboard._plugins import PluginHost
from pegboard._reference import AppType
from pegboard._registry import Registry, Slot
from pegboard._reload import Reloader
from pegboard._request import RequestData
from pegboard._result import Result
from pegboard._routes import routes_of
from pegboard.contracts.asgi import Router
from pegboard.errors import ExportError, NotFoundError, PegboardError

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from pegboard._background import TaskWrapper
    from pegboard._hooks import HookCaller
    from pegboard._registry import Generation
    from pegboard.contracts.asgi import Route

__all__ = ["App"]

P = TypeVar("P")


class App(Extensible, metaclass=AppType):
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
        requested_plugins: Names of the plugins that were asked for, None for all.
        access: Says who asks from outside, and whether they may.
        started: Set once all mods are loaded: what works on its own account begins then.
        stopping: Set when a graceful stop begins: streams and sockets end.
        brief: Whether the app runs for one command only, so that nothing begins work beside it.
    """

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
        self.requested_plugins = plugins and [each for each in plugins if isinstance(each, str)]
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
        self._requested = (plugins, mods)
        self._dev = dev
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

    async def __aexit__(self, *_error: object) -> None:
        """Stop: let background tasks end, retire mods, deactivate plugins."""
        group = self.tasks
        self.stopping.set()
        with anyio.CancelScope(shield=True):
            await self._background.end()
            await self._stop()
        await self._leave(group)

    async def _leave(self, group: TaskGroup) -> None:
        """End the task group; what the `async with` block raised is not wrapped in a group."""
        group.cancel_scope.cancel()
        try:
            await group.__aexit__(None, None, None)
        finally:
            self._group = None

    def _configure(self, config: Config) -> None:
        self.config = config
        settings = config.section("app", AppSettings)
        self.access.settings = config.section("access", AccessSettings)
        self.dev = settings.dev if self._dev is None else self._dev
        self.data = (self.project or Path.cwd()) / settings.data
        self.threads = anyio.CapacityLimiter(settings.threads)

    async def _start(self) -> None:
        plugins, mods = self._requested
        self._undo_subscription = self.registry.subscribe(lambda _: self.router.known.clear())
        is_strict = plugins is not None
        for plugin in self.plugins.choose(plugins, self.config):
            await self.plugins.activate(plugin, is_fatal=is_strict)
        self.plugins_changed(routes_of(self, self.hooks, is_strict=is_strict))
        await self.mods.load_inline()
        for mod in self.mods.choose(mods, self.config.selection("mods")):
            await self.mods.load(mod, is_fatal=mods is not None)
        self.reloader.open()

    async def _stop(self) -> None:
        await self.reloader.close()
        await self.mods.unload_all()
        await self.reloader.aclose()
        await self._background.end()
        await self.plugins.deactivate_all()
        self.plugins_changed([])
        self.library.close()
        self._undo_subscription()

    def plugins_changed(self, routes: list[Route]) -> None:
        """Work out again what is derived from the set of active plugins."""
        self.request_hooks = self.hooks.implementations("handle_request")
        self.access.follow(self.hooks)
        self.router = Router(routes)

    def routes_of(self, hooks: HookCaller) -> list[Route]:
        """Return the routes that plugins would serve.

        Raises:
            ConfigError: If two of them claim one, or one is wrong.
        """
        return routes_of(self, hooks, is_strict=True)

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
            if self._group is None:
                raise _not_running(self)
            try:
                slot, args = self.registry.resolve(target, args)
            except NotFoundError as error:
                return Result.from_error(error)
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
        return self.plugins.find(plugin, "the settings of").settings

    def generation(self, plugin: str) -> Generation:
        """Return the version of a plugin that is active.

        Who keeps something open beyond a call counts it in `Generation.leases`, so that this
        version is not retired before that has ended.

        Raises:
            MissingPluginError: If the plugin is not active.
        """
        return self.plugins.find(plugin, "a lease on").generation

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


def _not_running(app: App) -> PegboardError:
    return PegboardError(f"app {app.name!r} does not run: use `async with app:`")
