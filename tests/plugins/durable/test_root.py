"""Files below a root: written whole or not at all, and nowhere else."""

import itertools
import os
import shutil
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from pegboard_durable import OutsideRootError, Root, create, replace, writing
from tests.descriptors import descriptors

ESCAPES = [
    "..", "../secret", "../outside/secret", "a/../../outside/secret", "/etc/passwd", "link",
    "link/secret", "file-link", "up/outside/secret", "./../outside/secret", "a/../..", "",
    ".", "a\0b", "relative/secret", "round/a", "deep/down/secret",
]  # fmt: skip


def left_over(root: Root) -> list[str]:
    return [path.name for path in root.path.rglob(".pegboard-*")]


def test_what_is_written_is_read(root: Root) -> None:
    root.replace("a/b/text", b"one")
    root.replace("a/b/text", b"two")
    assert root.read("a/b/text") == b"two"
    assert left_over(root) == []


def test_a_new_file_has_the_mode_that_open_would_give_it(root: Root) -> None:
    before = os.umask(0o027)
    try:
        root.replace("plain", b"")
        root.create("made", b"")
        root.replace("secret", b"", mode=0o600)
    finally:
        os.umask(before)
    modes = {item.path: stat.S_IMODE(item.stat.st_mode) for item in root.scan()}
    assert modes == {"plain": 0o640, "made": 0o640, "secret": 0o600}


def test_mode_owner_and_attributes_stay(root: Root) -> None:
    root.replace("text", b"one")
    path = root.path / "text"
    if os.geteuid() == 0:
        os.chown(path, 12345, 23456)
    path.chmod(0o4751)
    os.setxattr(path, "user.colour", b"red")
    before = path.stat()
    root.replace("text", b"two")
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert os.getxattr(path, "user.colour") == b"red"


def test_a_link_stays_and_the_file_that_it_names_is_written(root: Root) -> None:
    root.replace("a/text", b"one")
    (root.path / "link").symlink_to("a/text")
    (root.path / "absolute").symlink_to(root.path / "a" / "text")
    (root.path / "a" / "up").symlink_to("../b/../link")
    root.make_folder("b")
    for count, name in enumerate(["link", "absolute", "a/up"]):
        root.replace(name, b"%d" % count)
        assert (root.path / name).is_symlink()
        assert root.read("a/text") == b"%d" % count


def test_every_spelling_of_a_file_has_one_true_path(root: Root) -> None:
    root.replace("a/text", b"")
    (root.path / "link").symlink_to("a")
    (root.path / "to").symlink_to("link/text")
    spellings = ["a/text", "./a//text", "link/text", "to", "a/../link/text", root.path / "to"]
    assert {root.locate(each) for each in spellings} == {"a/text"}
    assert root.locate("link/new/file") == "a/new/file"
    assert not (root.path / "a" / "new").exists()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("missing/../x", "x"),
        ("missing/../a/x", "a/x"),
        ("missing/../link/text", "a/text"),
        ("missing/./deep/../x", "missing/x"),
        ("a/missing/..", "a"),
        ("dangling", "a/nowhere"),
        ("dangling/x", "a/nowhere/x"),
    ],
)
def test_the_true_path_of_what_is_missing_is_where_a_write_would_put_it(
    root: Root, path: str, name: str
) -> None:
    root.replace("a/text", b"")
    (root.path / "link").symlink_to("a")
    (root.path / "dangling").symlink_to("link/nowhere")
    assert root.locate(path) == name
    if name != "a":
        root.replace(path, b"written")
        assert root.read(name) == b"written"


@pytest.mark.parametrize("path", ["missing/../..", "missing/..", "missing/../../x", "out/../x"])
def test_no_way_through_what_is_missing_leads_out_of_the_root(root: Root, path: str) -> None:
    (root.path / "out").symlink_to("missing/../../outside")
    with pytest.raises(OutsideRootError):
        root.locate(path)


@pytest.mark.parametrize("path", ESCAPES)
def test_nothing_outside_is_read_or_written(root: Root, outside: Path, path: str) -> None:
    (root.path / "a").mkdir()
    (root.path / "link").symlink_to(outside)
    (root.path / "file-link").symlink_to(outside / "secret")
    (root.path / "up").symlink_to("..")
    (root.path / "relative").symlink_to("a/../../outside")
    (root.path / "round").symlink_to("round")
    (root.path / "deep").symlink_to("a/down")
    (root.path / "a" / "down").symlink_to("../../..")
    for act in (
        lambda: root.read(path),
        lambda: root.replace(path, b"mine"),
        lambda: root.create(path, b"mine"),
        lambda: root.move(path, "a/mine"),
    ):
        with pytest.raises(OSError, match=r".") as caught:
            act()
        assert isinstance(caught.value, OutsideRootError | FileExistsError) or "round" in path
    assert sorted(each.name for each in outside.iterdir()) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    assert sorted(each.name for each in outside.parent.iterdir()) == ["outside", "root"]


def test_a_link_swapped_in_between_is_never_followed(root: Root, outside: Path) -> None:
    folder, away = root.path / "a", root.path / "away"
    folder.mkdir()
    stop = threading.Event()

    def swap() -> None:
        steps = [
            lambda: folder.rename(away),
            lambda: folder.symlink_to(outside),
            folder.unlink,
            lambda: away.rename(folder),
            lambda: shutil.rmtree(away),  # the writer has made a folder of its own
        ]
        for step in itertools.cycle(steps):
            with suppress(OSError):
                step()
            if stop.is_set():
                break

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(300):
            with suppress(OutsideRootError, FileNotFoundError, NotADirectoryError):
                root.replace("a/secret", b"mine", durable=False)
            with suppress(OutsideRootError, FileNotFoundError, NotADirectoryError):
                assert root.read("a/secret") == b"mine"
            with (
                suppress(OutsideRootError, FileNotFoundError, NotADirectoryError),
                root.place("a") as place,
            ):
                with place.replacing("secret", b"mine") as new:
                    new.put()
                assert place.read("secret") == b"mine"
    finally:
        stop.set()
        thread.join()
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_pipe_is_refused_and_not_waited_for(root: Root) -> None:
    os.mkfifo(root.path / "pipe")
    with pytest.raises(OutsideRootError, match="no file"):
        root.read("pipe")
    with pytest.raises(OutsideRootError, match="no file"):
        root.replace("pipe", b"")


def test_a_folder_is_no_file(root: Root) -> None:
    root.make_folder("a/b")
    for act in (lambda: root.read("a/b"), lambda: root.replace("a/b", b"")):
        with pytest.raises(IsADirectoryError):
            act()


def test_a_missing_file_is_not_found_and_removed_is_said(root: Root) -> None:
    with pytest.raises(FileNotFoundError):
        root.read("nowhere/nothing")
    assert root.find("nowhere/nothing") is None
    assert not root.remove("nowhere/nothing")
    root.replace("text", b"")
    assert root.remove("text")
    assert root.find("text") is None


def test_a_link_is_removed_and_not_what_it_names(root: Root, outside: Path) -> None:
    (root.path / "link").symlink_to(outside / "secret")
    assert root.remove("link")
    assert (outside / "secret").exists()


def test_of_many_that_create_a_file_one_succeeds(root: Root) -> None:
    barrier = threading.Barrier(8)
    done: list[int] = []

    def try_it(number: int) -> None:
        barrier.wait()
        try:
            root.create("text", b"%d" % number)
        except FileExistsError:
            return
        done.append(number)

    threads = [threading.Thread(target=try_it, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert root.read("text") == b"%d" % done[0]
    assert len(done) == 1
    assert left_over(root) == []


def test_a_raise_in_the_block_leaves_the_old_content(root: Root) -> None:
    root.replace("text", b"old")
    with pytest.raises(ZeroDivisionError), root.writing("text") as file:
        file.write(b"%d" % (1 / 0))
    assert root.read("text") == b"old"
    assert left_over(root) == []


def test_a_failure_of_something_else_in_the_block_stays_what_it_is(root: Root) -> None:
    with pytest.raises(PermissionError, match="mine") as caught, root.writing("text"):
        raise PermissionError(13, "mine")
    assert type(caught.value) is PermissionError


def test_what_a_killed_writer_left_is_swept_while_others_write(root: Root) -> None:
    code = (
        "import os, signal, sys\n"
        "from pegboard_durable import Root\n"
        "with Root(sys.argv[1]).writing('a/killed') as file:\n"
        "    file.write(b'half')\n"
        "    file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root.replace("a/killed", b"old")
    subprocess.run([sys.executable, "-c", code, root.path], check=False)
    with root.writing("a/living") as file:
        file.write(b"living")
        file.flush()
        assert len(left_over(root)) == 2
        assert root.sweep(older_than=3600) == 0
        assert root.sweep(older_than=0) == 1
        assert len(left_over(root)) == 1
    assert root.read("a/killed") == b"old"
    assert root.read("a/living") == b"living"


def test_files_are_moved_and_listed(root: Root) -> None:
    root.replace("a/one", b"1")
    root.replace("two", b"2")
    (root.path / "link").symlink_to("two")
    root.move("a/one", "b/c/three")
    kinds = {item.path: (item.is_file, item.is_folder, item.is_link) for item in root.scan()}
    assert kinds == {
        "a": (False, True, False),
        "b": (False, True, False),
        "link": (False, False, True),
        "two": (True, False, False),
    }
    assert [item.path for item in root.scan("b/c")] == ["b/c/three"]
    root.remove_folder("a")
    assert root.find("a") is None


def test_a_root_is_found_by_the_path_that_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    root = Root(tmp_path / "link")
    root.replace(tmp_path / "link" / "text", b"one")
    assert root.read(tmp_path / "real" / "text") == b"one"


def test_a_path_of_very_many_folders_is_refused(root: Root) -> None:
    with pytest.raises(OSError, match="too long"):
        root.replace("a/" * 300 + "b", b"")
    assert list(root.path.iterdir()) == []


def test_nothing_stays_open(root: Root) -> None:
    before = descriptors()
    root.replace("a/b/c", b"1")
    root.read("a/b/c")
    root.scan("a/b")
    for path in ("../x", "a/b/c/d", "a"):
        with pytest.raises(OSError, match=r"."):
            root.replace(path, b"")
    assert not descriptors() - before


def test_files_anywhere_are_written_through_links(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a/text")
    replace(tmp_path / "link", b"one")
    assert (tmp_path / "a" / "text").read_bytes() == b"one"
    with writing(tmp_path / "link", durable=False) as file:
        file.write(b"two")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a" / "text").read_bytes() == b"two"
    with pytest.raises(FileExistsError):
        create(tmp_path / "link", b"three")


def test_a_root_that_follows_nothing_refuses_links_that_stay_below_it(tmp_path: Path) -> None:
    root = Root(tmp_path, follow=False)
    root.replace("folder/real", b"1")
    (tmp_path / "link").symlink_to("folder/real")
    (tmp_path / "other").symlink_to("folder")
    for path in ("link", "other/real"):
        with pytest.raises(OutsideRootError):
            root.read(path)
        with pytest.raises(OutsideRootError):
            root.replace(path, b"2")
    assert Root(tmp_path).read("link") == Root(tmp_path).read("other/real") == b"1"


def test_a_place_reads_and_writes_the_files_of_one_folder(root: Root) -> None:
    with root.place("a/b", make=True) as place:
        with place.replacing("file", b"1") as new:
            new.put(keep_as="file~")
        assert not place.has("file~")  # there was nothing before
        for number in (b"2", b"3"):
            with place.replacing("file", number, mode=0o640) as new:
                before = place.read("file")  # nothing is seen of it yet
                new.put(keep_as="file~")
            assert (place.read("file"), place.read("file~")) == (number, before)
        with place.replacing("file", b"4"):
            pass  # it is dropped
        with pytest.raises(FileNotFoundError):
            place.read("none")
        assert place.remove("file~")
        assert not place.remove("file~")
    assert root.read("a/b/file") == b"3"
    assert [path.name for path in (root.path / "a" / "b").iterdir()] == ["file"]
    with pytest.raises(FileNotFoundError), root.place("none"):
        pass


def test_a_place_follows_no_link_and_opens_no_pipe(root: Root, outside: Path) -> None:
    root.make_folder("a")
    (root.path / "a" / "link").symlink_to(outside / "secret")
    os.mkfifo(root.path / "a" / "pipe")
    with root.place("a") as place:
        for name in ("link", "pipe"):
            with pytest.raises(OutsideRootError):
                place.read(name)
        with place.replacing("link", b"new") as new:
            new.put()  # in its place, and not through it
    assert (outside / "secret").read_bytes() == b"secret"
