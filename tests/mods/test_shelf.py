"""A shelf of files: atomic, bounded, and nothing on it is ever overwritten."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest

from pegboard.errors import InputError, NotFoundError, TooLargeError, UnavailableError
from pegboard_mods._shelf import STALE, Limits, Shelf

LIMITS = Limits(file_bytes=1000, files=5, total_bytes=2000)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "files", LIMITS)


def inside(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def names(shelf: Shelf) -> list[str]:
    return sorted(each.name for each in shelf.files())


def test_an_empty_shelf_has_no_files_and_makes_no_folder(shelf: Shelf, tmp_path: Path) -> None:
    assert shelf.files() == []
    shelf.sweep()
    assert not (tmp_path / "files").exists()


def test_a_saved_file_is_listed_and_can_be_read(shelf: Shelf) -> None:
    stored = shelf.save("../a.txt", BytesIO(b"hello"))
    assert (stored.name, stored.size) == ("a.txt", 5)
    assert shelf.files() == [stored]
    assert shelf.path("a.txt").read_bytes() == b"hello"


def test_the_newest_file_comes_first(shelf: Shelf) -> None:
    for age, name in enumerate(["c new", "b old", "a older"]):
        shelf.save(name, BytesIO())
        os.utime(shelf.path(name), (1e9 - age, 1e9 - age))
    assert [each.name for each in shelf.files()] == ["c new", "b old", "a older"]


def test_a_taken_name_is_numbered_and_nothing_is_overwritten(shelf: Shelf) -> None:
    stored = [shelf.save(name, BytesIO(name.encode())) for name in ("a.txt", "a.txt", "A.TXT")]
    assert [each.name for each in stored] == ["a.txt", "a (2).txt", "A (3).TXT"]
    assert shelf.path("a.txt").read_bytes() == b"a.txt"


def test_two_forms_of_one_name_are_the_same_name(shelf: Shelf) -> None:
    shelf.save("\u00e9.txt", BytesIO())
    assert shelf.save("e\u0301.txt", BytesIO()).name == "\u00e9 (2).txt"


def test_uploads_of_one_name_at_once_all_get_a_name_of_their_own(tmp_path: Path) -> None:
    limits = Limits(file_bytes=100, files=100, total_bytes=10_000)
    start = threading.Barrier(8)

    def save(number: int) -> str:
        start.wait()
        return Shelf(tmp_path, limits).save("a", BytesIO(b"%d" % number)).name

    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(save, range(8)))
    assert len(set(stored)) == 8
    contents = {Shelf(tmp_path, limits).path(name).read_bytes() for name in stored}
    assert contents == {b"%d" % number for number in range(8)}


def test_a_file_above_the_limit_is_refused_and_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    shelf.save("fits", BytesIO(bytes(1000)))
    with pytest.raises(TooLargeError, match="1,000 bytes"):
        shelf.save("too large", BytesIO(bytes(1001)))
    assert inside(tmp_path / "files") == ["fits"]


def test_a_full_shelf_takes_no_more_files(shelf: Shelf, tmp_path: Path) -> None:
    for number in range(5):
        shelf.save(str(number), BytesIO())
    with pytest.raises(TooLargeError, match="room for 5 files"):
        shelf.save("6", BytesIO())
    assert len(inside(tmp_path / "files")) == 5


def test_all_files_together_have_a_limit(shelf: Shelf) -> None:
    shelf.save("a", BytesIO(bytes(1000)))
    shelf.save("b", BytesIO(bytes(1000)))
    with pytest.raises(TooLargeError, match="room for 2,000 bytes"):
        shelf.save("c", BytesIO(b"1"))
    assert names(shelf) == ["a", "b"]


def test_files_that_come_at_once_never_pass_the_limit(tmp_path: Path) -> None:
    start = threading.Barrier(8)

    def save(number: int) -> None:
        start.wait()
        Shelf(tmp_path, LIMITS).save(str(number), BytesIO())

    with ThreadPoolExecutor(8) as pool:
        failures = [each.exception() for each in [pool.submit(save, n) for n in range(8)]]
    assert all(each is None or isinstance(each, TooLargeError) for each in failures)
    assert len(inside(tmp_path)) == failures.count(None) <= 5


@pytest.mark.parametrize(
    "name",
    [
        "missing",
        "",
        ".",
        "..",
        "../secret",
        "files/../../secret",
        ".upload-1",
        "link",
        "folder",
        "a\0",
    ],
)
def test_only_the_exact_name_of_a_stored_file_leads_to_it(
    shelf: Shelf, tmp_path: Path, name: str
) -> None:
    shelf.save("there", BytesIO())
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "files" / ".upload-1").write_text("unfinished")
    (tmp_path / "files" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "files" / "dir").mkdir()
    for action in (shelf.path, shelf.delete):
        with pytest.raises(NotFoundError):
            action(name)
    assert names(shelf) == ["there"]
    assert (tmp_path / "secret").read_text() == "secret"


def test_a_name_of_which_nothing_is_left_is_refused(shelf: Shelf) -> None:
    with pytest.raises(InputError, match="cannot be the name"):
        shelf.save("..", BytesIO())


def test_a_deleted_file_is_gone(shelf: Shelf) -> None:
    shelf.save("a", BytesIO())
    shelf.delete("a")
    assert shelf.files() == []
    with pytest.raises(NotFoundError):
        shelf.delete("a")


class BrokenSource(BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise ConnectionError
        return super().read(3)


def test_a_source_that_breaks_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(ConnectionError):
        shelf.save("a", BrokenSource(b"some content"))
    assert inside(tmp_path / "files") == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said_to_be_full(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_nowhere(_path: Path, source: BytesIO) -> None:
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(source.read())

    monkeypatch.setattr(shelf, "_write", write_nowhere)
    with pytest.raises(UnavailableError, match="the disk is full"):
        shelf.save("a", BytesIO(b"content"))


KILLED = """
import sys, os, signal
from pathlib import Path
from pegboard_mods._shelf import Limits, Shelf

class Source:
    parts = iter([b"part", None])
    def read(self, size):
        return next(self.parts) or os.kill(os.getpid(), signal.SIGKILL)

limits = Limits(file_bytes=100, files=100, total_bytes=100)
Shelf(Path(sys.argv[1]), limits).save("a", Source())
"""


def test_a_crash_in_the_middle_shows_no_file_and_is_swept_later(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    shelf = Shelf(tmp_path, LIMITS)
    [left] = inside(tmp_path)
    assert shelf.files() == []
    shelf.sweep()
    assert inside(tmp_path) == [left]  # it might be an upload that goes on
    os.utime(tmp_path / left, (1e9, 1e9 + STALE))
    shelf.sweep()
    assert inside(tmp_path) == []
