"""The gate of a lock: those who want it come one at a time, in the order in which they came.

On Linux, whoever waits has locked one byte of the gate's file: the one at the nanosecond at which
it came. Whoever finds no locked byte before its own is first, and locks the last byte of all: that
is the gate. These locks belong to an open file and end with it, so nobody has to tidy up after one
that gave up or was killed, and nobody waits for it.

Elsewhere the gate is one lock, and chance says who of those that look is next.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
import time

from pegboard_locking._flock import try_lock, unlock

if sys.platform == "linux":
    import fcntl

__all__ = ["Gate", "PlainGate", "open_gate"]

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


class PlainGate:
    """A gate without an order.

    Args:
        descriptor: Its file, which is the gate's from now on.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def try_alone(self) -> bool:
        """Be at the gate if nobody else is there or waits; else nothing has happened."""
        return try_lock(self._descriptor, shared=False)

    def try_enter(self) -> bool:
        """Be at the gate if it is one's turn; if not, be in line, and ask again."""
        return try_lock(self._descriptor, shared=False)

    def leave(self) -> None:
        """Be neither at the gate nor in line."""
        unlock(self._descriptor)

    def close(self) -> None:
        """Close the file, which is leaving as well."""
        os.close(self._descriptor)


if sys.platform == "linux":

    def _range(kind: int, start: int, length: int) -> bytes:
        """Return a `struct flock`; a length of 0 reaches to the end of all files."""
        return struct.pack("@hhqqi0q", kind, os.SEEK_SET, start, length, 0)

    _GATE = _range(fcntl.F_WRLCK, 2**63 - 2, 1)
    _ALL = _range(fcntl.F_WRLCK, 0, 0)
    _NOTHING = _range(fcntl.F_UNLCK, 0, 0)
    _KIND = struct.Struct("@h")
    _UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})

    class OrderedGate:
        """A gate at which those who came first are first.

        Args:
            descriptor: Its file, which is the gate's from now on.
        """

        __slots__ = ("_descriptor", "_since")

        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor
            self._since = 0

        def try_alone(self) -> bool:
            """Be at the gate if nobody else is there or waits; else nothing has happened."""
            return self._try(_ALL)

        def try_enter(self) -> bool:
            """Be at the gate if it is one's turn; if not, be in line, and ask again."""
            return self._is_in_line() and self._is_first() and self._try(_GATE)

        def leave(self) -> None:
            """Be neither at the gate nor in line."""
            self._since = 0
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _NOTHING)

        def close(self) -> None:
            """Close the file, which is leaving as well."""
            os.close(self._descriptor)

        def _is_in_line(self) -> bool:
            if not self._since:
                now = time.monotonic_ns()  # one clock for all processes of a machine
                if self._try(_range(fcntl.F_WRLCK, now, 1)):
                    self._since = now
            return bool(self._since)

        def _is_first(self) -> bool:
            before = _range(fcntl.F_WRLCK, 0, self._since)
            found = fcntl.fcntl(self._descriptor, fcntl.F_OFD_GETLK, before)
            return bool(_KIND.unpack_from(found)[0] == fcntl.F_UNLCK)

        def _try(self, wanted: bytes) -> bool:
            try:
                fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, wanted)
            except BlockingIOError:
                return False
            return True

    def _has_parts(descriptor: int) -> bool:
        """Whether parts of a file can be locked where it lies."""
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _ALL)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return False
            raise
        return True

    Gate = PlainGate | OrderedGate

    def open_gate(path: str) -> Gate:
        """Open the gate of that path; its file is made where it is missing.

        Raises:
            OSError: If it cannot be made.
        """
        descriptor = os.open(path, _FLAGS, 0o600)
        try:
            return OrderedGate(descriptor) if _has_parts(descriptor) else PlainGate(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

else:
    Gate = PlainGate

    def open_gate(path: str) -> Gate:
        """Open the gate of that path; its file is made where it is missing.

        Raises:
            OSError: If it cannot be made.
        """
        return PlainGate(os.open(path, _FLAGS, 0o600))
