"""Writers that are killed, and places that cannot be written: a program of its own, since it forks.

`python chaos.py WHAT FOLDER [COUNT]` prints what it did as JSON, or fails with what is wrong. Each
writer is a fork, which is killed at a call to the system that is counted, or at any moment.
"""

import json
import os
import random
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from pegboard.contracts.storage import ABSENT, FileKey, Store
from pegboard.errors import UnavailableError
from pegboard.testing.store_suite import file_key
from pegboard_storage._encryption import EncryptedStore
from pegboard_storage._key_source import FileKeys, Keys
from pegboard_storage_local import LocalStore
from tests import fault

KEY = file_key("private.data", scope="user_private", owner="alice")
PAD = b"what is sealed"
OLD, NEW = b'{"n":1,"pad":"%s"}' % PAD, b'{"n":2,"pad":"%s"}' % (PAD * 500)
FILES = 5


def store_in(folder: Path) -> Store:
    return EncryptedStore(LocalStore(folder / "files"), Keys(FileKeys(folder / "keys")))


def inner_of(folder: Path) -> LocalStore:
    return LocalStore(folder / "files")


def forked(work: Callable[[int], None]) -> tuple[int, int]:
    """Run `work` in a fork, with a pipe to write to; return its id and the pipe to read from."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    status = 1
    try:
        os.close(reading)
        work(writing)
        status = 0
    except Exception:  # noqa: BLE001 - the fork has to end, whatever it is
        traceback.print_exc()
    finally:
        os._exit(status)


def ended(child: int) -> int:
    """Wait for a fork; return the signal that has killed it, 0 for none."""
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"writer failed: {status}"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def rest_of(pipe: int) -> bytes:
    with os.fdopen(pipe, "rb") as file:
        return file.read()


# -- killed at each call -------------------------------------------------------------------


def write(store: Store) -> None:
    store.write(KEY, NEW)


def update(store: Store) -> None:
    store.update(KEY, lambda _entry: NEW)


def delete(store: Store) -> None:
    store.delete(KEY)


ACTS = [
    (write, OLD, NEW),
    (write, None, NEW),
    (update, OLD, NEW),
    (delete, OLD, None),
]


def calls(folder: Path, step: int) -> dict[str, int]:
    """Kill a writer before each of its calls to the system, or every `step` of them."""
    killed = 0
    for index, (act, before, after) in enumerate(ACTS):
        number = 1 + index % step
        while kill_at(folder, act, before, after, number):
            killed += 1
            number += step
    return {"killed": killed, "acts": len(ACTS)}


def kill_at(
    folder: Path,
    act: Callable[[Store], None],
    before: bytes | None,
    after: bytes | None,
    number: int,
) -> bool:
    prepare(folder, before)

    def work(pipe: int) -> None:
        store = store_in(folder)
        with fault.dying(number):
            act(store)
            os.write(pipe, b"done")

    child, pipe = forked(work)
    said = rest_of(pipe)
    is_killed = ended(child) == signal.SIGKILL
    assert not any(PAD in each.read_bytes() for each in folder.rglob("*") if each.is_file()), number
    entry = store_in(folder).read(KEY)
    content = None if entry is None else entry.data
    assert content in {before, after}, (act.__name__, number, content)
    assert said != b"done" or content == after, (act.__name__, number, content)
    store_in(folder).write(KEY, OLD)  # nobody waits for a lock of the dead
    assert not list(folder.rglob("*~new")), number
    return is_killed


def prepare(folder: Path, content: bytes | None) -> None:
    store = store_in(folder)
    store.delete(KEY)
    if content is not None:
        store.write(KEY, content, expected_version=ABSENT)


# -- killed at random ----------------------------------------------------------------------


def at_random(folder: Path, count: int) -> dict[str, int]:
    """Kill a writer `count` times, at any moment; nothing it has acknowledged may be lost."""
    chance = random.Random(os.environ.get("PEGBOARD_SEED", "1"))
    keys = [file_key(f"{number}.data", scope="user_private", owner="a") for number in range(FILES)]
    acknowledged = dict.fromkeys(keys, 0)
    total = unacknowledged = 0
    for _ in range(count):
        child, pipe = forked(lambda out: write_for_ever(folder, keys, dict(acknowledged), out))
        with os.fdopen(pipe, "rb", buffering=0) as file:
            for _ in range(chance.randrange(1, 12)):
                total += note(file.read(8), keys, acknowledged)
            time.sleep(chance.random() * 0.004)  # any moment of a write that goes on
            os.kill(child, signal.SIGKILL)
            while record := file.read(8):
                total += note(record, keys, acknowledged)
        assert ended(child) == signal.SIGKILL
        store = store_in(folder)
        for key in keys:
            entry = store.read(key)
            found = 0 if entry is None else int(json.loads(entry.data)["n"])
            assert found in {acknowledged[key], acknowledged[key] + 1}, (key, found)
            unacknowledged += found != acknowledged[key]
            acknowledged[key] = found
    left = len(list(folder.rglob("*~new")))
    assert left <= len(keys)
    return {
        "killed": count, "acknowledged": total, "in flight": unacknowledged, "left": left,
    }  # fmt: skip


def write_for_ever(
    folder: Path, keys: list[FileKey], numbers: dict[FileKey, int], out: int
) -> None:
    store = store_in(folder)
    while True:
        for index, key in enumerate(keys):
            numbers[key] += 1
            pad = "x" * (numbers[key] * 37 % 3_000)
            store.write(key, json.dumps({"n": numbers[key], "pad": pad}).encode())
            os.write(out, struct.pack("!II", index, numbers[key]))


def note(record: bytes, keys: list[FileKey], acknowledged: dict[FileKey, int]) -> int:
    index, number = struct.unpack("!II", record)
    assert number == acknowledged[keys[index]] + 1
    acknowledged[keys[index]] = number
    return 1


# -- places that cannot be written ---------------------------------------------------------


def full(folder: Path, _count: int) -> dict[str, int]:
    """Let files have 4 KiB at most, and write more."""
    prepare(folder, OLD)

    def work(pipe: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        refuse(store_in(folder), pipe)

    child, pipe = forked(work)
    return outcome(folder, child, rest_of(pipe))


def read_only(folder: Path, _count: int) -> dict[str, int]:
    """Write as somebody who may read only."""
    prepare(folder, OLD)
    files = [path for path in folder.rglob("*") if path.is_file()]
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in files + folders:
        path.chmod(0o444 if path in files else 0o555)

    def work(pipe: int) -> None:
        if os.getuid() == 0:
            os.setuid(65534)
        store = inner_of(folder)
        assert store.read(KEY) is not None
        refuse(store, pipe)

    child, pipe = forked(work)
    refused = rest_of(pipe)
    for path in files + folders:
        path.chmod(0o600 if path in files else 0o700)
    return outcome(folder, child, refused)


def filled(folder: Path, _count: int) -> dict[str, int]:
    """Fill a small file system that is mounted at the folder, to the last byte."""
    prepare(folder, OLD)
    store = store_in(folder)
    filler = folder / "filler"
    refused = 0
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError:
            pass
    for act in (write, update):
        refused += is_refused(act, store)
        assert store_in(folder).read(KEY).data == OLD
    assert not list(folder.rglob("*.tmp"))
    filler.unlink()
    write(store)
    assert store_in(folder).read(KEY).data == NEW
    return {"refused": refused}


def refuse(store: Store, pipe: int) -> None:
    os.write(pipe, bytes([sum(is_refused(act, store) for act in (write, update))]))


def is_refused(act: Callable[[Store], None], store: Store) -> bool:
    try:
        act(store)
    except UnavailableError:
        return True
    return False


def outcome(folder: Path, child: int, refused: bytes) -> dict[str, int]:
    assert ended(child) == 0
    entry = store_in(folder).read(KEY)
    assert entry is not None
    assert entry.data == OLD
    assert not list(folder.rglob("*.tmp"))
    return {"refused": refused[0]}


PROGRAMS = {
    "calls": calls,
    "random": at_random,
    "full": full,
    "filled": filled,
    "read-only": read_only,
}

if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    print(json.dumps(PROGRAMS[what](where, int((sys.argv[3:] or ["20"])[0]))))
