"""Hears of the end of processes of this machine at the moment that it comes, and how it came.

Linux gives anybody, not only a parent, a descriptor of a process that becomes readable when the
process ends. Elsewhere, and for processes of other containers, nothing is heard: who watches has to
look now and then all the same, and only a lock that is free proves that its holder is gone.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Set as AbstractSet
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector

from pegboard_jobs._exit_status import exit_status

__all__ = ["ExitWatch"]


class ExitWatch:
    """Watches some processes; one thread waits, any other may wake it."""

    def __init__(self) -> None:
        self._selector = DefaultSelector()
        self._descriptors: dict[int, int] = {}
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        self._selector.register(self._receiver, EVENT_READ)

    def look_at(self, processes: AbstractSet[int]) -> None:
        """Watch these processes and no others; one that has ended already is heard of at once."""
        for process in self._descriptors.keys() - processes:
            self._forget(process)
        for process in processes - self._descriptors.keys():
            descriptor = _opened(process)
            if descriptor is not None:
                self._descriptors[process] = descriptor
                self._selector.register(descriptor, EVENT_READ)

    def wait(self, seconds: float) -> None:
        """Wait until a process ends that was not heard of yet, until woken, or for the time."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._receiver:
                self._receiver.recv(4096)
            else:
                self._selector.unregister(key.fileobj)  # it stays readable, and was heard now

    def wake(self) -> None:
        """Let the thread that waits, or waits next, go on."""
        with suppress(BlockingIOError):  # full: it is awake
            self._sender.send(b"w")

    def status(self, process: int) -> int | None:
        """Return how a watched process has ended, as `os.waitpid` says it; None if unknown."""
        descriptor = self._descriptors.get(process)
        return None if descriptor is None else exit_status(process, descriptor)

    def close(self) -> None:
        """Watch nothing any more; nobody may wait."""
        for process in list(self._descriptors):
            self._forget(process)
        self._selector.close()
        self._receiver.close()
        self._sender.close()

    def _forget(self, process: int) -> None:
        descriptor = self._descriptors.pop(process)
        with suppress(KeyError):  # it was heard of
            self._selector.unregister(descriptor)
        os.close(descriptor)


def _opened(process: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(process)
    except OSError:  # it has ended, is of another container, or the kernel is older than 5.3
        return None
