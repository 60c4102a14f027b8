"""The settings of `[plugins.hot_reload]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["HotReloadConfig"]


class HotReloadConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is watched, and how soon a change is taken for whole.

    Attributes:
        watch: Whether files are watched; None does what `pegboard serve --reload` or
            `[serve] reload` says.
        step_ms: Milliseconds without a further event after which a change is looked at; Linux tells
            sooner of files that are written in folders with loaded code.
        burst_files: Files that change together from which on a burst is waited out: a branch
            switch, a formatter.
        quiet_ms: Milliseconds without an event that end a burst.
        longest_ms: Milliseconds after which a burst that does not end is taken as it is.
        polling: Whether files are looked at again and again, for mounted volumes that tell of
            no change; None lets the variable `WATCHFILES_FORCE_POLLING` say.
        poll_ms: Milliseconds between two looks.
        installed: Whether distributions that come, change and go are followed, too.
    """

    watch: bool | None = None
    step_ms: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 5
    burst_files: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 4
    quiet_ms: Annotated[int, msgspec.Meta(ge=1, le=60_000)] = 100
    longest_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000)] = 3000
    polling: bool | None = None
    poll_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)] = 300
    installed: bool = True
