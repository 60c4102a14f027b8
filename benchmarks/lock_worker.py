"""One process of the suite `lock`: `python -m benchmarks.lock_worker MODULE FOLDER COUNT HOLD`.

It waits for a line, then enters the lock COUNT times, holds it HOLD seconds each time, and prints
the seconds that it waited for each.
"""

import json
import sys
from importlib import import_module
from time import perf_counter


def main(module: str, folder: str, count: int, hold: float) -> None:
    """Take turns."""
    enter = import_module(module).open_lock(folder)
    print(flush=True)
    sys.stdin.readline()
    waits = []
    for _ in range(count):
        since = perf_counter()
        with enter():
            entered = perf_counter()
            while perf_counter() - entered < hold:
                pass
        waits.append(entered - since)
    print(json.dumps(waits), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
