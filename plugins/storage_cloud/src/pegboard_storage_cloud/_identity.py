"""The identities of writes, and which of them an object remembers.

An identity is 32 hexadecimal digits: 16 for the writer, which is one store of one process, and 16
for the write. An object remembers the last writes, so that it is known which of two late states is
the later one, and behind them the last write of each writer: a writer goes on only when it knows
what has become of its last write of a file, so this tells one whose answer was lost whether that
write was made, no matter how often the same few others have written since. Each start of a process
is a new writer; the last write of the one that wrote longest ago goes first.
"""

from __future__ import annotations

import os

__all__ = ["ID", "RECENT", "REMEMBERED", "WRITER", "Writer", "remembered"]

REMEMBERED = 32
"""How many earlier writes an object remembers."""

RECENT = 16
"""How many of these are the last ones, whoever made them; the rest is for further writers."""

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
        if index > RECENT and version[:WRITER] in seen:
            spare = index  # the oldest one that a later write of its writer makes superfluous
        seen.add(version[:WRITER])
    return versions[1:spare] + versions[spare + 1 :]
