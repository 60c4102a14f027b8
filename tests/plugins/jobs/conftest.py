"""Stores on both databases; the server is started once for all tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pegboard_jobs import open_ledger
from pegboard_jobs._ledger import Ledger
from tests.servers.postgres import PostgresServer

OpenLedger = Callable[[], Ledger]


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store: none for SQLite."""
    if request.param == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def open_another(store_url: str, tmp_path: Path) -> Iterator[OpenLedger]:
    """Open the store once more, as another process would."""
    opened: list[Ledger] = []

    def open_one() -> Ledger:
        opened.append(open_ledger(tmp_path / "jobs", store_url))
        return opened[-1]

    yield open_one
    for each in reversed(opened):
        each.close()


@pytest.fixture
def ledger(open_another: OpenLedger) -> Ledger:
    return open_another()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ask the server from one kind of loop only: its driver runs in threads and knows no loop."""
    items[:] = [item for item in items if not _is_twice(item)]


def _is_twice(item: pytest.Item) -> bool:
    values = getattr(getattr(item, "callspec", None), "params", {})
    return values.get("store_url") == "postgres" and values.get("anyio_backend") == "trio"
