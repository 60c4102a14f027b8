"""Opens stores by path or URL."""

from __future__ import annotations

from pathlib import Path

from pegboard_database import open_records
from pegboard_jobs._ledger import Ledger
from pegboard_jobs._liveness import FileLiveness
from pegboard_jobs._schema import SCHEMA
from pegboard_jobs._store import RecordStore

__all__ = ["open_ledger"]

FILE = "jobs.sqlite"
LOCKS = "alive"
PERIOD_FILE = 0.025  # seconds between two looks for dead processes of this machine
PERIOD_SERVER = 0.2  # the same where a server is asked


def open_ledger(folder: Path, url: str = "") -> Ledger:
    """Open a store; blocks.

    Args:
        folder: Folder of the SQLite file, and of the locks of its processes.
        url: URL of a PostgreSQL database in place of it.

    Raises:
        ConfigError: If the URL is none of PostgreSQL, or the driver is not installed.
        PegboardError: If it cannot be opened.
    """
    store = RecordStore(open_records(folder / FILE, url, SCHEMA))
    if not url:
        liveness = FileLiveness(folder / LOCKS)
        return Ledger(store, liveness, address=str(folder.resolve()), period=PERIOD_FILE)
    from pegboard_jobs._postgres_liveness import PostgresLiveness

    return Ledger(store, PostgresLiveness(url), address=url, period=PERIOD_SERVER)
