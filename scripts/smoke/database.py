"""The database alone: a file is made, written, and read again by another process."""

import subprocess
import sys
from importlib.util import find_spec

from pegboard_database import Database, Schema

SCHEMA = Schema("names", ["create table name (text text primary key) strict"])
READ = """
from pegboard_database import Database
with Database("names.db") as database:
    print(database.read(lambda snapshot: snapshot.value("select text from name")))
"""

assert find_spec("pegboard_locking") is None
with Database("names.db", SCHEMA) as database:
    assert database.write(
        lambda transaction: transaction.execute("insert into name values ('Ada')")
    )
    other = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True)
    assert other.stdout == "Ada\n", other
    assert database.check() == []
