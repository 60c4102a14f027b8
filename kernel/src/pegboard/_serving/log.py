"""How the command line writes its log: for people, or one JSON object a line for machines.

Only the command line calls `configure`. An app that is embedded logs to the loggers below
`pegboard` and leaves the rest to its host.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from textwrap import indent
from traceback import TracebackException
from typing import Any, Literal, TextIO

import msgspec

__all__ = ["JsonFormatter", "LogFormat", "TextFormatter", "configure"]

LogFormat = Literal["text", "json"]

LIBRARIES = ("uvicorn.error", "hypercorn.error", "asyncio", "anyio")
"""Loggers that say much below a warning that only their own developers need."""

_LINE_ENDS = str.maketrans({end: repr(end)[1:-1] for end in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"})
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31;1m"}
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


_MACHINERY = (
    "<frozen importlib",
    *(
        f"{Path(spec.origin).parent}{os.sep}"
        for name in ("pegboard", "importlib", "anyio", "asyncio")
        if (spec := find_spec(name)) and spec.origin
    ),
)
"""Files whose frames say nothing of the user's code, as they only lead there."""


class TextFormatter(logging.Formatter):
    """One line for a record; below it, indented, the frames of its traceback that matter.

    Args:
        colours: Whether the line may be coloured.
    """

    def __init__(self, *, colours: bool = False) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record; no control character of a message reaches a terminal."""
        record.exc_text = None  # another formatter may have left its own there
        text = super().format(record)
        record.exc_text = None
        text = _CONTROL.sub("\N{MIDDLE DOT}", text)
        colour = _COLOURS.get(record.levelname) if self._colours else None
        return f"{colour}{text}\x1b[0m" if colour else text

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name of the base class
        """Return the line itself, which a line end in the message does not end."""
        return super().formatMessage(record).translate(_LINE_ENDS)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name of the base class
        """Return the traceback without the frames that only lead to the user's code."""
        trace = TracebackException(*ei)
        _shorten(trace)
        return indent("".join(trace.format()).rstrip(), "  ")


def _shorten(trace: TracebackException | None) -> None:
    """Keep the frames of the user's code; where there are none, all."""
    seen: set[int] = set()
    while trace is not None and id(trace) not in seen:
        seen.add(id(trace))
        own = [frame for frame in trace.stack if not frame.filename.startswith(_MACHINERY)]
        if own or hasattr(trace, "lineno"):  # a SyntaxError, which names file and line itself
            trace.stack[:] = own
        for each in trace.exceptions or ():
            _shorten(each)
        trace = trace.__cause__ or (None if trace.__suppress_context__ else trace.__context__)


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
        try:
            return msgspec.json.encode(line, enc_hook=repr).decode()
        except UnicodeEncodeError:  # a name of a file that is not UTF-8
            return json.dumps(line, default=repr)


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
