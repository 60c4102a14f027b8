"""The switch: a file that every process of an app, and the command line, can see."""

from __future__ import annotations

import logging
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import msgspec

__all__ = ["Notice", "Switch"]

FILE = "maintenance.json"

_logger = logging.getLogger("pegboard_maintenance")


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What is said while maintenance is on.

    Attributes:
        since: When it was switched on.
        message: What clients are told, empty for the message of the settings.
    """

    since: datetime
    message: str = ""


class Switch:
    """Whether maintenance is on.

    Args:
        data: The app's data folder, which need not exist.
        interval: Seconds for which an answer is kept.
    """

    def __init__(self, data: Path, interval: float = 0.0) -> None:
        self._path = data / FILE
        self._interval = interval
        self._notice: Notice | None = None
        self._next_look = 0.0

    def turn_on(self, message: str = "") -> Notice:
        """Switch maintenance on, or change its message; whoever looks sees all of it or nothing."""
        notice = Notice(since=datetime.now(UTC), message=message)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=FILE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(notice))
        Path(temporary).replace(self._path)
        return notice

    def turn_off(self) -> bool:
        """Switch maintenance off; False if it was."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True

    def notice(self) -> Notice | None:
        """Return what is said, None if maintenance is off.

        Called for each request, on the event loop: one small local file, at most once in
        `interval` seconds, is less work than a thread.
        """
        now = monotonic()
        if now >= self._next_look:
            self._notice, self._next_look = self._read(), now + self._interval
        return self._notice

    def _read(self) -> Notice | None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(content, type=Notice)
        except msgspec.DecodeError:
            # Somebody has made the file by hand: they mean it, whatever it says.
            _logger.warning("%s cannot be read; maintenance is taken to be on", self._path)
            modified = self._path.stat().st_mtime
            return Notice(since=datetime.fromtimestamp(modified, UTC))
