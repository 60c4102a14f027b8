"""What plugins give to an app: services by their kind, attributes by their name.

A plugin that is activated in a reload gives them to a stage, which nobody else sees until the
reload is committed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from pegboard._catalogue import KNOWN_ATTRIBUTES, distribution_of
from pegboard._context import holding
from pegboard._scope import current_scope, defer_here
from pegboard.errors import ConfigError, MissingPluginError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._plugins import ActivePlugin

__all__ = ["Extensible", "Offer", "Offers", "PluginStage", "current_stage"]

P = TypeVar("P")


class Offer(NamedTuple):
    """Something that is offered, and the name of the scope that took its undo."""

    value: Any
    giver: str


class Offers:
    """The offers of one app.

    Attributes:
        table: What is offered, by the kind of a service or the name of an attribute.
    """

    def __init__(self, app: App) -> None:
        self.table: dict[Any, Offer] = {}
        self._app = app

    def add(self, key: type[Any] | str, value: object, conflict: str) -> Callable[[], None]:
        """Offer something; return the undo.

        Args:
            key: Under what.
            value: What.
            conflict: What is wrong if that is offered already.

        Raises:
            ConfigError: If another plugin offers it already.
        """
        stage = current_stage(self._app)
        if self._is_taken(key, stage):
            raise ConfigError(conflict)
        scope = current_scope()
        offer = Offer(value, "" if scope is None else scope.name)
        tables = [self.table] if stage is None else [stage.offers, self.table]
        tables[0][key] = offer

        def withdraw() -> None:
            for each in tables:
                if each.get(key) is offer:
                    del each[key]

        defer_here(f"the offer of {key}", withdraw)
        return withdraw

    def get(self, key: type[Any] | str) -> Any:
        """Return what is offered.

        Raises:
            KeyError: If nobody offers it.
        """
        stage = current_stage(self._app)
        staged = None if stage is None else stage.offers.get(key)
        return (staged or self.table[key]).value

    def commit(self, stage: PluginStage) -> None:
        """Let what a stage offers take the place of what its predecessors offered."""
        going = {key for key, each in self.table.items() if stage.replaces(each.giver)}
        for key in going:
            del self.table[key]
        self.table.update(stage.offers)

    def _is_taken(self, key: Any, stage: PluginStage | None) -> bool:
        offer = self.table.get(key)
        if stage is None:
            return offer is not None
        return key in stage.offers or (offer is not None and not stage.replaces(offer.giver))


class PluginStage:
    """Plugins that are activated while others serve, and what they offer, as nobody sees it yet.

    Attributes:
        going: Names of the plugins whose place they take, or that go.
        active: The plugins, by name.
        offers: What they offer; see `Offers.table`.
    """

    def __init__(self, app: App, going: Iterable[str] = ()) -> None:
        self.going = set(going)
        self.active: dict[str, ActivePlugin] = {}
        self.offers: dict[Any, Offer] = {}
        self._app: App | None = app

    def entered(self) -> AbstractContextManager[PluginStage]:
        """Let what is registered in the block, and in the tasks that it starts, be staged."""
        return holding(_stage, self)

    def is_of(self, app: App) -> bool:
        """Whether it is open, and of this app."""
        return self._app is app

    def replaces(self, scope: str) -> bool:
        """Whether what a scope of this name has registered goes when the stage is committed."""
        return scope.removeprefix("plugin ") in self.going

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
        self.offers.clear()


_stage: ContextVar[PluginStage] = ContextVar("pegboard_stage")


def current_stage(app: App) -> PluginStage | None:
    """Return the stage of the plugin that is being activated, if it is one of a reload."""
    stage = _stage.get(None)
    return stage if stage is not None and stage.is_of(app) else None


class Extensible:
    """What an app has from its plugins: services and attributes.

    Attributes:
        offers: All of it.
        jobs, cache, lock, set_ctx, get_ctx: What plugins of these names' capabilities give, see
            `extend`; without the plugin, asking for one says what to install.
        ws_send, ws_broadcast, ws_join, ws_leave, ws_close, ws_connections: The methods of
            `pegboard.contracts.channel.Channels`, given by the plugin that serves WebSockets.
    """

    offers: Offers
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


class _MissingAttributeError(MissingPluginError, AttributeError):
    """An attribute that a plugin would give; `hasattr` and `getattr` take it for an absent one."""
