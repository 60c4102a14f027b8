"""Which mods change together: the parts of a reload. Does no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from pegboard._discovery import ModCandidate

__all__ = ["Part", "Plan", "parts_of", "with_added"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Mods that change together or not at all, because they import one another.

    Attributes:
        units: Whose code is executed anew.
        mods: Those that are replaced.
        added: Those that did not serve before.
        removed: Names of those that will not serve any more.
    """

    units: frozenset[str] = frozenset()
    mods: tuple[ModCandidate, ...] = ()
    added: tuple[ModCandidate, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def coming(self) -> tuple[ModCandidate, ...]:
        """All mods that serve afterwards."""
        return (*self.mods, *self.added)

    @property
    def names(self) -> tuple[str, ...]:
        """All mods that this is about."""
        return (*self.removed, *(each.name for each in self.coming))

    def split(self) -> list[Part]:
        """Return smaller parts, where new mods are in it only since they may be renamed ones."""
        if not self.added or not (self.mods or self.removed):
            return []
        return [msgspec.structs.replace(self, added=()), *map(_alone, self.added)]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done about the mods.

    Attributes:
        parts: What is replaced.
        mended: Names of those that are as they were before they failed.
        begun: When the look at them began.
    """

    parts: list[Part]
    mended: list[str]
    begun: float


def parts_of(units: Collection[str], links: Mapping[str, Collection[str]]) -> list[frozenset[str]]:
    """Divide units into the smallest groups such that no link leads from one to another.

    Args:
        units: What is to be divided.
        links: What each unit imports; what is not among `units` is of no matter.
    """
    groups: list[set[str]] = []
    for unit in sorted(units):
        own = {unit, *(each for each in links.get(unit, ()) if each in units)}
        near = [each for each in groups if each & own]
        groups = [each for each in groups if not each & own] + [own.union(*near)]
    return [frozenset(each) for each in groups]


def with_added(parts: list[Part], added: list[ModCandidate]) -> list[Part]:
    """Add new mods: each for itself, or with the ones that go, as a renamed one is both."""
    if not added:
        return parts
    going = [each for each in parts if each.removed]
    staying = [each for each in parts if not each.removed]
    if not going:
        return [*staying, *map(_alone, added)]
    renamed = Part(
        units=frozenset[str]().union(*(each.units for each in (*going, *map(_alone, added)))),
        mods=tuple(mod for each in going for mod in each.mods),
        added=tuple(added),
        removed=tuple(name for each in going for name in each.removed),
    )
    return [*staying, renamed]


def _alone(added: ModCandidate) -> Part:
    return Part(units=frozenset((added.module,)), added=(added,))
