"""The checklist of `pegboard check`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from pegboard._check.conformance import check_suite, check_tests
from pegboard._check.finding import NAMES, Finding
from pegboard._check.fresh import check_installation
from pegboard._check.renewal import check_renewal
from pegboard._check.source import check_help, check_manifest, check_settings, check_types
from pegboard._check.subject import Subject

__all__ = ["findings"]

CHECKS: tuple[Callable[[Subject], Finding], ...] = (
    *(check_manifest, check_help, check_settings, check_suite),
    *(check_renewal, check_types, check_tests, check_installation),
)
"""What makes each check, in the order of their names."""


def findings(subject: Subject, names: Collection[str] = NAMES) -> Iterator[Finding]:
    """Yield what the named checks find, in order; one that raises is a failure."""
    for name, check in zip(NAMES, CHECKS, strict=True):
        if name not in names:
            continue
        try:
            yield check(subject)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the plugin's code may do anything
            detail = f"{type(error).__name__}: {error}"
            yield Finding(name=name, state="failed", detail=detail)
