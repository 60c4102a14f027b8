"""Hooks: plugins are asked one after the other, and those that raise are contained."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pluggy

from pegboard.errors import PegboardError, PluginError
from pegboard.hookspecs import Hooks

__all__ = ["HookCaller", "invoke"]

_logger = logging.getLogger("pegboard.plugins")


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
            raise PluginError(f"plugin {name}: {error}") from error
        self._order.append(name)

    def remove(self, name: str) -> None:
        """Forget a plugin; nothing happens if it is not here."""
        if name in self._order:
            self.manager.unregister(name=name)
            self._order.remove(name)

    def implementations(self, hook: str) -> list[Any]:
        """Return the implementations of a hook in the order in which they are asked."""
        return sorted(getattr(self.manager.hook, hook).get_hookimpls(), key=self._rank)

    def all(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        """Ask everyone; return the plugin's name and answer for each answer that is not None."""
        found: list[tuple[str, Any]] = []
        for each in self.implementations(hook):
            try:
                answer = invoke(each, arguments)
            except (Exception, SystemExit):
                _logger.exception("plugin %s failed in hook %s", each.plugin_name, hook)
                continue
            if answer is not None:
                found.append((each.plugin_name, answer))
        return found

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
                answer = invoke(implementation, arguments)
            except PegboardError:
                raise
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
                raise PluginError(
                    f"plugin {implementation.plugin_name} failed in hook {hook}: {text}"
                ) from error
            if answer is not None:
                yield answer

    def call(self, name: str, hook: str, **arguments: Any) -> Any:
        """Ask one plugin; what it raises is not contained."""
        for each in self.implementations(hook):
            if each.plugin_name == name:
                return invoke(each, arguments)
        return None

    def _rank(self, implementation: Any) -> tuple[int, int]:
        urgency = -1 if implementation.tryfirst else 1 if implementation.trylast else 0
        return urgency, self._order.index(implementation.plugin_name)


def invoke(implementation: Any, arguments: Mapping[str, Any]) -> Any:
    """Call one implementation with those of the arguments that it takes."""
    return implementation.function(*(arguments[name] for name in implementation.argnames))


def _refuse_wrappers(manager: pluggy.PluginManager, plugin: object) -> None:
    for caller in manager.get_hookcallers(plugin) or ():
        for each in caller.get_hookimpls():
            if each.plugin is plugin and (each.wrapper or each.hookwrapper):
                raise ValueError(f"hook {caller.name}: an implementation cannot be a wrapper")
