"""What can go wrong with a file system, divided by what one can do about it."""

from __future__ import annotations

import errno
from types import TracebackType

__all__ = [
    "DeviceError",
    "DiskFullError",
    "DurableError",
    "OutsideRootError",
    "ReadOnlyError",
    "translated",
    "unsynced",
]


class DurableError(OSError):
    """Root of the errors of this package; a file that was to be written has its old content.

    What says enough by itself stays as Python raises it: `FileNotFoundError`, `FileExistsError`,
    `IsADirectoryError`, `NotADirectoryError`.

    Attributes:
        is_replaced: Whether the new content is in place all the same, though a power cut may still
            undo it: only the last step, syncing the folder, has failed.
    """

    is_replaced = False


class DiskFullError(DurableError):
    """There is no room: the disk, a quota or the largest size of a file is reached."""


class ReadOnlyError(DurableError, PermissionError):
    """The place may not be written, or the file not read, by this process."""


class DeviceError(DurableError):
    """The device or the network below the file system failed: nothing it says is certain."""


class OutsideRootError(DurableError, PermissionError):
    """A path leads out of the folder that it has to stay in, or to what is no plain file."""


_FULL = "no room is left: free some, or raise the quota"
_DENIED = "it may not be accessed: look at mode, owner and mount options"
_DEVICE = "the device failed: look at the log of the system before anything is written again"

_KINDS: dict[int, tuple[type[DurableError], str]] = {
    errno.ENOSPC: (DiskFullError, _FULL),
    errno.EDQUOT: (DiskFullError, _FULL),
    errno.EFBIG: (DiskFullError, "it is larger than a file may be here"),
    errno.EROFS: (ReadOnlyError, "the file system is mounted read-only"),
    errno.EACCES: (ReadOnlyError, _DENIED),
    errno.EPERM: (ReadOnlyError, _DENIED),
    errno.EIO: (DeviceError, _DEVICE),
    errno.ENXIO: (DeviceError, _DEVICE),
    errno.ENODEV: (DeviceError, _DEVICE),
    errno.ESTALE: (DeviceError, "the network share is gone: mount it again"),
    errno.ETIMEDOUT: (DeviceError, "the network share does not answer"),
    errno.ELOOP: (OutsideRootError, "there is a link in its place, or links that lead in a circle"),
}


_OF_WRITING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class translated:  # noqa: N801  # reads as the function that it is used like
    """A context manager that raises what the file system reports as one of the classes above.

    Args:
        doing: What was tried, such as `write`.
        path: What it was tried with.
        effect: What has become of the file.
        is_foreign: Whether code of others runs in the block: then only what writing raises is
            known to be about this file.

    Raises:
        DurableError: If the block raises an OSError of a known kind; others pass as they are.
    """

    # A class, and not a generator, since a save enters ten of them: it costs a fifth.
    __slots__ = ("_doing", "_effect", "_is_foreign", "_path")

    def __init__(
        self, doing: str, path: str, *, effect: str = "", is_foreign: bool = False
    ) -> None:
        self._doing = doing
        self._path = path
        self._effect = effect
        self._is_foreign = is_foreign

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, OSError) or isinstance(error, DurableError):
            return
        known = _KINDS.get(error.errno or 0)
        if known is None or (self._is_foreign and error.errno not in _OF_WRITING):
            return
        what = f"cannot {self._doing} {self._path}"
        raise _described(known, error, what, self._effect) from error


class unsynced:  # noqa: N801  # as above
    """A context manager for what comes after a file was put in place: its errors say so.

    Raises:
        DurableError: If the block raises an OSError; its `is_replaced` is true.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, OSError):
            return
        known = _KINDS.get(error.errno or 0, (DeviceError, "its folder could not be synced"))
        effect = "the new content is in place, and a power cut may still undo that"
        failure = _described(known, error, f"cannot make {self._path} durable", effect)
        failure.is_replaced = True
        raise failure from error


def _described(
    kind: tuple[type[DurableError], str], error: OSError, what: str, effect: str
) -> DurableError:
    cls, reason = kind
    message = "; ".join(part for part in (f"{what}: {reason}", effect) if part)
    return cls(error.errno, message)
