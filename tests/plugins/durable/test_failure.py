"""What the file system refuses, and death at any moment: named, and the old content is there."""

import errno
import resource
import subprocess
import sys
from collections.abc import Callable

import pytest

from pegboard_durable import DeviceError, DiskFullError, DurableError, ReadOnlyError, Root
from tests import fault

NEW = b"new" * 10_000
WRITE = """
import sys
from pegboard_durable import Root
from tests.fault import dying
root = Root(sys.argv[2])
act = getattr(root, sys.argv[3])
with dying(int(sys.argv[1])):
    act(sys.argv[4], b"new" * 10_000)
    print("acknowledged", flush=True)
"""
REFUSED = [
    ("open", errno.ENOSPC, DiskFullError),
    ("open", errno.EROFS, ReadOnlyError),
    ("BufferedRandom.write", errno.ENOSPC, DiskFullError),
    ("BufferedRandom.write", errno.EDQUOT, DiskFullError),
    ("BufferedRandom.write", errno.EIO, DeviceError),
    ("BufferedRandom.flush", errno.ENOSPC, DiskFullError),
    ("fsync", errno.EIO, DeviceError),
    ("fsync", errno.ENOSPC, DiskFullError),
]


def names(root: Root) -> list[str]:
    return sorted(path.name for path in root.path.iterdir())


def calls_of(act: Callable[[], None]) -> list[str]:
    calls: list[str] = []
    with fault.watching(calls.append):
        act()
    return calls


@pytest.mark.parametrize(
    ("call", "number", "kind"), [*REFUSED, ("replace", errno.ENOSPC, DiskFullError)]
)
def test_each_failing_call_leaves_the_old_content(
    root: Root, call: str, number: int, kind: type[DurableError]
) -> None:
    root.replace("text", b"old")
    nth = 2 if call == "open" else 1  # after the root
    with (
        pytest.raises(kind, match="what was there before is unchanged") as caught,
        fault.failing(call, nth, OSError(number, "injected")),
    ):
        root.replace("text", NEW)
    assert caught.value.errno == number
    assert not caught.value.is_replaced
    assert root.read("text") == b"old"
    assert names(root) == ["text"]


@pytest.mark.parametrize(
    ("call", "number", "kind"), [*REFUSED, ("link", errno.EPERM, ReadOnlyError)]
)
def test_each_failing_call_leaves_no_new_file(
    root: Root, call: str, number: int, kind: type[DurableError]
) -> None:
    root.make_folder("a")
    nth = 3 if call == "open" else 1  # after the root and the folder
    with (
        pytest.raises(kind, match="there is no such file"),
        fault.failing(call, nth, OSError(number, "injected")),
    ):
        root.create("a/text", NEW)
    assert list((root.path / "a").iterdir()) == []


def test_a_folder_that_does_not_sync_is_said_with_what_is_in_place(root: Root) -> None:
    root.replace("text", b"old")
    with (
        pytest.raises(DeviceError, match="the new content is in place") as caught,
        fault.failing("fsync", 2, OSError(errno.EIO, "injected")),
    ):
        root.replace("text", NEW)
    assert caught.value.is_replaced
    assert root.read("text") == NEW


def test_nothing_is_synced_that_need_not_last(root: Root) -> None:
    assert "fsync" in calls_of(lambda: root.replace("text", NEW))
    assert "fsync" not in calls_of(lambda: root.replace("text", NEW, durable=False))
    root.create("a/b/text", NEW)  # one for each new folder, the file, and its folder
    assert calls_of(lambda: root.create("c/d/text", NEW)).count("fsync") == 4


@pytest.mark.parametrize(
    ("act", "path"), [("replace", "text"), ("create", "new"), ("create", "a/b/new")]
)
def test_a_kill_at_any_call_leaves_the_old_or_the_new(root: Root, act: str, path: str) -> None:
    root.replace("text", b"old")
    number = 0
    is_over = False
    with fault.victim(WRITE) as run:
        while not is_over:
            number += 1
            is_over, said = run(root.path, act, path, number=number)
            found = root.find(path)
            content = None if found is None else root.read(path)
            assert content in {NEW, b"old" if path == "text" else None}, number
            assert content == NEW or "acknowledged" not in said
            root.sweep(older_than=0)
            assert list(root.path.rglob(".pegboard-*")) == []
            if path == "text":
                root.replace("text", b"old")
            else:
                root.remove(path)
    assert number > 12


def test_a_file_that_grows_too_large_leaves_the_old_content(root: Root) -> None:
    root.replace("text", b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(DiskFullError, match="larger than a file may be here"):
            root.replace("text", b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert root.read("text") == b"old"
    assert names(root) == ["text"]


def test_a_place_that_may_not_be_written_is_said(root: Root) -> None:
    code = (
        "import os, sys\n"
        "from pegboard_durable import ReadOnlyError, Root\n"
        "root = Root(sys.argv[1])\n"
        "root.replace('text', b'old')\n"
        "os.chdir(root.path)\n"
        "os.chmod('.', 0o555)\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "try: Root('.').replace('text', b'new')\n"
        "except ReadOnlyError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, root.path], check=True, capture_output=True, text=True
    )
    assert "look at mode, owner and mount options" in done.stdout
    assert (root.path / "text").read_bytes() == b"old"


def test_the_errors_are_those_of_python_too() -> None:
    assert issubclass(ReadOnlyError, PermissionError)
    assert issubclass(DurableError, OSError)
