"""`pegboard storage`, as it is typed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from pegboard import App
from pegboard.contracts.storage import KeyRange
from pegboard.errors import CorruptError
from pegboard.testing.store_suite import file_key
from pegboard_storage import FileHandler
from pegboard_storage._command import storage
from pegboard_storage._copy import Journal, copied_files
from pegboard_storage._encryption import EncryptedStore
from pegboard_storage._key_source import FileKeys, Keys
from pegboard_storage._survey import resealed
from pegboard_storage_local import LocalStore


@pytest.fixture
def project(tmp_path):
    """A project with six files, each written twice."""
    with files_of(tmp_path) as handler:
        for number in range(3):
            for suffix in ("s.config", "d.data"):
                for word in ("first", "second"):
                    handler(f"{number}{suffix}").update(word=word).save()
    return tmp_path


@contextmanager
def files_of(project: Path) -> Iterator[Callable[[str], FileHandler]]:
    app = App("script", project=project, plugins=["storage", "storage_local"], mods=[])
    app.start()
    try:
        yield lambda name: FileHandler(name, name="Mod", app=app)
    finally:
        app.close()


def pegboard(project: Path, *words: str, status: int = 0):
    options = [*words, "--project", str(project)]
    done = CliRunner().invoke(storage, options, catch_exceptions=False)
    assert done.exit_code == status, done.output
    return json.loads(done.stdout) if "--json" in words else done.output


def test_keys_are_listed_and_rotated(project):
    (key,) = pegboard(project, "keys", "list", "--json")["keys"]
    assert (key["files"], key["is_current"]) == (3, True)
    assert "3 files were sealed with it" in pegboard(project, "keys", "rotate")
    old, new = pegboard(project, "keys", "list", "--json")["keys"]
    assert (old["id"], old["files"], old["is_current"]) == (key["id"], 0, False)
    assert (new["files"], new["is_current"]) == (3, True)
    secret = (project / ".pegboard" / "storage.keys").read_text().split()[2]
    assert secret not in pegboard(project, "keys", "list")
    with files_of(project) as handler:
        assert handler("0s.config")["word"] == "second"


def test_damage_is_found_named_and_mended(project):
    assert pegboard(project, "verify", "--json") == {"counts": {"sound": 6}, "problems": []}
    folder = project / ".pegboard" / "storage"
    for path in (folder / "config/-/!mod/0s.config", folder / "mod_data/-/!mod/1d.data"):
        damage(path)
    found = pegboard(project, "verify", "--json", status=1)
    assert found["counts"] == {"sound": 4, "damaged": 2}
    assert {each["key"]["name"] for each in found["problems"]} == {"0s.config", "1d.data"}
    with files_of(project) as handler:
        with pytest.raises(CorruptError, match="`pegboard storage verify --restore`") as caught:
            handler("1d.data").load()
        assert caught.value.recoverable
        for act in (handler("1d.data").save, lambda: handler("1d.data").update(dict)):
            with pytest.raises(CorruptError, match="restore") as caught:
                act()
            assert caught.value.recoverable
        assert handler("1d.data").restore()["word"] == "first"
        handler("1d.data").update(word="third").save()
        assert handler("1d.data").restore()["word"] == "third"  # what is sound stays
        handler("1d.data").update(word="first").save()
        assert "1 restored" in pegboard(project, "verify", "--restore")
        assert handler("0s.config")["word"] == "first"


def test_what_cannot_be_sealed_anew_holds_nothing_up(project):
    damage(project / ".pegboard/storage/config/-/!mod/0s.config")
    assert "2 files were sealed with it" in pegboard(project, "keys", "rotate", status=1)
    keys = pegboard(project, "keys", "list", "--json")["keys"]
    pegboard(project, "verify", "--restore")
    assert "1 files were sealed with it" in pegboard(project, "keys", "rotate", "--resume")
    assert len(pegboard(project, "keys", "list", "--json")["keys"]) == len(keys) == 2


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)


def test_a_copy_passes_a_file_that_is_damaged_at_the_target(project):
    there = project / "there"
    words = ("copy", "--from", "local", "--to", f"local:{there}")
    pegboard(project, *words)
    damage(there / "mod_data/-/!mod/1d.data")
    found = pegboard(project, *words, "--json", status=1)
    assert found["counts"] == {"same": 5, "conflict": 1}
    assert "damaged" in found["problems"][0]["reason"]
    assert "1 copied" in pegboard(project, *words, "--overwrite")
    assert "6 sound" in pegboard(project, "verify", "--backend", f"local:{there}")


def test_files_are_copied_to_another_backend_and_back(project):
    there = f"local:{project / 'there'}"
    assert "6 copied" in pegboard(project, "copy", "--from", "local", "--to", there)
    assert "6 there already" in pegboard(project, "copy", "--from", "local", "--to", there)
    with files_of(project) as handler:
        handler("0d.data").update(a=1).save()
    found = pegboard(project, "copy", "--from", "local", "--to", there, "--json", status=1)
    assert found["counts"] == {"same": 5, "conflict": 1}
    assert "1 copied" in pegboard(project, "copy", "--from", "local", "--to", there, "--overwrite")
    assert "6 sound" in pegboard(project, "verify", "--backend", there)


def test_a_wrong_name_of_a_backend_says_which_there_are(project):
    text = pegboard(project, "copy", "--from", "local", "--to", "tape", status=1)
    assert "no active plugin has a storage backend 'tape'" in text
    assert "local, cloud, s3, redis" in text
    text = pegboard(project, "copy", "--from", "local", "--to", "s3", status=1)
    assert "pip install pegboard-storage-cloud" in text or "s3_bucket" in text
    text = pegboard(project, "copy", "--from", "local", "--to", "local", status=1)
    assert "are one backend" in text


def test_a_folder_is_relative_to_the_project(project, monkeypatch):
    monkeypatch.chdir(project.parent)
    assert "6 copied" in pegboard(project, "copy", "--from", "local", "--to", "local:there")
    assert (project / "there" / "config").is_dir()


def test_a_leaked_key_opens_nothing_any_more_when_earlier_contents_are_forgotten(project):
    pegboard(project, "keys", "rotate")
    (first, second) = pegboard(project, "keys", "list", "--json")["keys"]
    before = project / ".pegboard/storage/config/-/!mod/0s.config~previous"
    assert bytes.fromhex(first["id"]) in before.read_bytes()
    assert "3 files were sealed" in pegboard(project, "keys", "rotate", "--resume", "--forget")
    for path in (project / ".pegboard" / "storage" / "config").rglob("*.config*"):
        assert bytes.fromhex(first["id"]) not in path.read_bytes()
    assert bytes.fromhex(second["id"]) in before.read_bytes()
    assert "0 files were sealed" in pegboard(project, "keys", "rotate", "--resume", "--forget")


def test_what_a_leaked_key_has_sealed_before_a_file_became_plain_is_forgotten(tmp_path):
    store, keys = LocalStore(tmp_path / "files"), Keys(FileKeys(tmp_path / "keys"))
    plain, damaged = file_key("plain.data"), file_key("damaged.data")
    for key in (plain, damaged):
        EncryptedStore(store, keys).write(key, b'{"secret": 1}')
        store.write(key, b'{"plain": 1}')
    damage((tmp_path / "files" / damaged.path).with_name("damaged.data~previous"))
    keys.rotate()
    found = list(resealed(store, keys, forget=True))
    assert [each.state for each in found] == ["sound", "sound"]
    for key in (plain, damaged):
        assert store.read(key).data == b'{"plain": 1}'
        assert store.previous(key) is None


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
