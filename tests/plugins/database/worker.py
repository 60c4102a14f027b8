"""What the processes of the tests run: `python worker.py COMMAND PATH ...`."""

import os
import sys
import time

from pegboard_database import Database, Schema, Transaction

COUNTER = Schema(
    "counter",
    ["create table counter (n integer not null) strict", "insert into counter values (0)"],
)


def add(transaction: Transaction) -> int:
    n = transaction.value("select n from counter")
    transaction.execute("update counter set n = ?", n + 1)
    return int(n) + 1


def count(path: str, times: str) -> None:
    """Read, add and write, many times; the worst wait in seconds is printed."""
    worst = 0.0
    with Database(path, COUNTER) as database:
        for _ in range(int(times)):
            since = time.perf_counter()
            database.write(add)
            worst = max(worst, time.perf_counter() - since)
    print(worst)


def acknowledge(path: str) -> None:
    """Write for ever and print each number that is committed."""
    with Database(path, COUNTER) as database:
        while True:
            print(database.write(add), flush=True)


def hold(path: str) -> None:
    """Hold the write lock until standard input ends."""
    with Database(path, COUNTER) as database:

        def wait(transaction: Transaction) -> None:
            print("held", flush=True)
            sys.stdin.read()

        database.write(wait)


def fork(path: str) -> None:
    """Write in the parent, in a forked child, and in the parent again."""
    with Database(path, COUNTER) as database:
        database.write(add)
        database.read(lambda snapshot: snapshot.all("select n from counter"))
        child = os.fork()
        if child == 0:
            database.write(add)
            database.close()
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        database.write(add)
        print(status, database.read(lambda snapshot: snapshot.value("select n from counter")))
        print(database.check())


if __name__ == "__main__":
    {"count": count, "acknowledge": acknowledge, "hold": hold, "fork": fork}[sys.argv[1]](
        *sys.argv[2:]
    )
