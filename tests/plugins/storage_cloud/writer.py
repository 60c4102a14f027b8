"""A process that writes while its service is away.

`python -m tests.plugins.storage_cloud.writer FOLDER PORT` says which number was acknowledged, for
each of three files in turn, until it is killed.
"""

import sys
from itertools import count
from pathlib import Path

from pegboard.contracts.storage import FileKey
from tests.plugins.storage_cloud.conftest import away_store


def write(folder: Path, port: int) -> None:
    store = away_store(folder, port)
    for number in count(1):
        name = f"f{number % 3}"
        key = FileKey(scope="mod_data", owner="", mod="notes", name=name)
        assert store.write(key, b"%d" % number).pending
        print(name, number, flush=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
