"""What the processes of the race run: `python race.py COMMAND FOLDER ...`."""

import sys
from pathlib import Path

from pegboard.errors import PegboardError
from pegboard_locking import CheckedOutError, FileService, LockManager, StaleCheckoutError


def race(folder: str, user: str, files: str) -> None:
    """For each line that comes in, try to check out all files; answer those that were granted."""
    manager = LockManager(Path(folder) / "locks")
    for _ in sys.stdin:
        granted = []
        for number in range(int(files)):
            try:
                manager.acquire_lock(f"file {number}", user)
            except CheckedOutError:
                continue
            granted.append(str(number))
        print(" ".join(granted), flush=True)


def check_in_late(folder: str) -> None:
    """Check out, say so, wait for a line, and check in with what the check-out gave."""
    service = FileService(Path(folder) / "repo", Path(folder) / "locks", lease=0.2)
    held = service.checkout_file("a.txt", "sleeper")
    print(held.fence, flush=True)
    sys.stdin.readline()
    try:
        service.checkin_file("a.txt", "sleeper", b"late", token=held.token, fence=held.fence)
    except PegboardError as error:
        print(type(error).__name__, error, flush=True)
    else:
        print("checked in", flush=True)


def check_in_for_ever(folder: str) -> None:
    """Check out and in, and print each version that was acknowledged."""
    service = FileService(Path(folder) / "repo", Path(folder) / "locks", lease=0.5)
    number = 0
    while True:
        try:
            held = service.checkout_file("a.txt", "writer")
        except CheckedOutError:
            continue
        number += 1
        content = f"{held.fence}".encode()
        try:
            version = service.checkin_file("a.txt", "writer", content, token=held.token)
        except StaleCheckoutError:  # on a busy machine half a second may not be enough
            continue
        print("" if version is None else version.number, flush=True)


if __name__ == "__main__":
    commands = {"race": race, "late": check_in_late, "for-ever": check_in_for_ever}
    commands[sys.argv[1]](*sys.argv[2:])
