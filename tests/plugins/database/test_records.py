"""Records in a file and on a server: the same tables, the same answers, the same errors."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import msgspec
import pytest

from pegboard.errors import ConfigError, UnavailableError
from pegboard_database import Changes, ConstraintError, Records, Schema, open_records
from pegboard_database._dialect import postgres_script

SCRIPT = """
create table visit (
    id integer primary key autoincrement, who text not null unique, at real not null, seal blob
) strict;
create table mark (name text primary key) strict, without rowid;
create view visit_shown as select id, who, at, seal is not null as sealed from visit;
"""


def leave_a_mark(tables: Changes) -> None:
    tables.execute("insert into mark values (?)", "%?")


SCHEMA = Schema("visits", [SCRIPT, leave_a_mark])
INSERT = "insert into visit (who, at, seal) values (?, ?, ?)"


class Visit(msgspec.Struct):
    id: int
    who: str
    at: float
    sealed: bool


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("postgres").database() if request.param == "postgres" else ""


@pytest.fixture
def records(url: str, tmp_path: Path) -> Iterator[Records]:
    opened = open_records(tmp_path / "visits.db", url, SCHEMA)
    yield opened
    opened.close()


def test_rows_become_structs(records):
    rows = [("Ada", 0.5, b"\x00\xff"), ("Grace 100%", 2.0, None)]
    assert records.write(lambda tables: tables.execute_many(INSERT, rows)) == 2
    found = records.read(lambda rows: rows.all_as(Visit, "select * from visit_shown order by id"))
    assert found == [Visit(1, "Ada", 0.5, True), Visit(2, "Grace 100%", 2.0, False)]
    seal = records.read(lambda rows: rows.value("select seal from visit where who = ?", "Ada"))
    assert seal == b"\x00\xff"
    query = "select * from visit_shown where id = ?"
    assert records.read(lambda rows: rows.first_as(Visit, query, 9)) is None


def test_work_that_is_refused_leaves_nothing_and_harms_nobody(records):
    def both(tables):
        tables.execute(INSERT, "Bob", 1.0, None)
        tables.execute(INSERT, "Bob", 2.0, None)

    with pytest.raises(ConstraintError):
        records.write(both)
    assert records.write(lambda tables: tables.execute(INSERT, "Eve", 1.0, None)) == 1
    assert records.read(lambda rows: rows.all("select who from visit")) == [("Eve",)]


@pytest.mark.anyio
async def test_many_tasks_write_at_once_and_one_is_refused(records):
    async def add(number: int) -> None:
        who = f"{number % 50}"
        try:
            await records.awrite(lambda tables: tables.execute(INSERT, who, 1.0, None))
        except ConstraintError:
            lost.append(who)

    lost: list[str] = []
    async with anyio.create_task_group() as tasks:
        for number in range(51):
            tasks.start_soon(add, number)
    assert lost == ["0"]
    assert await records.aread(lambda rows: rows.value("select count(*) from visit")) == 50


def test_opened_again_the_steps_do_not_run_again_and_newer_ones_are_refused(records, url, tmp_path):
    again = open_records(tmp_path / "visits.db", url, SCHEMA)
    assert again.read(lambda rows: rows.all("select * from mark")) == [("%?",)]
    again.close()
    with pytest.raises(ConfigError, match="have version 2, this code knows 1"):
        open_records(tmp_path / "visits.db", url, Schema("visits", [SCRIPT]))


def test_closed_records_refuse_work(url, tmp_path):
    records = open_records(tmp_path / "visits.db", url, SCHEMA)
    records.close()
    with pytest.raises(UnavailableError, match="closed"):
        records.write(lambda tables: tables.execute("delete from mark"))
    with pytest.raises(UnavailableError, match="closed"):
        records.read(lambda rows: rows.all("select * from mark"))


def test_two_kinds_of_records_share_a_server(url, tmp_path):
    other = Schema("others", ["create table other (id integer primary key)"])
    with (
        closing(open_records(tmp_path / "a.db", url, SCHEMA)) as one,
        closing(open_records(tmp_path / "b.db", url, other)),
    ):
        assert one.write(lambda tables: tables.execute(INSERT, "Ada", 1.0, None)) == 1


def test_another_scheme_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="begins with postgresql://, not with mysql:"):
        open_records(tmp_path / "visits.db", "mysql://here", SCHEMA)


def test_a_script_for_the_server_has_its_types_and_no_options():
    script = postgres_script("create table a (n integer, r real, b blob) strict, without rowid;")
    assert script == "create table a (n bigint, r double precision, b bytea);"


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_a_server_that_refuses_what_every_commit_needs_is_heard_and_the_writer_goes_on(records):
    rename = "alter table pegboard_writer rename to %s"
    records.write(lambda tables: tables.execute("create table other (n integer)"))
    with pytest.raises(UnavailableError, match="pegboard_writer"):
        records.write(lambda tables: tables.execute(rename % "hidden"))
    assert records.write(lambda tables: tables.execute("insert into other values (1)")) == 1
