"""Sending a backlog: several files at a time, since each is a journey to the service and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock, Thread

from pegboard.errors import ConfigError, PegboardError

__all__ = ["all_sent"]

SENDERS = 8  # files that are sent at once


def all_sent(send: Callable[[str], bool], paths: Sequence[str]) -> bool:
    """Send files, the first one alone; False if the service is away.

    Args:
        send: Sends one; False if the service is away. Then no other is begun.
        paths: The files.

    Raises:
        ConfigError: If the service may not be used; no other file is begun then.
        PegboardError: What was wrong with a file; it has kept no other one from being sent.
    """
    dispatch = _Dispatch(send, paths)
    dispatch.send_next()
    senders = min(SENDERS, len(paths) - 1)
    # They end with the process: the outbox keeps the rest, and what is sent twice is one write.
    threads = [Thread(target=dispatch.send_all, daemon=True) for _ in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return dispatch.result()


class _Dispatch:
    def __init__(self, send: Callable[[str], bool], paths: Sequence[str]) -> None:
        self._send = send
        self._paths = iter(paths)
        self._lock = Lock()
        self._is_over = False
        self._is_away = False
        self._failure: Exception | None = None

    def send_all(self) -> None:
        while not self._is_over:
            self.send_next()

    def send_next(self) -> None:
        with self._lock:
            path = next(self._paths, None)
        if path is None:
            self._is_over = True
            return
        try:
            if not self._send(path):
                self._is_over = self._is_away = True
        except Exception as error:  # noqa: BLE001 - `result` raises it, in the thread that asked
            is_of_file = isinstance(error, PegboardError) and not isinstance(error, ConfigError)
            self._is_over |= not is_of_file
            self._failure = self._failure or error

    def result(self) -> bool:
        if self._failure is not None:
            raise self._failure
        return not self._is_away
