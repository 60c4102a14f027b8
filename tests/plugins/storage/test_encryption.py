"""Sealed files: nothing legible is kept, and nothing that was touched is opened."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from pegboard.contracts.storage import Capabilities, Entry, FileKey, Store
from pegboard.errors import ConfigError, CorruptError, TooLargeError
from pegboard.testing.store_suite import StoreSuite, file_key
from pegboard_storage import FileHandlerV2
from pegboard_storage._encryption import EncryptedStore
from pegboard_storage._key_ring import line_of, new_key, parse_keys
from pegboard_storage._key_source import CommandKeys, FileKeys, Keys, TextKeys
from pegboard_storage._seal import OVERHEAD, opened, sealed
from pegboard_storage._survey import key_uses, resealed
from pegboard_storage_local import LocalStore

KEY = file_key("private.data", scope="user_private", owner="alice")
SECRET = b'{"word":"Xyzzy-plaintext-needle"}'


class TestEncryptedStore(StoreSuite):
    """What wraps a store is a store."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], Store]:
        keys = Keys(FileKeys(tmp_path / "keys"))
        return lambda: EncryptedStore(LocalStore(tmp_path / "files", durable=False), keys)


class SmallStore(LocalStore):
    """A store with a limit, or one that can hold no sealed files."""

    capabilities = Capabilities(backend="small", max_size=100, opaque=True)


@pytest.fixture
def keys(tmp_path):
    return Keys(FileKeys(tmp_path / "keys"))


@pytest.fixture
def inner(tmp_path):
    return LocalStore(tmp_path / "files", durable=False)


@pytest.fixture
def store(inner, keys):
    return EncryptedStore(inner, keys)


def test_no_word_of_a_sealed_file_is_on_disk(store, tmp_path):
    for _ in range(3):
        store.write(KEY, SECRET)
    store.update(KEY, lambda entry: entry.data + b" ")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"Xyzzy" not in path.read_bytes()
            assert b"word" not in path.read_bytes()


def test_each_flipped_bit_is_refused():
    master = new_key()
    data = sealed(SECRET, KEY, master)
    assert len(data) == len(SECRET) + OVERHEAD
    for position in range(len(data) * 8):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(CorruptError):
            open_as_the_store_does(bytes(changed), master)
    assert open_as_the_store_does(data, master) == SECRET


def test_each_shortened_and_lengthened_file_is_refused():
    master = new_key()
    data = sealed(SECRET, KEY, master)
    for size in range(len(data)):
        with pytest.raises(CorruptError):
            open_as_the_store_does(data[:size], master)
    with pytest.raises(CorruptError):
        open_as_the_store_does(data + b"\0", master)


class OneFile:
    """A store that has one file, whatever it is asked for."""

    capabilities = Capabilities(backend="one")

    def __init__(self, data):
        self._entry = Entry(data=data, version="1")

    def read(self, key):
        return self._entry


class OneKey:
    """Keys that name the master by any id."""

    def __init__(self, master):
        self._master = master

    def find(self, key_id):
        return self._master


def open_as_the_store_does(data, master, key=KEY):
    return EncryptedStore(OneFile(data), OneKey(master)).read(key).data


@pytest.mark.parametrize("field", ["scope", "owner", "mod", "name"])
def test_a_file_does_not_open_in_another_place(field):
    master = new_key()
    other = FileKey(**{**{f: getattr(KEY, f) for f in KEY.__struct_fields__}, field: "config"})
    data = sealed(SECRET, KEY, master)
    with pytest.raises(CorruptError, match="another place"):
        open_as_the_store_does(data, master, other)
    with pytest.raises(CorruptError):
        opened(data, KEY, new_key())


def test_where_one_part_of_an_address_ends_is_sealed_too():
    master = new_key()
    one = FileKey(scope="mod_data", owner="ab", mod="c", name="d")
    other = FileKey(scope="mod_data", owner="ab", mod="cd", name="d")
    for there in (other, FileKey(scope="mod_data", owner="a", mod="bc", name="d")):
        with pytest.raises(CorruptError):
            open_as_the_store_does(sealed(SECRET, one, master), master, there)


@pytest.mark.anyio
async def test_swapped_and_plain_files_are_refused_by_the_handler(storage_app):
    async with storage_app() as app:
        handlers = {
            name: FileHandlerV2(
                "private.data", name="M", owner=name, user_context=app.get_ctx().system(), app=app
            )
            for name in ("alice", "bob")
        }
        for name, fh in handlers.items():
            fh["who"] = name
            await fh.asave()
        storage = app.service(type_of_storage())
        raw = storage.raw_store(storage.backend(handlers["alice"].scope, "auto"))
        alice, bob = (raw.read(fh.key) for fh in handlers.values())
        raw.write(handlers["bob"].key, alice.data)
        raw.write(handlers["alice"].key, b'{"who":"nobody"}')
        with pytest.raises(CorruptError, match="is not encrypted and has to be"):
            await handlers["alice"].aload()
        with pytest.raises(CorruptError, match="the file of another place"):
            await handlers["bob"].aload()
        assert handlers["bob"]["who"] == "bob"
        assert bob is not None


def type_of_storage():
    from pegboard_storage import Storage

    return Storage


def test_a_store_that_cannot_hold_sealed_files_is_refused(tmp_path, keys):
    class Nosy(LocalStore):
        capabilities = Capabilities(backend="nosy", opaque=False)

    with pytest.raises(ConfigError, match="backend nosy looks into what it keeps"):
        EncryptedStore(Nosy(tmp_path), keys)


def test_the_seal_counts_for_the_limit_of_a_store(tmp_path, keys):
    store = EncryptedStore(SmallStore(tmp_path / "files", durable=False), keys)
    limit = 100 - OVERHEAD
    assert store.capabilities.max_size == limit
    store.write(KEY, b"x" * limit)
    with pytest.raises(TooLargeError):
        store.write(KEY, b"x" * (limit + 1))


# -- keys ----------------------------------------------------------------------------------


def test_the_key_file_is_made_when_it_is_needed_and_is_for_its_owner_alone(tmp_path):
    keys = Keys(FileKeys(tmp_path / "data" / "keys"))
    assert keys.all() == []
    assert not (tmp_path / "data").exists()
    first = keys.current()
    mode = stat.S_IMODE((tmp_path / "data" / "keys").stat().st_mode)
    assert mode == 0o600
    assert Keys(FileKeys(tmp_path / "data" / "keys")).current() == first
    assert repr(first.secret) not in repr(first)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_key_file_that_others_can_read_is_refused(tmp_path, keys, mode):
    keys.current()
    (tmp_path / "keys").chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        Keys(FileKeys(tmp_path / "keys")).current()


def test_a_key_file_that_is_a_link_or_a_folder_is_refused(tmp_path, keys):
    keys.current()
    (tmp_path / "keys").rename(tmp_path / "real")
    (tmp_path / "keys").symlink_to("real")
    with pytest.raises(ConfigError, match="cannot be read"):
        Keys(FileKeys(tmp_path / "keys")).current()
    (tmp_path / "keys").unlink()
    (tmp_path / "keys").mkdir()
    with pytest.raises(ConfigError, match="is no file"):
        Keys(FileKeys(tmp_path / "keys")).current()


def test_a_lost_key_file_is_an_error_and_no_new_key(tmp_path, inner, store):
    store.write(KEY, SECRET)
    (tmp_path / "keys").rename(tmp_path / "elsewhere")
    again = EncryptedStore(inner, Keys(FileKeys(tmp_path / "keys")))
    for act in (lambda: again.read(KEY), lambda: again.write(KEY, b"{}")):
        with pytest.raises(ConfigError, match="put it back from your backup"):
            act()
    (tmp_path / "elsewhere").rename(tmp_path / "keys")
    assert again.read(KEY).data == SECRET


def test_a_wrong_key_is_an_error_that_names_the_right_one(tmp_path, inner, keys, store):
    store.write(KEY, SECRET)
    other = EncryptedStore(inner, Keys(FileKeys(tmp_path / "other")))
    with pytest.raises(ConfigError, match=f"sealed with key {keys.current().id}"):
        other.read(KEY)
    assert store.read(KEY).data == SECRET


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no key"),
        ("# nothing\n\n", "holds no key"),
        ("nonsense", "line 1 of here is no key"),
        ("\n00112233 now AAAA", "line 2 of here is no key"),
        (f"0011223X now {'A' * 43}=", "is no key"),
        (f"00112233 now {'A' * 43}=\n" * 2, "two keys of one id"),
    ],
)
def test_a_text_that_is_no_keys_is_an_error_with_its_line(text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        parse_keys(text, "here")


def test_keys_come_from_the_settings_or_from_a_command(tmp_path, inner):
    lines = [line_of(new_key()), line_of(new_key())]
    ring = TextKeys(";".join(line.strip() for line in lines))
    program = f"import sys; sys.stdout.write({''.join(lines)!r})"
    command = CommandKeys([sys.executable, "-c", program])
    EncryptedStore(inner, Keys(ring)).write(KEY, SECRET)
    assert EncryptedStore(inner, Keys(command)).read(KEY).data == SECRET
    with pytest.raises(ConfigError, match="are made there"):
        Keys(ring).rotate()


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ([sys.executable, "-c", "print('secret'); exit(3)"], "failed with status 3: run it by"),
        (["no-such-vault", "secret"], "the command no-such-vault .*cannot be run: No such file"),
        ([sys.executable, "-c", r"print('secret'); import os; os.write(1, b'\xff')"], "than text"),
    ],
)
def test_a_command_that_gives_no_keys_is_named_and_nothing_that_it_prints(command, complaint):
    with pytest.raises(ConfigError, match=complaint) as caught:
        Keys(CommandKeys(command)).current()
    assert "secret" not in str(caught.value).replace("secret_keys", "")


def test_processes_that_make_the_first_key_at_once_have_one(tmp_path):
    sources = [Keys(FileKeys(tmp_path / "keys")) for _ in range(8)]
    found: list[str] = []
    threads = [Thread(target=lambda k=k: found.append(k.current().id)) for k in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_two_rotations_at_once_keep_both_keys(tmp_path, keys):
    keys.current()
    threads = [Thread(target=Keys(FileKeys(tmp_path / "keys")).rotate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys.all()) == 9


def test_a_key_that_did_not_fit_is_refused_and_the_old_ones_stay(tmp_path, keys, store, caplog):
    store.write(KEY, SECRET)
    path = tmp_path / "keys"
    program = f"""
import resource
from pathlib import Path
from pegboard.errors import ConfigError
from pegboard_storage._key_source import FileKeys
resource.setrlimit(resource.RLIMIT_FSIZE, ({path.stat().st_size + 40},) * 2)
try:
    FileKeys(Path({str(path)!r})).add()
except ConfigError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "no key could be added" in done.stdout
    again = Keys(FileKeys(path))
    assert again.current() == keys.current()
    assert "was cut off" in caplog.text
    new = again.rotate()
    assert [each.id for each in Keys(FileKeys(path)).all()] == [keys.current().id, new.id]
    assert store.read(KEY).data == SECRET


def test_files_are_sealed_anew_while_others_write(tmp_path, inner, keys, store):
    names = [file_key(f"{number}.data") for number in range(20)]
    for key in names:
        store.write(key, b"0")
    ending = False

    def count() -> None:
        other = EncryptedStore(LocalStore(tmp_path / "files", durable=False), keys_again)
        while not ending:
            for key in names:
                other.update(key, lambda entry: b"%d" % (int(entry.data) + 1))
                counts[key] += 1

    keys_again = Keys(FileKeys(tmp_path / "keys"))
    counts = dict.fromkeys(names, 0)
    thread = Thread(target=count)
    thread.start()
    try:
        for _ in range(3):
            keys.rotate()
            assert len(list(resealed(inner, keys))) == 20
    finally:
        ending = True
        thread.join()
    assert {key: int(store.read(key).data) for key in names} == counts
    list(resealed(inner, keys))
    assert key_uses(inner) == {keys.current().id: 20}


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can")
def test_a_key_file_of_another_user_is_refused(tmp_path, keys):
    keys.current()
    os.chown(tmp_path / "keys", 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to another user"):
        Keys(FileKeys(tmp_path / "keys")).current()
