"""How the command line writes its log: for people, or one JSON object a line for machines.

Only the command line calls `configure`. An app that is embedded logs to the loggers below
`pegboard` and leaves the rest to its host.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

import msgspec

__all__ = ["JsonFormatter", "LogFormat", "TextFormatter", "configure"]

LogFormat = Literal["text", "json"]

LIBRARIES = ("uvicorn.error", "hypercorn.error", "asyncio", "anyio")
"""Loggers that say much below a warning that only their own developers need."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31;1m"}
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class TextFormatter(logging.Formatter):
    """One line for a record, with its traceback below.

    Args:
        colours: Whether the line may be coloured.
    """

    def __init__(self, *, colours: bool = False) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record; no control character of a message reaches a terminal."""
        text = super().format(record)
        text = _CONTROL.sub("\N{MIDDLE DOT}", text)
        colour = _COLOURS.get(record.levelname) if self._colours else None
        return f"{colour}{text}\x1b[0m" if colour else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and what the record brings."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        time = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **{key: value for key, value in vars(record).items() if key not in _PLAIN},
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=repr).decode()


def configure(kind: LogFormat, level: str, *, stream: TextIO | None = None) -> None:
    """Write the log of this process to standard error.

    Args:
        kind: For people or for machines.
        level: Least severe level that is written.
        stream: Where to, standard error by default.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        JsonFormatter() if kind == "json" else TextFormatter(colours=target.isatty())
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel("DEBUG" if level == "DEBUG" else "WARNING")
    logging.captureWarnings(capture=True)
