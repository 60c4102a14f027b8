"""What a process has open."""

from contextlib import suppress
from pathlib import Path

__all__ = ["descriptors"]


def descriptors() -> set[tuple[str, str]]:
    """Return number and target of each open descriptor.

    What is open afterwards and was not before is what to look at: an earlier test's leftovers may
    be collected in between, so that counts say nothing.
    """
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that the folder was read through
            found.add((each.name, str(each.readlink())))
    return found
