"""The `@export` keywords of this plugin."""

from __future__ import annotations

import msgspec

__all__ = ["JobOptions"]


class JobOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Keywords about jobs.

    Attributes:
        job: Whether each call is tracked as a job.
        background: Whether a call from outside, or by `app.call`, is queued as a durable job, and
            answers at once with the job in place of its result.
        queue: Queue of its durable jobs.
        retries: How often a durable job that fails, or whose process is killed, is tried again.
        timeout: Seconds that one attempt of a durable job may take; 0 for any.
        concurrency: Durable jobs of its queue that run at once in all processes; 0 for any number.
    """

    job: bool = False
    background: bool = False
    queue: str = "default"
    retries: int = 2
    timeout: float = 0.0
    concurrency: int = 0
