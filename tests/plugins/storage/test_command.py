"""`pegboard storage`, as it is typed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pegboard.contracts.storage import KeyRange
from pegboard.testing.store_suite import file_key
from pegboard_storage._copy import Journal, copied_files
from pegboard_storage_local import LocalStore

FILL = """
from pegboard_storage import FileHandler
for number in range(3):
    for name in ("s.config", "d.data"):
        with FileHandler(f"{number}{name}", name="Mod") as fh:
            fh["word"] = "first"
        with FileHandler(f"{number}{name}", name="Mod") as fh:
            fh["word"] = "second"
"""


@pytest.fixture
def project(tmp_path):
    run_python(FILL, tmp_path)
    return tmp_path


def run_python(code: str, folder: Path) -> str:
    return run([sys.executable, "-c", code], folder).stdout


def pegboard(folder: Path, *words: str, status: int = 0):
    done = run([sys.executable, "-m", "pegboard", "storage", *words], folder, status)
    return json.loads(done.stdout) if "--json" in words else done.stdout + done.stderr


def run(command, folder, status=0):
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_keys_are_listed_and_rotated(project):
    (key,) = pegboard(project, "keys", "list", "--json")["keys"]
    assert (key["files"], key["is_current"]) == (3, True)
    assert "3 files were sealed with it" in pegboard(project, "keys", "rotate")
    old, new = pegboard(project, "keys", "list", "--json")["keys"]
    assert (old["id"], old["files"], old["is_current"]) == (key["id"], 0, False)
    assert (new["files"], new["is_current"]) == (3, True)
    secret = (project / ".pegboard" / "storage.keys").read_text().split()[2]
    assert secret not in pegboard(project, "keys", "list")
    word = "from pegboard_storage import FileHandler as F; print(F('0s.config', 'Mod')['word'])"
    assert run_python(word, project) == "second\n"


def test_damage_is_found_named_and_mended(project):
    assert pegboard(project, "verify", "--json") == {"counts": {"sound": 6}, "problems": []}
    folder = project / ".pegboard" / "storage"
    for path in (folder / "config/-/!mod/0s.config", folder / "mod_data/-/!mod/1d.data"):
        data = bytearray(path.read_bytes())
        data[5] ^= 1
        path.write_bytes(data)
    found = pegboard(project, "verify", "--json", status=1)
    assert found["counts"] == {"sound": 4, "damaged": 2}
    assert {each["key"]["name"] for each in found["problems"]} == {"0s.config", "1d.data"}
    read = "from pegboard_storage import FileHandler as F; F('1d.data', 'Mod').load()"
    failed = run([sys.executable, "-c", read], project, 1)
    assert "`pegboard storage verify --restore`" in failed.stderr
    assert "2 restored" in pegboard(project, "verify", "--restore")
    word = "from pegboard_storage import FileHandler as F; print(F('0s.config', 'Mod')['word'])"
    assert run_python(word, project) == "first\n"


def test_files_are_copied_to_another_backend_and_back(project):
    there = f"local:{project / 'there'}"
    assert "6 copied" in pegboard(project, "copy", "--from", "local", "--to", there)
    assert "6 same" in pegboard(project, "copy", "--from", "local", "--to", there)
    write = "from pegboard_storage import FileHandler as F; F('0d.data', 'Mod').update(a=1).save()"
    run_python(write, project)
    found = pegboard(project, "copy", "--from", "local", "--to", there, "--json", status=1)
    assert found["counts"] == {"same": 5, "conflict": 1}
    assert "1 copied" in pegboard(project, "copy", "--from", "local", "--to", there, "--overwrite")
    assert "6 sound" in pegboard(project, "verify", "--backend", there)


def test_a_wrong_name_of_a_backend_says_what_to_install(project):
    text = pegboard(project, "copy", "--from", "local", "--to", "tape", status=1)
    assert "storage backend 'tape'" in text


def test_a_copy_that_was_cut_off_goes_on_where_it_ended(tmp_path):
    source, target = (LocalStore(tmp_path / name, durable=False) for name in ("a", "b"))
    for number in range(250):
        source.write(file_key(f"{number}.data"), b"%d" % number)
    journal = Journal(tmp_path / "journal")
    for count, _ in enumerate(copied_files(source, target, KeyRange(), journal), 1):
        if count == 230:
            break
    assert journal.cursor()
    rest = list(copied_files(source, target, KeyRange(), journal))
    assert [each.state for each in rest] == ["same"] * 30 + ["copied"] * 20
    assert not journal.cursor()
    for number in range(250):
        assert target.read(file_key(f"{number}.data")).data == b"%d" % number
