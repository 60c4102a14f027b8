"""Half a file is not code."""

import sys

from pegboard_hot_reload._unfinished import is_being_written, is_blank, is_git_busy


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


def test_git_is_busy_while_it_holds_its_index(tmp_path):
    lock = tmp_path / ".git" / "index.lock"
    assert not is_git_busy([tmp_path])
    lock.parent.mkdir()
    lock.touch()
    assert is_git_busy([tmp_path / "mods", tmp_path])
