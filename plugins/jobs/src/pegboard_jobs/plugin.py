"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from pegboard import hookimpl
from pegboard_jobs.config import JobsConfig

__all__ = ["plugin"]


class JobsPlugin:
    """Tracks jobs and runs durable ones: nested, crash-proof, on SQLite or PostgreSQL."""

    @hookimpl
    def config_schema(self) -> type[JobsConfig]:
        """Name the settings of `[plugins.jobs]`."""
        return JobsConfig


plugin = JobsPlugin()
