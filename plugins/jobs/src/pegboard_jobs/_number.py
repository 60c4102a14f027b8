"""Numbers of nested jobs: `1`, `1.1`, `1.2.3`. Nothing here asks a database."""

from __future__ import annotations

import re

from pegboard.errors import InputError

__all__ = ["child_number", "folder_of", "order_of", "parsed"]

JOBS_FOLDER = "CCP4_JOBS"
"""Folder of a project that holds those of its jobs."""

_NUMBER = re.compile(r"[1-9][0-9]{0,17}(\.[1-9][0-9]{0,17})*")


def child_number(parent: str | None, count: int) -> str:
    """Return the number of the `count`-th job in `parent`, or at the top."""
    return str(count) if parent is None else f"{parent}.{count}"


def parsed(number: str) -> tuple[str | None, int]:
    """Return the number of the parent, None at the top, and the place among its children.

    Raises:
        InputError: If it is no number of a job.
    """
    if not _NUMBER.fullmatch(number):
        msg = f"{number!r} is no number of a job; 1 and 1.2.3 are"
        raise InputError(msg)
    parent, _, last = number.rpartition(".")
    return parent or None, int(last)


def order_of(number: str) -> tuple[int, ...]:
    """Return what sorts numbers as people read them: `1.2` before `1.10`."""
    return tuple(int(part) for part in number.split("."))


def folder_of(number: str) -> str:
    """Return the folder of a job, relative to that of its project."""
    return "/".join([JOBS_FOLDER, *(f"job_{part}" for part in number.split("."))])
