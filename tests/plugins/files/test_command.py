"""`pegboard files` and `pegboard backup`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pegboard_files._backup_command import backup
from pegboard_files._files_command import files


@pytest.fixture(autouse=True)
def here(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(base)
    monkeypatch.delenv("PEGBOARD_BACKUP_PASSWORD", raising=False)
    (base / "docs").mkdir()
    (base / "docs" / "a.txt").write_text("alpha\n")
    return base


def run(*words: str, fails: int = 0) -> str:
    group = {"files": files, "backup": backup}[words[0]]
    done: Result = CliRunner().invoke(group, words[1:])
    assert done.exit_code == fails, done.output
    return done.output


def test_versions_are_kept_listed_compared_and_restored(here: Path) -> None:
    assert run("files", "keep", "docs/a.txt", "--comment", "first") == (
        "version 1 of docs/a.txt, 6 bytes\n"
    )
    (here / "docs" / "a.txt").write_text("beta\n")
    assert run("files", "versions").split() == ["docs/a.txt"]
    assert run("files", "versions", "docs/a.txt").endswith("\tfirst\n")
    assert "-alpha\n+beta\n" in run("files", "diff", "docs/a.txt", "1")
    assert "version 1 again" in run("files", "restore", "docs/a.txt", "1")
    assert (here / "docs" / "a.txt").read_text() == "alpha\n"
    assert run("files", "verify", "--rebuild") == "all versions are whole\n"
    assert run("files", "prune", "--last", "1") == "1 versions removed\n"
    assert run("files", "checksum", "docs/a.txt", "--algorithm", "md5").split()[1] == "docs/a.txt"


def test_backups_are_made_listed_verified_restored_and_pruned(here: Path) -> None:
    assert "one: 1 files, 6 bytes, " in run("backup", "create", "docs", "--name", "one")
    assert "two: 1 files" in run("backup", "create", "--name", "two")
    assert [line.split("\t")[0] for line in run("backup", "list").splitlines()] == ["one", "two"]
    assert run("backup", "list", "one").splitlines()[1].endswith("\tdocs/a.txt")
    assert run("backup", "verify") == "all is well\n"
    (here / "docs" / "a.txt").write_text("changed\n")
    assert "say overwrite" in run("backup", "restore", "one", fails=1)
    assert "1 files restored" in run("backup", "restore", "one", "docs/a.txt", "--overwrite")
    assert run("backup", "restore", "one", "--to", "elsewhere").startswith("1 files restored")
    assert (here / "elsewhere" / "docs" / "a.txt").read_text() == "alpha\n"
    assert run("backup", "prune", "--last", "1").startswith("1 backups removed")


def test_what_goes_wrong_is_a_message_with_a_status(here: Path, tmp_path: Path) -> None:
    assert "no file nothing" in run("files", "keep", "nothing", fails=1)
    assert "leads out" in run("files", "versions", "../x", fails=1)
    assert "there is no backup 'x'" in run("backup", "restore", "x", fails=1)
    assert "say what to keep" in run("backup", "prune", fails=1)
    run("backup", "create", "--name", "one")
    (pack,) = (here / ".backups").glob("*.pack")
    pack.write_bytes(pack.read_bytes().replace(b"alpha", b"omega"))
    assert "one/docs/a.txt" in run("backup", "verify", fails=1)
    target = str(tmp_path / "back")
    assert "docs/a.txt: " in run("backup", "restore", "one", "--to", target, fails=3)


def test_a_password_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    file = ["--password-file", str(tmp_path / "password")]
    run("backup", "create", "--name", "one", *file)
    assert "are encrypted" in run("backup", "list", fails=1)
    monkeypatch.setenv("PEGBOARD_BACKUP_PASSWORD", "correct horse")
    assert run("backup", "list").startswith("one\t")
    monkeypatch.setenv("PEGBOARD_BACKUP_PASSWORD", "wrong")
    assert "not the password" in run("backup", "list", fails=1)
