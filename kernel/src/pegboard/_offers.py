"""What plugins give to an app: services by their kind, attributes by their name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pegboard._plugins import current_stage
from pegboard._scope import current_scope, defer_here
from pegboard.errors import ConfigError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._plugins import PluginStage

__all__ = ["Offers"]


class Offer:
    """Something that is offered, and the name of the scope that took its undo."""

    __slots__ = ("giver", "value")

    def __init__(self, value: Any, giver: str) -> None:
        self.value = value
        self.giver = giver


class Offers:
    """The offers of one app.

    A plugin that is activated in a reload takes its predecessor's place when the reload is
    committed; until then only plugins of the same reload see what it offers.

    Attributes:
        services: What is provided, by kind.
        attributes: What the app is extended with, by name.
    """

    def __init__(self, app: App) -> None:
        self.services: dict[Any, Offer] = {}
        self.attributes: dict[Any, Offer] = {}
        self._app = app

    def provide(self, kind: type[Any], service: Any) -> Callable[[], None]:
        """Offer a service; return the undo.

        Raises:
            ConfigError: If another plugin offers it already.
        """
        stage = current_stage(self._app)
        if _is_taken(kind, self.services, stage):
            msg = f"two plugins provide {kind.__name__}"
            raise ConfigError(msg)
        staged = None if stage is None else stage.services
        return _offer(kind, service, self.services, staged, kind.__name__)

    def extend(self, name: str, value: object) -> Callable[[], None]:
        """Offer an attribute of the app; return the undo.

        Raises:
            ConfigError: If it has one of that name already.
        """
        app, stage = self._app, current_stage(self._app)
        is_own = name in vars(app) or any(name in vars(kind) for kind in type(app).__mro__)
        if is_own or _is_taken(name, self.attributes, stage):
            msg = f"app.{name} exists already: a plugin cannot give it again"
            raise ConfigError(msg)
        staged = None if stage is None else stage.attributes
        return _offer(name, value, self.attributes, staged, f"app.{name}")

    def service(self, kind: type[Any]) -> Any:
        """Return a service.

        Raises:
            KeyError: If nobody offers it.
        """
        stage = current_stage(self._app)
        staged = None if stage is None else stage.services.get(kind)
        return (staged or self.services[kind]).value

    def attribute(self, name: str) -> Any:
        """Return an attribute.

        Raises:
            KeyError: If nobody offers it.
        """
        stage = current_stage(self._app)
        staged = None if stage is None else stage.attributes.get(name)
        return (staged or self.attributes[name]).value

    def commit(self, stage: PluginStage) -> None:
        """Let what a stage offers take the place of what its predecessors offered."""
        going = {f"plugin {name}" for name in stage.going}
        for offers, staged in (
            (self.services, stage.services),
            (self.attributes, stage.attributes),
        ):
            for key in [key for key, each in offers.items() if each.giver in going]:
                del offers[key]
            offers.update(staged)


def _is_taken(key: Any, offers: dict[Any, Offer], stage: PluginStage | None) -> bool:
    if stage is not None and (key in stage.services or key in stage.attributes):
        return True
    if stage is None or key not in offers:
        return key in offers
    return offers[key].giver not in {f"plugin {name}" for name in stage.going}


def _offer(
    key: Any,
    value: Any,
    offers: dict[Any, Offer],
    staged: dict[Any, Offer] | None,
    what: str,
) -> Callable[[], None]:
    scope = current_scope()
    offer = Offer(value, "" if scope is None else scope.name)
    tables = [offers] if staged is None else [staged, offers]
    tables[0][key] = offer

    def withdraw() -> None:
        for each in tables:
            if each.get(key) is offer:
                del each[key]

    defer_here(what, withdraw)
    return withdraw
