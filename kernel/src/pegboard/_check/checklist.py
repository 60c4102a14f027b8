"""The checklist of `pegboard check`, in its order: what is quick comes first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from pegboard._check.conformance import check_suite, check_tests
from pegboard._check.finding import Finding
from pegboard._check.fresh import check_installation
from pegboard._check.renewal import check_renewal
from pegboard._check.source import check_help, check_manifest, check_settings, check_types
from pegboard._check.subject import Subject

__all__ = ["CHECKS", "findings"]

CHECKS: dict[str, Callable[[Subject], Finding]] = {
    "manifest": check_manifest,
    "documented": check_help,
    "described": check_settings,
    "conforms": check_suite,
    "reloads": check_renewal,
    "typed": check_types,
    "tested": check_tests,
    "installs alone": check_installation,
}
"""What a plugin is held to, by the name that `--skip` knows."""


def findings(subject: Subject, *, skip: Collection[str] = ()) -> Iterator[Finding]:
    """Yield what each check finds; one that raises is a failure."""
    for name, check in CHECKS.items():
        if name in skip:
            continue
        try:
            yield check(subject)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the plugin's code may do anything
            detail = f"{type(error).__name__}: {error}"
            yield Finding(name=name, state="failed", detail=detail)
