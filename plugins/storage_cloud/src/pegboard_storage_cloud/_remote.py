"""A service as the rest of this plugin sees it: states of files by path, replaced on condition.

Every method blocks, ends within the time limit of the service, and may be called by several threads
at once. `apply` may be called again with the same write after any failure, by this process or
another: it is done once.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from pegboard_storage_cloud._frame import Frame

__all__ = ["Applied", "PathPage", "Remote", "Write"]


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one file.

    Attributes:
        version: Its identity, which becomes the file's version.
        data: The new content, None to remove the file.
        expected: Version that it replaces, `ABSENT` for none, None for any.
    """

    version: str
    data: bytes | None
    expected: str | None


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What a write has done.

    Attributes:
        frame: The state that it has made, or a later one that contains it.
        replaced: Whether there was a file before.
    """

    frame: Frame
    replaced: bool


class PathPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the paths below another.

    Attributes:
        paths: In the order of their bytes.
        cursor: Where to go on, empty at the end.
    """

    paths: list[str]
    cursor: str = ""


class Remote(Protocol):
    """What a service does for us."""

    @property
    def name(self) -> str:
        """What messages and settings call it."""
        ...

    @property
    def durable(self) -> bool:
        """Whether what it has acknowledged outlives its machine's power."""
        ...

    def connect(self) -> None:
        """Find out whether the service keeps conditions, before anything is written.

        Raises:
            ConfigError: If it may not be used as the settings say.
            UnavailableError: If it does not answer.
        """
        ...

    def load(self, path: str) -> Frame | None:
        """Return the state of a file, None if it never was there or its removal is forgotten.

        Raises:
            CorruptError: If what is kept is not what was written.
            UnavailableError: If the service does not answer in time.
        """
        ...

    def apply(self, path: str, write: Write) -> Applied:
        """Make a change; one that was made already is not made again.

        Raises:
            ConflictError: If the file has another version than expected, and does not contain
                this write already.
            CorruptError: If what is kept is not what was written.
            UnavailableError: If the service does not answer in time. Whether it was written is
                not known then.
        """
        ...

    def list(self, below: str, *, after: str, limit: int) -> PathPage:
        """Return paths of files that are there; `below` is empty or ends with a slash.

        Raises:
            UnavailableError: If the service does not answer in time.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...
