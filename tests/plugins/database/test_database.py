import gc
import stat
import threading
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import msgspec
import pytest

from pegboard.errors import ConfigError
from pegboard_database import (
    ClosedError,
    ConstraintError,
    CorruptError,
    Database,
    Schema,
    StatementError,
)

NOTES = Schema(
    "notes",
    ["create table note (id integer primary key, text text not null unique, is_read integer)"],
)


class Colour(Enum):
    RED = "red"


class Sample(msgspec.Struct):
    at: datetime
    colour: Colour
    is_read: bool
    data: bytes
    share: float | None


@pytest.fixture
def database(tmp_path: Path):
    with Database(tmp_path / "notes.db", NOTES) as database:
        yield database


def texts(database: Database) -> list[str]:
    return [row[0] for row in database.read(lambda s: s.all("select text from note order by id"))]


def test_what_was_written_is_read(database: Database) -> None:
    assert database.write(lambda tx: tx.execute("insert into note values (7, ?, 0)", "hi")) == 1
    assert database.read(lambda s: s.first("select id, text from note")) == (7, "hi")


def test_values_are_bound_by_name_or_in_order_and_not_both(database: Database) -> None:
    database.write(lambda tx: tx.execute("insert into note values (:id, :text, 0)", id=1, text="a"))
    with pytest.raises(TypeError, match="not both"):
        database.read(lambda s: s.all("select ?, :x", 1, x=2))
    assert texts(database) == ["a"]


def test_rows_become_structs(database: Database) -> None:
    query = "select ? as at, 'red' as colour, 1 as is_read, x'00ff' as data, null as share"
    now = datetime.now(UTC)
    sample = database.read(lambda s: s.first_as(Sample, query, now.isoformat()))
    assert sample == Sample(now, Colour.RED, is_read=True, data=b"\x00\xff", share=None)


def test_a_row_that_does_not_fit_the_struct_is_an_error(database: Database) -> None:
    with pytest.raises(msgspec.ValidationError, match="colour"):
        database.read(lambda s: s.all_as(Sample, "select 1 as at, 'blue' as colour"))


def test_no_row_is_none_or_an_empty_list(database: Database) -> None:
    query = "select * from note"
    assert database.read(lambda s: (s.first(query), s.value(query), s.all(query))) == (
        None,
        None,
        [],
    )
    assert database.read(lambda s: (s.first_as(Sample, query), s.all_as(Sample, query))) == (
        None,
        [],
    )


def test_a_script_runs_to_its_end(database: Database) -> None:
    script = "insert into note values (1, 'a', 0) returning id; insert into note values (2, 'b', 0)"
    assert database.write(lambda tx: tx.execute(script)) == 2
    assert texts(database) == ["a", "b"]


def test_many_rows_are_written_by_one_statement(database: Database) -> None:
    rows = [(str(number),) for number in range(500)]
    insert = "insert into note (text, is_read) values (?, 0)"
    assert database.write(lambda tx: (tx.execute_many(insert, rows), tx.last_id)) == (500, 500)


def test_the_first_row_of_returning_is_enough_to_change_all(database: Database) -> None:
    database.write(lambda tx: tx.execute("insert into note values (1, 'a', 0), (2, 'b', 0)"))
    database.write(lambda tx: tx.value("update note set is_read = 1 returning id"))
    assert database.read(lambda s: s.value("select sum(is_read) from note")) == 2


def test_a_piece_of_work_that_raises_changes_nothing(database: Database) -> None:
    def fail(transaction) -> None:
        transaction.execute("insert into note values (1, 'a', 0)")
        raise LookupError

    with pytest.raises(LookupError):
        database.write(fail)
    assert texts(database) == []


def test_a_constraint_is_a_conflict(database: Database) -> None:
    database.write(lambda tx: tx.execute("insert into note values (1, 'a', 0)"))
    with pytest.raises(ConstraintError, match="refused a row"):
        database.write(lambda tx: tx.execute("insert into note values (2, 'a', 0)"))


def test_a_wrong_statement_is_told_without_its_text(database: Database) -> None:
    with pytest.raises(StatementError, match="for database") as caught:
        database.read(lambda s: s.all("select secret from nowhere"))
    assert "secret" not in str(caught.value)
    assert "nowhere" in str(caught.value.__cause__)


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(Exception, match="read-only"):
        database.read(lambda s: s.all("delete from note"))


def test_a_reader_sees_one_state_for_all_of_its_queries(database: Database) -> None:
    def look_twice(snapshot) -> list[int]:
        before = snapshot.value("select count(*) from note")
        database.write(lambda tx: tx.execute("insert into note values (1, 'a', 0)"))
        return [before, snapshot.value("select count(*) from note")]

    assert database.read(look_twice) == [0, 0]
    assert texts(database) == ["a"]


def test_a_write_inside_a_write_is_refused_and_does_not_hang(database: Database) -> None:
    with pytest.raises(RuntimeError, match="use the transaction"):
        database.write(lambda _: database.write(lambda _: None))


def test_work_that_ends_the_transaction_of_others_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="ended the transaction"):
        database.write(lambda tx: tx.execute("commit"))
    database.write(lambda tx: tx.execute("insert into note values (1, 'a', 0)"))
    assert texts(database) == ["a"]


def test_all_handles_of_a_file_share_one_writer(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db") as first, Database(tmp_path / ".." / tmp_path.name / "a.db"):
        threads = [each for each in threading.enumerate() if each.name == "database a.db"]
        assert len(threads) == 1
        assert first.statistics().waiting == 0
    assert not [each for each in threading.enumerate() if each.name == "database a.db"]


def test_a_handle_that_is_closed_says_so_and_the_others_go_on(tmp_path: Path) -> None:
    first, second = Database(tmp_path / "a.db", NOTES), Database(tmp_path / "a.db", NOTES)
    first.close()
    first.close()
    with pytest.raises(ClosedError, match=r"a\.db is closed"):
        first.read(texts)
    assert texts(second) == []
    second.close()


def test_a_handle_that_nobody_closed_takes_its_thread_along(tmp_path: Path) -> None:
    others = set(threading.enumerate())
    Database(tmp_path / "lost.db")
    gc.collect()
    while threads := [each for each in set(threading.enumerate()) - others if each.is_alive()]:
        threads[0].join()


def test_folder_and_file_belong_to_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "a.db"
    with Database(path, NOTES) as database:
        database.write(lambda tx: tx.execute("insert into note values (1, 'a', 0)"))
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {"a.db": 0o600, "a.db-wal": 0o600, "a.db-shm": 0o600}


def test_a_name_in_any_script_is_a_file_name(tmp_path: Path) -> None:
    path = tmp_path / "größe 漢字?mode=ro#x.db"
    with Database(path, NOTES):
        assert path.exists()


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"this is not a database " * 100)
    with pytest.raises(CorruptError, match=r"a\.db"):
        Database(path, NOTES)
    assert path.read_bytes().startswith(b"this is not")


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.db").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "a.db", tmp_path / "file" / "b.db"):
        with pytest.raises(ClosedError, match=path.name):
            Database(path)


def test_a_damaged_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Database(path, NOTES) as database:
        rows = [("x" * 900 + str(number),) for number in range(200)]
        database.write(lambda tx: tx.execute_many("insert into note (text) values (?)", rows))
        assert database.check() == []
    content = bytearray(path.read_bytes())
    content[4096 * 10 : 4096 * 12] = b"\xaa" * 8192
    path.write_bytes(content)
    with Database(path, NOTES) as database:
        assert database.check()


def test_the_steps_of_a_schema_run_once_and_in_order(tmp_path: Path) -> None:
    steps = [
        "create table a (n integer)",
        lambda tx: tx.execute("insert into a values (?)", 1),
    ]
    for _ in range(2):
        with Database(tmp_path / "a.db", Schema("a", steps)) as database:
            assert database.read(lambda s: s.all("select n from a")) == [(1,)]
    steps.append("update a set n = n + 1; update a set n = n * 10")
    with Database(tmp_path / "a.db", Schema("a", steps), NOTES) as database:
        assert database.read(lambda s: s.all("select n from a")) == [(20,)]
        versions = database.read(lambda s: dict(s.all("select name, version from pegboard_schema")))
    assert versions == {"a": 3, "notes": 1}


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db", Schema("a", ["create table a (n)", "create table b (n)"])):
        pass
    with pytest.raises(ConfigError, match="upgrade the package"):
        Database(tmp_path / "a.db", Schema("a", ["create table a (n)"]))


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(StatementError):
        Database(tmp_path / "a.db", Schema("a", ["create table a (n)", "create tabel b (n)"]))
    with Database(tmp_path / "a.db") as database:
        assert database.read(lambda s: s.all("select name from sqlite_schema")) == []
