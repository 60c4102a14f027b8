"""The order of plugins: what is required comes first. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pegboard._catalogue import missing_plugin

if TYPE_CHECKING:
    from pegboard._discovery import PluginCandidate

__all__ = ["given", "in_order", "required"]


def in_order(
    candidates: Iterable[PluginCandidate],
) -> tuple[list[PluginCandidate], list[tuple[PluginCandidate, str]]]:
    """Sort plugins so that what is required comes first; equals are in order of their names.

    Returns:
        The order, and those refused with the reason: a missing requirement or a circle.
    """
    from graphlib import CycleError, TopologicalSorter  # here, as no app may ever start

    remaining = {each.name: each for each in sorted(candidates, key=lambda each: each.name)}
    refused: list[tuple[PluginCandidate, str]] = []
    while True:
        givers = _givers(remaining.values())
        missing = _missing(remaining.values(), givers)
        if missing is None:
            graph = {name: _needs(each, givers) for name, each in remaining.items()}
            try:
                order = list(TopologicalSorter(graph).static_order())
            except CycleError as error:
                circle = error.args[1]
                reason = f"circle of requirements: {' -> '.join(reversed(circle))}"
                refused.extend((remaining.pop(name), reason) for name in set(circle))
                continue
            return [remaining[name] for name in order], refused
        candidate, reason = missing
        refused.append((remaining.pop(candidate.name), reason))


def _givers(candidates: Iterable[PluginCandidate]) -> dict[str, list[str]]:
    givers: dict[str, list[str]] = {}
    for each in candidates:
        for capability in given(each):
            givers.setdefault(capability, []).append(each.name)
    return givers


def given(candidate: PluginCandidate) -> tuple[str, ...]:
    """Return the capabilities that a plugin gives."""
    return candidate.name, *(candidate.manifest.provides if candidate.manifest else ())


def required(candidate: PluginCandidate) -> tuple[str, ...]:
    """Return the capabilities without which a plugin is not activated."""
    return candidate.manifest.requires if candidate.manifest else ()


def _missing(
    candidates: Iterable[PluginCandidate], givers: Mapping[str, Any]
) -> tuple[PluginCandidate, str] | None:
    for each in candidates:
        for need in required(each):
            if need not in givers:
                return each, f"it requires {need}; {missing_plugin(need, need)}"
    return None


def _needs(candidate: PluginCandidate, givers: Mapping[str, list[str]]) -> list[str]:
    after = candidate.manifest.after if candidate.manifest else ()
    wanted = (*required(candidate), *after)
    return [name for need in wanted for name in givers.get(need, ()) if name != candidate.name]
