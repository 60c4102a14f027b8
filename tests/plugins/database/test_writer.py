import threading
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from pegboard_database import BusyError, ClosedError, Database, FullError, Schema, Transaction

ROWS = Schema("rows", ["create table r (n integer unique) strict"])


@pytest.fixture
def database(tmp_path: Path):
    with Database(tmp_path / "a.db", ROWS) as database:
        yield database


def insert(n: int):
    return lambda transaction: transaction.execute("insert into r values (?)", n)


def numbers(database: Database) -> list[int]:
    return [row[0] for row in database.read(lambda s: s.all("select n from r order by n"))]


class Blocker:
    """Work that keeps the writer busy until it is let go."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go = threading.Event()

    def __call__(self, _transaction: Transaction) -> None:
        self.began.set()
        assert self.go.wait(30)


@pytest.mark.anyio
async def test_what_waits_together_is_committed_together(database: Database) -> None:
    blocker = Blocker()
    async with anyio.create_task_group() as group:
        group.start_soon(database.awrite, blocker)
        await to_thread.run_sync(blocker.began.wait)
        before = database.statistics().commits
        for n in range(50):
            group.start_soon(database.awrite, insert(n))
        while database.statistics().waiting < 50:
            await anyio.lowlevel.checkpoint()
        blocker.go.set()
    assert database.statistics().commits - before <= 2
    assert numbers(database) == list(range(50))


@pytest.mark.anyio
async def test_one_that_fails_takes_nobody_along(database: Database) -> None:
    blocker = Blocker()
    failed = []

    async def fail() -> None:
        with pytest.raises(BaseException, match="refused a row"):
            await database.awrite(insert(0))
        failed.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(database.awrite, blocker)
        await to_thread.run_sync(blocker.began.wait)
        group.start_soon(database.awrite, insert(0))
        await anyio.wait_all_tasks_blocked()
        group.start_soon(fail)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(database.awrite, insert(1))
        await anyio.wait_all_tasks_blocked()
        blocker.go.set()
    assert failed
    assert numbers(database) == [0, 1]


@pytest.mark.anyio
async def test_a_write_that_is_cancelled_in_time_never_runs(database: Database) -> None:
    blocker = Blocker()
    async with anyio.create_task_group() as group:
        group.start_soon(database.awrite, blocker)
        await to_thread.run_sync(blocker.began.wait)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await database.awrite(insert(1))
        assert scope.cancelled_caught
        assert database.statistics().waiting == 0
        blocker.go.set()
    await database.awrite(insert(2))
    assert numbers(database) == [2]


@pytest.mark.anyio
async def test_a_write_that_is_cancelled_too_late_is_committed_first(database: Database) -> None:
    began, go = threading.Event(), threading.Event()

    def work(transaction: Transaction) -> None:
        began.set()
        go.wait()
        insert(1)(transaction)

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(database.awrite, work)
            await to_thread.run_sync(began.wait)
            scope.cancel()
            go.set()
    assert scope.cancelled_caught
    assert numbers(database) == [1]


@pytest.mark.anyio
async def test_a_full_queue_makes_callers_wait_and_loses_none(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db", ROWS, queue=4) as database:
        highest = 0
        async with anyio.create_task_group() as group:
            for n in range(200):
                group.start_soon(database.awrite, insert(n))
            for n in range(200, 230):
                group.start_soon(to_thread.run_sync, database.write, insert(n))
            while len(await database.aread(lambda s: s.all("select n from r"))) < 230:
                highest = max(highest, database.statistics().waiting)
        assert highest <= 4
        assert numbers(database) == list(range(230))


@pytest.mark.anyio
async def test_a_queue_that_stays_full_is_an_error_after_a_while(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db", ROWS, queue=1, wait=0.1) as database:
        blocker = Blocker()
        async with anyio.create_task_group() as group:
            group.start_soon(database.awrite, blocker)
            await to_thread.run_sync(blocker.began.wait)
            group.start_soon(database.awrite, insert(1))
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(BusyError, match="1 writes wait already") as caught:
                await database.awrite(insert(2))
            with pytest.raises(BusyError, match="1 writes wait already"):
                await to_thread.run_sync(database.write, insert(3))
            blocker.go.set()
        assert caught.value.retry_after is not None
        assert numbers(database) == [1]


@pytest.mark.anyio
async def test_closing_finishes_what_was_accepted(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db", ROWS)
    blocker = Blocker()
    async with anyio.create_task_group() as group:
        group.start_soon(database.awrite, blocker)
        await to_thread.run_sync(blocker.began.wait)
        for n in range(20):
            group.start_soon(database.awrite, insert(n))
        while database.statistics().waiting < 20:
            await anyio.lowlevel.checkpoint()
        group.start_soon(database.aclose)
        await anyio.wait_all_tasks_blocked()
        blocker.go.set()
    with pytest.raises(ClosedError):
        await database.awrite(insert(99))
    with Database(tmp_path / "a.db") as database:
        assert numbers(database) == list(range(20))


@pytest.mark.anyio
async def test_several_event_loops_and_threads_write_at_once(database: Database) -> None:
    async def write_some(first: int) -> None:
        async with anyio.create_task_group() as group:
            for n in range(first, first + 50):
                group.start_soon(database.awrite, insert(n))

    def plainly(first: int) -> None:
        for n in range(first, first + 20):
            database.write(insert(n))

    async with anyio.create_task_group() as group:
        group.start_soon(to_thread.run_sync, anyio.run, write_some, 0)
        group.start_soon(to_thread.run_sync, plainly, 50)
        group.start_soon(to_thread.run_sync, plainly, 70)
        group.start_soon(write_some, 90)
    assert numbers(database) == list(range(140))


def test_a_loop_that_ended_while_it_waited_hurts_nobody(database: Database) -> None:
    blocker = Blocker()

    async def leave() -> None:
        with anyio.move_on_after(0):
            await database.awrite(blocker)

    thread = threading.Thread(target=anyio.run, args=(leave,))
    thread.start()
    database.write(insert(1))
    blocker.go.set()
    thread.join()
    assert numbers(database) == [1]


def test_a_full_disk_is_told_to_all_of_the_commit_and_ends_with_it(database: Database) -> None:
    def fill(transaction: Transaction) -> None:
        transaction.execute("create table big (x blob)")
        transaction.execute("insert into big values (zeroblob(1000000))")

    pages = database.read(lambda s: s.value("pragma page_count"))
    database.write(lambda tx: tx.execute(f"pragma max_page_count = {pages + 2}"))
    with pytest.raises(FullError, match="disk is full"):
        database.write(fill)
    database.write(lambda tx: tx.execute("pragma max_page_count = 1000000"))
    database.write(fill)
    assert database.check() == []
