"""Opening a plain file, and nothing else, for reading."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

from pegboard_durable._error import OutsideRootError
from pegboard_durable._folder import Folder

__all__ = ["open_plain"]


def open_plain(folder: Folder, name: str, path: str) -> BinaryIO:
    """Open a file of a folder.

    Raises:
        FileNotFoundError: If there is none.
        IsADirectoryError: If it is a folder.
        OutsideRootError: If it is a pipe, socket or device.
        OSError: If it cannot be opened.
    """
    fd = folder.open_file(name, os.O_RDONLY)
    try:
        _require_plain(os.fstat(fd).st_mode, path)
        return os.fdopen(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def _require_plain(mode: int, path: str) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(mode):
        raise OutsideRootError(errno.EXDEV, f"{path} is a pipe, socket or device, and no file")
