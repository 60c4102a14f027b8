"""What became of the plugins and mods that were found."""

from __future__ import annotations

from typing import Generic, Literal, TypeAlias, TypeVar

import msgspec

from pegboard._discovery import ModCandidate, PluginCandidate

__all__ = ["ModStatus", "PluginStatus", "State", "Status", "Statuses"]

C = TypeVar("C", PluginCandidate, ModCandidate)

State = Literal["active", "off", "failed", "incompatible"]


class Status(msgspec.Struct, Generic[C], kw_only=True):
    """What became of one plugin or mod.

    Attributes:
        candidate: What was found.
        state: Whether it serves, is off, has failed or (a plugin) is for other hooks.
        reason: Why it does not serve, for a mod with file and line.
        rejected: Why the newest version of its code does not serve, and the one before does.
    """

    candidate: C
    state: State
    reason: str = ""
    rejected: str = ""


PluginStatus: TypeAlias = Status[PluginCandidate]
ModStatus: TypeAlias = Status[ModCandidate]


class Statuses(dict[str, Status[C]]):
    """What became of each, by name."""

    def note(self, candidate: C, state: State = "active", reason: str = "") -> None:
        """Note what became of one, now that it is decided."""
        self[candidate.name] = Status(candidate=candidate, state=state, reason=reason)

    def note_rejected(
        self, name: str, candidate: C | None, reason: str, *, is_serving: bool
    ) -> bool:
        """Note that the newest code of one does not serve; whether that is news.

        Args:
            name: Which one.
            candidate: What was found; None leaves one that has failed before as it is.
            reason: Why.
            is_serving: Whether the code before does serve.
        """
        before = self.get(name)
        if is_serving and before is not None:
            is_news, before.rejected = before.rejected != reason, reason
            return is_news
        if candidate is not None:
            self.note(candidate, "failed", reason)
        return before is None or before.reason != reason
