"""A document in memory beside the one that it was read from: what was changed, and merging it.

Whoever saves a file that somebody else has written in the meantime changes the keys that they have
changed, and no other.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pegboard_storage._json import decoded

__all__ = ["Difference", "difference"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What turns one document into another.

    Attributes:
        set: Keys that are new or have another value.
        removed: Keys that are gone.
    """

    set: dict[str, Any]
    removed: frozenset[str]

    def applied(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a document with the changes made to it."""
        kept = {key: value for key, value in document.items() if key not in self.removed}
        return {**kept, **self.set}

    def without(self, saved: Difference) -> Difference:
        """Return the changes that are not among those that were saved."""
        left = {
            key: value
            for key, value in self.set.items()
            if key not in saved.set or _text(saved.set[key]) != _text(value)
        }
        return Difference(set=left, removed=self.removed - saved.removed)


def difference(base: bytes | None, document: dict[str, Any]) -> Difference:
    """Return what has become of a document since it was read as `base`; None for no file."""
    before = {} if base is None else decoded(base)
    changed = {
        key: value
        for key, value in document.items()
        if key not in before or _text(before[key]) != _text(value)
    }
    return Difference(set=changed, removed=frozenset(before.keys() - document.keys()))


def _text(value: Any) -> bytes:
    """Return a value as JSON, where 1, 1.0 and true are not the same."""
    return msgspec.json.encode(value)
