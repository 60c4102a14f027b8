"""How `run.py` finds, makes and trusts the environment of a clone."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from scripts import environment
from scripts.environment import ROOT, STAMP, UNFINISHED, Environment

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root of one member, so that a stamp has something to be made from."""
    folder = tmp_path / "a clone"
    (folder / "kernel").mkdir(parents=True)
    (folder / "kernel" / "pyproject.toml").write_text("[project]\n")
    (folder / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["kernel"]\n')
    monkeypatch.setattr(environment, "ROOT", folder)
    return folder


@pytest.fixture
def made(clone: Path) -> Environment:
    """A finished environment of the clone, with nothing installed."""
    env = Environment(directory=clone / ".venv")
    venv.create(env.directory, symlinks=os.name != "nt")
    env._write_stamp(environment._wanted_stamp())
    return env


def test_the_first_python_gets_the_plain_folder(clone: Path) -> None:
    assert environment._directory() == clone / ".venv"


def test_another_minor_version_gets_a_folder_of_its_own(clone: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv" / "pyvenv.cfg").write_text("version = 3.99.1\n")
    assert environment._directory() == clone / f".venv-{HERE}"


def test_an_environment_that_uv_made_is_recognised(clone: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv" / "pyvenv.cfg").write_text(f"uv = 0.1\nversion_info = {HERE}.7\n")
    assert environment._directory() == clone / ".venv"


def test_a_finished_environment_is_taken_as_it_is(
    made: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Environment, "_set_up", lambda *_: pytest.fail("set up again"))
    assert Environment.prepare() == made


@pytest.mark.parametrize("changed", ["pyproject.toml", "kernel/pyproject.toml"])
def test_a_changed_pyproject_is_noticed(
    made: Environment, clone: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(Environment, "_install_uv", lambda _: None)
    monkeypatch.setattr(Environment, "_sync", lambda _: synced.append(changed))
    with (clone / changed).open("a") as file:
        file.write("# changed\n")
    Environment.prepare()
    Environment.prepare()
    assert synced == [changed]


def test_an_environment_whose_set_up_was_killed_is_not_trusted(made: Environment) -> None:
    wanted = environment._wanted_stamp()
    assert made._is_usable(wanted)
    made._write_stamp({**wanted, "inputs": UNFINISHED})
    assert not made._is_usable(wanted)


def test_an_environment_of_another_place_is_not_trusted(made: Environment) -> None:
    wanted = environment._wanted_stamp()
    made._write_stamp({**wanted, "root": "elsewhere"})
    assert not made._is_usable(wanted)


def test_a_python_that_belongs_to_no_environment_is_not_trusted(made: Environment) -> None:
    wanted = environment._wanted_stamp()
    (made.directory / "pyvenv.cfg").unlink()
    assert not made._is_usable(wanted)


def test_a_torn_stamp_counts_as_none(made: Environment) -> None:
    (made.directory / STAMP).write_text('{"root": ')
    assert made._read_stamp() is None


def test_a_refused_installation_keeps_the_environment_for_the_next_try(
    made: Environment, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Environment) -> None:
        raise environment.SetupError("no network")

    monkeypatch.setattr(Environment, "_install_uv", lambda _: None)
    monkeypatch.setattr(Environment, "_sync", refuse)
    (clone / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["kernel"]\nname = 1\n')
    with pytest.raises(environment.SetupError, match="no network"):
        Environment.prepare()
    assert made._is_usable(environment._wanted_stamp())
    assert made._read_stamp() != environment._wanted_stamp()


def test_two_set_ups_at_once_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = (
        "import sys; from pathlib import Path; from scripts.environment import _exclusive\n"
        "with _exclusive(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with (
        subprocess.Popen(
            [sys.executable, "-c", holder, os.fspath(path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process,
        path.open("a+b") as file,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert not environment._try_lock(file.fileno())
        process.kill()
        process.wait()
        assert environment._try_lock(file.fileno())


def test_uv_asks_the_mirror_that_pip_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    found = environment._index_of_pip({})
    assert found == {"UV_DEFAULT_INDEX": "https://mirror.example/simple"}
    assert environment._index_of_pip({"UV_DEFAULT_INDEX": "chosen"}) == {}


def test_an_unknown_verb_is_refused_with_the_list_of_verbs() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "run.py", "sevre"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "no verb 'sevre'" in done.stderr
    assert "serve " in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="closes a descriptor the POSIX way")
def test_a_verb_gets_a_standard_input_where_there_is_none() -> None:
    code = "from scripts.verb import _open_stdin; _open_stdin(); print(repr(open(0).read()))"
    command = f"exec '{sys.executable}' -c '{code}' <&-"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, check=False, capture_output=True)
    assert (done.returncode, done.stdout.strip()) == (0, b"''")


def test_a_stamp_says_what_the_environment_was_made_from(made: Environment, clone: Path) -> None:
    stamp = json.loads((made.directory / STAMP).read_text())
    assert stamp["root"] == os.fspath(clone)
    assert stamp["python"] == HERE
