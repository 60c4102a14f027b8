"""What became of a mod or plugin whose code, or whose presence, has changed while the app ran."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Outcome", "Reloaded"]

Outcome = Literal["loaded", "reloaded", "removed", "rejected", "mended", "restarting"]
"""It is new here; its new code serves; it is gone; its new code fails and what was before goes on;
what had failed is as it was before; a new process, with the new code, is about to take over."""


class Reloaded(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome for one mod or plugin.

    Attributes:
        kind: What it is.
        name: Its name.
        outcome: What became of it.
        generation: Number of the version that serves now, 0 for none.
        reason: Why the new code was rejected, with file and line where there is one; or why a mod
            was removed that is still there.
        seconds: From the beginning of the work to the moment when the new code served.
        process: Number of the process, where each that serves a project was asked; else 0.
    """

    kind: Literal["mod", "plugin"]
    name: str
    outcome: Outcome
    generation: int = 0
    reason: str = ""
    seconds: float = 0.0
    process: int = 0
