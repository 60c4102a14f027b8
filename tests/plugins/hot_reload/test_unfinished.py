"""Half a file is not code."""

import subprocess
import sys

from pegboard_hot_reload._unfinished import (
    git_locks,
    is_being_written,
    is_blank,
    is_git_busy,
    is_missing,
)


def test_a_file_is_being_written_for_as_long_as_somebody_has_it_open_to_write(tmp_path):
    path = tmp_path / "a.py"
    with path.open("w") as file:
        file.write("half")
        file.flush()
        assert is_being_written(path) == (sys.platform == "linux")  # nobody else tells
    assert not is_being_written(path)
    with path.open() as reader:
        assert not is_being_written(path)
        assert reader.read() == "half"


def test_what_is_not_there_or_cannot_be_asked_is_not_being_written(tmp_path):
    assert not is_being_written(tmp_path / "nothing.py")
    assert not is_being_written(tmp_path)


def test_a_blank_file_is_one_that_is_there(tmp_path):
    path = tmp_path / "a.py"
    assert not is_blank(path)
    path.touch()
    assert is_blank(path)
    path.write_text("1")
    assert not is_blank(path)


def test_what_cannot_be_looked_at_is_not_missing(tmp_path):
    path = tmp_path / "a.py"
    assert is_missing(path)
    path.touch()
    assert not is_missing(path)
    assert is_missing(path / "b.py")
    path.with_name("loop").symlink_to("loop")
    assert not is_missing(path.with_name("loop"))


def test_git_is_busy_while_it_holds_its_index(tmp_path):
    lock = tmp_path / ".git" / "index.lock"
    locks = git_locks([tmp_path / "mods", tmp_path])
    assert not is_git_busy(locks)
    lock.parent.mkdir()
    lock.touch()
    assert is_git_busy(locks)


def test_git_is_busy_in_a_work_tree_of_its_own(tmp_path):
    def git(*words, folder=tmp_path / "main"):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    (tmp_path / "main").mkdir()
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "nothing")
    git("worktree", "add", "-q", str(tmp_path / "ünder"))
    (lock,) = locks = git_locks([tmp_path / "ünder"])
    assert not is_git_busy(locks)
    git("checkout", "-q", "--detach", folder=tmp_path / "ünder")
    assert lock.with_name("index").exists()
    lock.touch()
    assert is_git_busy(locks)
    assert not is_git_busy(git_locks([tmp_path / "main"]))


def test_what_git_has_not_written_is_no_reason_to_wait(tmp_path):
    (tmp_path / ".git").write_bytes(b"\xff no such thing")
    assert not is_git_busy(git_locks([tmp_path, tmp_path / "is not there"]))
