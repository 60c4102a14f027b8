"""Death and refusal at any moment: what was acknowledged is there, and the rest is readable."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pegboard.errors import UnavailableError
from pegboard_durable import Root
from pegboard_files import AdvancedFileHandler, BackupManager, FileLockManager, WriteError
from tests import fault

EVERY = max(1, int(os.environ.get("PEGBOARD_FAULT_STEP", "150")))
"""One of so many calls is killed; all of them with 1."""
ROUNDS = int(os.environ.get("PEGBOARD_FAULT_ROUNDS", "2"))
"""How often a process is killed at random."""

PROGRAM = """
import sys
from pathlib import Path
from pegboard_files import AdvancedFileHandler, BackupManager, FileLockManager
from tests.fault import dying
base, act = Path(sys.argv[2]), sys.argv[3]
locks = FileLockManager(base.parent / "locks")
handler = AdvancedFileHandler(base, lock_manager=locks)
backups = BackupManager(base.parent / "backups", base_path=base, lock_manager=locks)
handler.list_file_versions("x"), backups.list_backups()
if act in {"prune", "restore"}:
    handler.secure_write("x", "new" * 5000)
with dying(int(sys.argv[1])):
    if act == "write":
        handler.secure_write("x", "new" * 5000)
    elif act == "version":
        handler.version_manager.create_version("x")
    elif act == "restore_version":
        handler.restore_file_version("x", 1)
    elif act == "prune":
        handler.version_manager.prune("x", last=1)
    elif act == "backup":
        backups.create_backup(["x", "big"], "second")
    elif act == "restore":
        backups.restore_backup("first", overwrite=True)
    elif act == "restore_elsewhere":
        backups.restore_backup("first", base.parent / "elsewhere")
    elif act == "prune_backups":
        backups.delete_backup("first")
    print("acknowledged", flush=True)
"""
OLD, FIRST = b"old" * 4000, b"first" * 3000
BIG = random.Random(1).randbytes(400_000)


class Place:
    """A folder with a history and a backup, to be put back as it was."""

    def __init__(self, folder: Path) -> None:
        self.base = folder / "base"
        self.folder = folder
        self._saved = folder.with_name("saved")
        self.base.mkdir(parents=True)
        self.open()
        self.handler.secure_write("x", FIRST)
        self.handler.secure_write("x", OLD)
        self.handler.secure_write("big", BIG)
        self.backups.create_backup(["x", "big"], "first")
        self.handler.close()
        self.backups.close()
        shutil.copytree(folder, self._saved)

    def open(self) -> None:
        locks = FileLockManager(self.folder / "locks")
        self.handler = AdvancedFileHandler(self.base, lock_manager=locks)
        self.backups = BackupManager(
            self.folder / "backups", base_path=self.base, lock_manager=locks
        )

    def reset(self) -> None:
        self.handler.close()
        self.backups.close()
        shutil.rmtree(self.folder)
        shutil.copytree(self._saved, self.folder)
        self.open()

    def check(self) -> None:
        """Make sure that what was acknowledged before the death is there."""
        contents = [
            self.handler.version_manager.read_version("x", each.version)
            for each in self.handler.list_file_versions("x")
        ]
        contents.append((self.base / "x").read_bytes())
        assert OLD in contents
        assert {*contents} <= {FIRST, OLD, b"new" * 5000}
        assert self.handler.version_manager.verify() == []
        assert self.backups.verify_backups() == []
        elsewhere = {path.name: path.read_bytes() for path in self._elsewhere()}
        assert elsewhere.items() <= {"x": OLD, "big": BIG}.items()
        for each in self.backups.list_backups():
            target = self.folder / "back" / each["name"]
            self.backups.restore_backup(each["name"], target)
            assert (target / "big").read_bytes() == BIG
            assert (target / "x").read_bytes() in {OLD, FIRST, b"new" * 5000}
        if elsewhere:
            self.backups.restore_backup("first", self.folder / "elsewhere")
            Root(self.folder / "elsewhere").sweep(older_than=0)
            assert {path.name for path in (self.folder / "elsewhere").iterdir()} == {"x", "big"}
        self.handler.secure_write("x", "goes on")
        self.backups.create_backup(["x", "big"], "goes on")

    def _elsewhere(self) -> list[Path]:
        """Return the files of a restore; what a killed writer left is none of them."""
        return [path for path in (self.folder / "elsewhere").glob("*") if path.suffix != ".tmp"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "place")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "act",
    [
        "write",
        "version",
        "restore_version",
        "prune",
        "backup",
        "restore",
        "restore_elsewhere",
        "prune_backups",
    ],
)
def test_a_kill_at_any_call_loses_nothing_that_was_acknowledged(place: Place, act: str) -> None:
    number, is_over, said = min(EVERY, 11), False, ""
    with fault.victim(PROGRAM) as run:
        while not is_over:
            place.reset()
            is_over, said = run(place.base, act, number=number)
            if "acknowledged" in said:
                require_done(place, act)
            else:
                assert "first" in {each["name"] for each in place.backups.list_backups()} or (
                    act == "prune_backups"
                )
            place.check()
            number += EVERY
    assert "acknowledged" in said
    assert number > 20


def require_done(place: Place, act: str) -> None:
    content = (place.base / "x").read_bytes()
    numbers = [each.version for each in place.handler.list_file_versions("x")]
    names = [each["name"] for each in place.backups.list_backups()]
    expected = {
        "write": content == b"new" * 5000 and numbers == [1, 2],
        "version": numbers == [1, 2],
        "restore_version": content == FIRST and numbers == [1, 2],
        "prune": numbers == [2],
        "backup": names == ["first", "second"],
        "restore": content == OLD,
        "restore_elsewhere": (place.folder / "elsewhere" / "big").exists(),
        "prune_backups": names == [],
    }
    assert expected[act]


@pytest.mark.timeout(3600)
def test_a_kill_at_any_time_loses_no_acknowledged_write(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pegboard_files import AdvancedFileHandler, FileLockManager\n"
        "handler = AdvancedFileHandler(sys.argv[1], lock_manager=FileLockManager(sys.argv[2]))\n"
        "count = int(handler.secure_read('x')['content'].split()[0])\n"
        "while True:\n"
        "    count += 1\n"
        "    handler.secure_write('x', f'{count} ' * 2000)\n"
        "    print(count, flush=True)\n"
    )
    base, locks = tmp_path / "base", tmp_path / "locks"
    AdvancedFileHandler(base, lock_manager=FileLockManager(locks)).secure_write("x", "0 " * 2000)
    said = 0
    for round_ in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-c", program, base, locks], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(random.Random(round_).randrange(1, 30)):
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        said = max([said, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        handler = AdvancedFileHandler(base, lock_manager=FileLockManager(locks))
        content = handler.secure_read("x")["content"]
        count = int(content.split()[0])
        assert content == f"{count} " * 2000
        assert count in {said, said + 1}
        kept = {
            handler.version_manager.read_version("x", each.version)
            for each in handler.list_file_versions("x")
        }
        assert {(f"{n} " * 2000).encode() for n in range(count)} <= kept
        assert handler.version_manager.verify() == []
        handler.close()


@pytest.mark.parametrize("name", ["write", "fsync", "open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_refusal_of_the_disk_is_named_and_leaves_everything_as_it_was(
    place: Place, name: str, number: int
) -> None:
    acts: list[Callable[[], object]] = [
        lambda: place.handler.version_manager.create_version("x"),
        lambda: place.backups.create_backup(["x", "big"], "second"),
    ]
    for act in acts:
        calls: list[str] = []
        with fault.watching(calls.append):
            act()
        place.reset()
        place.handler.list_file_versions("x")
        place.backups.list_backups()
        for nth in range(1, calls.count(name) + 1, 3):
            result = None
            refused = suppress(WriteError, UnavailableError)
            with refused, fault.failing(name, nth, OSError(number, "injected")):
                result = act()
            # one file that cannot be read is named, and a backup of the others is made
            assert result is None or (isinstance(result, dict) and result["failed"])
            place.reset()
            place.check()
            place.reset()


def test_a_full_disk_leaves_what_was_there(place: Place) -> None:
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from pegboard_files import AdvancedFileHandler, BackupManager, FileLockManager\n"
        "base = Path(sys.argv[1])\n"
        "locks = FileLockManager(base.parent / 'locks')\n"
        "handler = AdvancedFileHandler(base, lock_manager=locks)\n"
        "backups = BackupManager(base.parent / 'more', base_path=base, lock_manager=locks)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "for act in (lambda: handler.secure_write('x', bytes(range(256)) * 2000),\n"
        "            lambda: backups.create_backup(['big'], 'full')):\n"
        "    try: act()\n"
        "    except Exception as error: print(type(error).__name__)\n"
        "handler.secure_write('small', 'fits')\n"
        "print(backups.list_backups())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, place.base], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:3] == ["WriteError", "WriteError", "[]"]
    assert (place.base / "x").read_bytes() == OLD
    assert (place.base / "small").read_text() == "fits"
    place.check()
