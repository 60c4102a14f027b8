"""The identities of writes, and which of them an object remembers.

An identity is 32 hexadecimal digits: 16 for the writer, which is one store of one process, and 16
for the write. A writer goes on only when it knows what has become of its last write of a file. So
the last write of each writer tells a writer whose answer was lost whether that write was made, no
matter how often others have written since. Earlier writes are remembered while there is room.
"""

from __future__ import annotations

import os

__all__ = ["ID", "REMEMBERED", "WRITER", "Writer", "remembered"]

REMEMBERED = 32
"""How many earlier writes an object remembers, and so of how many writers the last one."""

ID = 32  # characters of an identity
WRITER = 16  # characters of it that name the writer


class Writer:
    """Makes up the identities of the writes of one store."""

    def __init__(self) -> None:
        self._name = os.urandom(WRITER // 2).hex()

    def new_version(self) -> str:
        """Return an identity that no other write has."""
        return self._name + os.urandom((ID - WRITER) // 2).hex()


def remembered(versions: tuple[str, ...]) -> tuple[str, ...]:
    """Return the writes before the last one that an object remembers.

    Args:
        versions: That one, then those before it, the latest first; one more than fits at most.
    """
    if len(versions) <= REMEMBERED + 1:
        return versions[1:]
    seen: set[str] = set()
    spare = len(versions) - 1
    for index, version in enumerate(versions):
        if version[:WRITER] in seen:
            spare = index  # the oldest one that a later write of its writer makes superfluous
        seen.add(version[:WRITER])
    return versions[1:spare] + versions[spare + 1 :]
