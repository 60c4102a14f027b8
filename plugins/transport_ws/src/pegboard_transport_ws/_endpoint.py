"""The paths that are served, kept in step with the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pegboard.errors import ConfigError

if TYPE_CHECKING:
    from pegboard import Export, Slot
    from pegboard_transport_ws._handler import Handlers

__all__ = ["ATTACHMENT", "Endpoint", "EndpointTable", "handlers_of"]

ATTACHMENT = "transport_ws"
"""Where the compiled handlers are in `export.attachments`."""


class Endpoint:
    """The permanent place of a path: a connection holds this, never what is in it.

    Attributes:
        channel_id: `Mod/handler`.
        export: The export of the current generation that handles the path, None once it is gone.
    """

    __slots__ = ("channel_id", "export")

    def __init__(self, channel_id: str) -> None:
        self.channel_id = channel_id
        self.export: Export | None = None


class EndpointTable:
    """All paths of one app.

    Args:
        removed: Told of each endpoint that goes, with the export that it had.
        levelled: Told of each endpoint that from now on asks for another level.
    """

    def __init__(
        self,
        removed: Callable[[Endpoint, Export], None],
        levelled: Callable[[Endpoint, int], None],
    ) -> None:
        self._endpoints: dict[str, Endpoint] = {}
        self._removed = removed
        self._levelled = levelled

    def find(self, path: str) -> Endpoint | None:
        """Return what serves a path."""
        return self._endpoints.get(path)

    def check(self, export: Export, handlers: Handlers) -> None:
        """Make sure that nobody else has the path.

        Raises:
            ConfigError: If another export of an active mod has it.
        """
        endpoint = self._endpoints.get(handlers.path)
        if endpoint is None or endpoint.export is None:
            return
        holder = endpoint.export.generation
        if holder.owner != export.generation.owner and not holder.is_leaving:
            msg = f"{handlers.path} is handled by {endpoint.export.address} already"
            raise ConfigError(msg)

    def update(self, slots: Mapping[str, Slot]) -> None:
        """Follow the registry, inside its commit."""
        present = {
            handlers_of(slot.export).path: slot.export
            for slot in slots.values()
            if slot.export is not None and ATTACHMENT in slot.export.attachments
        }
        for path, export in present.items():
            if path not in self._endpoints:
                self._endpoints[path] = Endpoint(handlers_of(export).channel_id)
            self._replace(self._endpoints[path], export)
        for path in self._endpoints.keys() - present.keys():
            self._remove(self._endpoints.pop(path))

    def _replace(self, endpoint: Endpoint, export: Export) -> None:
        before, endpoint.export = endpoint.export, export
        if before is not None and before.required_level != export.required_level:
            self._levelled(endpoint, export.required_level)

    def _remove(self, endpoint: Endpoint) -> None:
        export, endpoint.export = endpoint.export, None
        if export is not None:
            self._removed(endpoint, export)


def handlers_of(export: Export) -> Handlers:
    """Return the compiled handlers of an export that has them."""
    handlers: Handlers = export.attachments[ATTACHMENT]
    return handlers
