"""Which plugins are to change, and who requires whom of them."""

from __future__ import annotations

import re

import msgspec

from pegboard._discovery import PluginCandidate

__all__ = ["Wanted", "given_by", "required_by"]

_NAME = re.compile(r"[A-Za-z0-9._-]+")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the plugins of an app.

    Attributes:
        replaced: Those whose code is executed anew.
        added: Those that were not active before.
        removed: Names of those that will not be.
    """

    replaced: tuple[PluginCandidate, ...] = ()
    added: tuple[PluginCandidate, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def coming(self) -> tuple[PluginCandidate, ...]:
        """All that are activated."""
        return (*self.replaced, *self.added)

    @property
    def needs_restart(self) -> bool:
        """Whether one of them cannot be replaced within a process."""
        manifests = [each.manifest for each in self.replaced]
        return any(each is not None and each.reload == "restart" for each in manifests)


def given_by(candidate: PluginCandidate) -> set[str]:
    """Return the names under which others can require a plugin."""
    provides = candidate.manifest.provides if candidate.manifest else ()
    return {candidate.name, candidate.distribution, *provides} - {""}


def required_by(candidate: PluginCandidate) -> set[str]:
    """Return what a plugin requires: in its manifest, and as a distribution."""
    requires = candidate.manifest.requires if candidate.manifest else ()
    return {*requires, *_distributions(candidate.distribution)}


def _distributions(distribution: str) -> set[str]:
    """Return the names of the distributions that one requires."""
    if not distribution:
        return set()
    from importlib.metadata import PackageNotFoundError, requires

    try:
        found = requires(distribution) or ()
    except PackageNotFoundError:
        return set()
    return {_NAME.match(each)[0] for each in found}  # type: ignore[index]  # each begins with a name
