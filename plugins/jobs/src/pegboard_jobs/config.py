"""The settings of `[plugins.jobs]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["JobsConfig"]


class JobsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set about jobs.

    Attributes:
        url: URL of a PostgreSQL database, `postgresql://user:password@host/name`; a SQLite file
            below the data folder if there is none.
        work: Whether this process runs durable jobs; other processes of the project may.
        workers: Durable jobs that this process runs at once.
        queues: Queues that this process serves; all if there is none.
        stop_timeout: Seconds that running jobs get to end when the app stops; then they are
            cancelled, and durable ones start again elsewhere.
        keep: Days that jobs are kept after their end, with what is nested in them; 0 for ever.
    """

    url: str = ""
    work: bool = True
    workers: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 8
    queues: tuple[str, ...] = ()
    stop_timeout: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 5.0
    keep: Annotated[float, msgspec.Meta(ge=0, le=36_500)] = 0.0
