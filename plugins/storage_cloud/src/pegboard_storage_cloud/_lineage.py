"""What a write makes of the present state of a file: the rules that every service keeps."""

from __future__ import annotations

from pegboard.contracts.storage import ABSENT
from pegboard.errors import ConflictError
from pegboard_storage_cloud._frame import Frame
from pegboard_storage_cloud._remote import Applied, Write

__all__ = ["conflict", "is_made", "successor"]


def is_made(present: Frame | None, write: Write) -> bool:
    """Whether a write was made already: by a request whose answer was lost."""
    return present is not None and present.contains(write.version)


def successor(path: str, present: Frame | None, write: Write) -> Applied:
    """Return what a write makes of the present state.

    Raises:
        ConflictError: If that is not the state that the write expects.
    """
    there = present is not None and present.data is not None
    if not _is_expected(present, write):
        raise conflict(path, write)
    if present is None:
        frame = Frame(version=write.version, data=write.data)
    else:
        frame = present.followed_by(write.version, write.data)
    return Applied(frame=frame, replaced=there)


def conflict(path: str, write: Write) -> ConflictError:
    """Return the error for a write that expects another state."""
    if write.expected == ABSENT:
        return ConflictError(f"{path} exists already: read it, and write on the condition of that")
    return ConflictError(f"{path} was changed or removed since it was read: read it again")


def _is_expected(present: Frame | None, write: Write) -> bool:
    if write.expected is None:
        return True
    if write.expected == ABSENT:
        return present is None or present.data is None
    return present is not None and present.version == write.expected
