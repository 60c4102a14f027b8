"""What a check has found."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["NAMES", "Finding", "State"]

NAMES = (
    *("manifest", "documented", "described", "conforms"),
    *("reloads", "typed", "tested", "installs alone"),
)
"""What a plugin is held to, in order: what is quick comes first."""

State = Literal["ok", "warning", "failed", "skipped"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of one check.

    Attributes:
        name: What was checked.
        state: How it went; `skipped` is what could not be checked here.
        detail: What was found, and the next step where there is one.
    """

    name: str
    state: State
    detail: str = ""

    @classmethod
    def of(cls, name: str, problems: list[str], good: str) -> Finding:
        """Return a failure if there are problems, else what is good."""
        if problems:
            return cls(name=name, state="failed", detail="; ".join(problems))
        return cls(name=name, state="ok", detail=good)
