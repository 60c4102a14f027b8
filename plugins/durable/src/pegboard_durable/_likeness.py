"""What a new file takes over from the one that it replaces."""

from __future__ import annotations

import errno
import os
import stat
import sys

from pegboard_durable._folder import Folder

__all__ = ["set_mode", "take_likeness"]

_UNSUPPORTED = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EACCES})


def take_likeness(fd: int, folder: Folder, name: str, old: os.stat_result) -> None:
    """Give an open file the owner, group, mode and extended attributes of the one at `name`.

    Only the superuser may give a file away. Where the owner cannot be kept, the bits that would
    make the file run as somebody else are not kept either.

    Raises:
        OSError: If the mode cannot be set.
    """
    if sys.platform == "win32":
        return
    mode = stat.S_IMODE(old.st_mode)
    if not _take_owner(fd, old):
        mode &= 0o777
    if hasattr(os, "listxattr"):
        _take_attributes(fd, folder, name)
    os.fchmod(fd, mode)


def set_mode(fd: int, mode: int) -> None:
    """Give an open file a mode, whatever the umask says.

    Raises:
        OSError: If that is not possible.
    """
    if sys.platform != "win32":  # which has none
        os.fchmod(fd, mode)


def _take_owner(fd: int, old: os.stat_result) -> bool:
    new = os.fstat(fd)
    if (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid):
        return True
    try:
        os.fchown(fd, old.st_uid, old.st_gid)
    except PermissionError:
        return False
    return True


def _take_attributes(fd: int, folder: Folder, name: str) -> None:
    # An access control list is one of them: without it, the group bits of the mode grant more.
    try:
        source = folder.open_file(name, os.O_RDONLY)
    except PermissionError:
        return  # not readable for this process: its attributes are not either
    try:
        for attribute in os.listxattr(source):
            _take_attribute(fd, source, attribute)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(source)


def _take_attribute(fd: int, source: int, attribute: str) -> None:
    try:
        os.setxattr(fd, attribute, os.getxattr(source, attribute))
    except OSError as error:
        if error.errno not in _UNSUPPORTED:  # those of the system are not for everyone to set
            raise
