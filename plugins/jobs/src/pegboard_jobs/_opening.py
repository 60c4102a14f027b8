"""Opens stores by path or URL."""

from __future__ import annotations

from pathlib import Path

from pegboard.errors import ConfigError
from pegboard_jobs._ledger import Ledger
from pegboard_jobs._liveness import FileLiveness
from pegboard_jobs._sqlite import open_sqlite
from pegboard_jobs._store import RecordStore

__all__ = ["open_ledger"]

FILE = "jobs.sqlite"
LOCKS = "alive"
PERIOD_FILE = 0.025  # seconds between two looks for dead processes of this machine
PERIOD_SERVER = 0.2  # the same where a server is asked

SCHEMES = ("postgresql://", "postgres://")


def open_ledger(folder: Path, url: str = "") -> Ledger:
    """Open a store; blocks.

    Args:
        folder: Folder of the SQLite file, and of the locks of its processes.
        url: URL of a PostgreSQL database in place of it.

    Raises:
        ConfigError: If the URL is none of PostgreSQL, or the driver is not installed.
        PegboardError: If it cannot be opened.
    """
    if not url:
        store = RecordStore(open_sqlite(folder / FILE))
        liveness = FileLiveness(folder / LOCKS)
        return Ledger(store, liveness, address=str(folder.resolve()), period=PERIOD_FILE)
    if not url.startswith(SCHEMES):
        msg = f"the URL of a job store begins with {SCHEMES[0]}, not with {url.partition(':')[0]}:"
        raise ConfigError(msg)
    return _open_postgres(url)


def _open_postgres(url: str) -> Ledger:
    try:
        from pegboard_jobs._postgres import PostgresDatabase
        from pegboard_jobs._postgres_liveness import PostgresLiveness
    except ModuleNotFoundError as error:
        msg = "jobs on PostgreSQL need its driver: pip install 'pegboard-jobs[postgres]'"
        raise ConfigError(msg) from error
    store = RecordStore(PostgresDatabase(url))
    return Ledger(store, PostgresLiveness(url), address=url, period=PERIOD_SERVER)
