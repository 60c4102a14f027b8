"""How a process of this machine has ended, asked by somebody who is not its parent.

Linux tells it in `/proc` until the parent has taken note, and afterwards, from 6.15 on, to whoever
holds a descriptor of the process. Where nobody can tell, that is the answer.
"""

from __future__ import annotations

import signal
import struct
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["described", "exit_status", "signal_in", "status_in_stat"]

PIDFD_GET_INFO = 0xC040FF0B
"""`_IOWR(0xFF, 11, struct pidfd_info)` of linux/pidfd.h, in its first size of 64 bytes."""

INFO = struct.Struct("<QQ11Ii")
"""Mask, control group, eleven identities, exit code."""

PIDFD_INFO_EXIT = 1 << 3


def exit_status(process: int, descriptor: int) -> int | None:
    """Return the status of a process that has ended, as `os.waitpid` says it; None if unknown.

    Args:
        process: Its id.
        descriptor: What `os.pidfd_open` gave for it.
    """
    status = _told_after(descriptor)
    if status is None:
        status = _told_before(process)
    return _told_after(descriptor) if status is None else status


def status_in_stat(text: str) -> int | None:
    """Return the exit status that a line of `/proc/PID/stat` tells, None for one that runs."""
    fields = text.rpartition(")")[2].split()
    return int(fields[49]) if len(fields) > 49 and fields[0] in "ZX" else None


def signal_in(status: int | None) -> str:
    """Return the name of the signal that ended a process, nothing if none did or nobody knows."""
    number = 0 if status is None else status & 0x7F
    if not number:
        return ""
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def described(status: int | None) -> str:
    """Return an exit status in words that go on after "process 7"."""
    if status is None:
        return "ended without a word"
    name = signal_in(status)
    if name:
        return f"was ended by {name}"
    return f"ended without a word and with exit status {status >> 8 & 0xFF}"


def _told_before(process: int) -> int | None:
    try:
        return status_in_stat(Path(f"/proc/{process}/stat").read_text())
    except OSError:
        return None


def _told_after(descriptor: int) -> int | None:
    if sys.platform != "linux":
        return None
    from fcntl import ioctl

    answer = bytearray(INFO.size)
    INFO.pack_into(answer, 0, PIDFD_INFO_EXIT, *[0] * 13)
    try:
        ioctl(descriptor, PIDFD_GET_INFO, answer)
    except OSError:  # an older kernel
        return None
    mask, *_, code = INFO.unpack(answer)
    return code if mask & PIDFD_INFO_EXIT else None
