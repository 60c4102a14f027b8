"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from pegboard import hookimpl
from pegboard_locking.config import LockingConfig

__all__ = ["plugin"]


class LockingPlugin:
    """Locks that hold across threads and processes, and check-outs with leases."""

    @hookimpl
    def config_schema(self) -> type[LockingConfig]:
        """Name the settings of `[plugins.locking]`."""
        return LockingConfig


plugin = LockingPlugin()
