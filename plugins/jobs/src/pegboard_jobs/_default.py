"""Which store code gets that names none: the running app's, or that of the working directory."""

from __future__ import annotations

import atexit
import weakref
from pathlib import Path
from threading import Lock
from uuid import UUID

from pegboard_jobs._ledger import Ledger
from pegboard_jobs._opening import open_ledger
from pegboard_jobs._record import Job

__all__ = ["default_ledger", "get_job", "offered", "withdrawn"]

FOLDER = Path(".pegboard") / "jobs"

_lock = Lock()
_offered: list[weakref.ref[Ledger]] = []
_opened: dict[Path, Ledger] = {}


def offered(ledger: Ledger) -> None:
    """Let code that names no store use this one: an app runs that has it."""
    with _lock:
        _offered.append(weakref.ref(ledger))


def withdrawn(ledger: Ledger) -> None:
    """Take a store back: its app stops."""
    with _lock:
        _offered[:] = [each for each in _offered if each() not in {None, ledger}]


def default_ledger() -> Ledger:
    """Return the store of the app that started last, or else of the working directory; may block.

    Raises:
        PegboardError: If it cannot be opened.
    """
    with _lock:
        for each in reversed(_offered):
            ledger = each()
            if ledger is not None:
                return ledger
        folder = FOLDER.absolute()
        if folder not in _opened:
            atexit.register(close_all)  # here, since what is registered keeps this code alive
            _opened[folder] = open_ledger(folder)
            atexit.register(close_all)  # here: at the import it would keep each reloaded version
        return _opened[folder]


async def get_job(uuid: UUID) -> Job:
    """Return a job of the running app, or of the working directory.

    Raises:
        NotFoundError: If there is none.
    """
    return await default_ledger().store.get(uuid)


def close_all() -> None:
    """Close what was opened here; done at the end of the process."""
    atexit.unregister(close_all)
    with _lock:
        opened = list(_opened.values())
        _opened.clear()
    atexit.unregister(close_all)
    for ledger in opened:
        ledger.close()
