"""Who holds a lock, as its file tells everyone: a slot of fixed size for each holder.

A slot begins with `+`, or with `-` once its holder has let go. A holder that was killed leaves its
`+`; its process is asked for instead. No slot is ever needed for the lock itself to hold.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote

from pegboard.contracts.lock import LockHolder

__all__ = ["HOST", "SLOT", "SLOTS", "free_slot", "holders", "name_in", "slot"]

SLOT = 512  # bytes
SLOTS = 64  # shared holders that are told; more of them hold as well, and are not
NAME = 180  # bytes of the lock's name that are told

HOST = socket.gethostname()[:200]


class Process:
    """This process, as slots name it; another one after a fork."""

    pid = 0
    started = ""

    @classmethod
    def current(cls) -> str:
        """Return the words that name this process."""
        pid = os.getpid()
        if pid != cls.pid:
            cls.pid, cls.started = pid, _started(pid)
        return f"{pid} {cls.started} {HOST}"


def slot(name: str, *, shared: bool, since: float) -> bytes:
    """Return the slot of this process."""
    kind = "s" if shared else "x"
    words = f"+{kind} {Process.current()} {since!r} {_quoted(name)}"
    return words.encode("ascii", "replace").ljust(SLOT - 1)[: SLOT - 1] + b"\n"


def holders(content: bytes) -> list[LockHolder]:
    """Return the holders that the slots tell, without those that are dead."""
    found = (_parse(content[at : at + SLOT]) for at in range(0, len(content), SLOT))
    return [each for each in found if each is not None]


def free_slot(content: bytes) -> int | None:
    """Return the number of a slot that nobody living has, None if all are taken."""
    count = len(content) // SLOT
    for number in range(min(count, SLOTS)):
        if _parse(content[number * SLOT : (number + 1) * SLOT]) is None:
            return number
    return count if count < SLOTS else None


def name_in(content: bytes) -> str:
    """Return the beginning of the lock's name, empty where nobody ever had it."""
    words = content[:SLOT].split()
    return unquote(words[-1].decode("ascii", "replace")) if len(words) == len(_WORDS) else ""


@lru_cache(maxsize=256)
def _quoted(name: str) -> str:
    return quote(name, errors="replace")[:NAME]


_WORDS = ("kind", "pid", "started", "host", "since", "name")


def _parse(data: bytes) -> LockHolder | None:
    """Return the holder of a slot; a slot that is torn or of another format tells nobody."""
    words = data.decode("ascii", "replace").split()
    if len(words) != len(_WORDS) or words[0] not in {"+x", "+s"}:
        return None
    try:
        pid, since = int(words[1]), datetime.fromtimestamp(float(words[4]), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    host = words[3]
    if host == HOST and not _is_alive(pid, words[2]):
        return None
    return LockHolder(pid=pid, host=host, since=since, shared=words[0] == "+s")


def _is_alive(pid: int, started: str) -> bool:
    """Whether a process of this machine lives, and is the one that was meant."""
    now = _started(pid)
    if now != "-":
        return started in {now, "-"}
    if os.name != "posix":
        return True  # there is no asking without ending it; the lock itself tells
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return started == "-"


def _started(pid: int) -> str:
    """Return when a process began, in ticks of its machine; `-` where that cannot be found out."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - half the time of Path.open
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return "-"
    return "-" if fields[0] == b"Z" else fields[19].decode()
