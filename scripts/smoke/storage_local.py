"""`pegboard-storage-local` alone: a file is written, replaced on a condition, found and removed."""

from pathlib import Path

from pegboard.contracts.storage import ABSENT, FileKey, every_key
from pegboard.errors import ConflictError
from pegboard_storage_local import LocalStore

store = LocalStore(Path("files"))
key = FileKey(scope="mod_data", owner="", mod="Smoke", name="../name.data")
first = store.write(key, b"[1]", expected_version=ABSENT)
store.write(key, b"[2]", expected_version=first.version)
try:
    store.write(key, b"[3]", expected_version=first.version)
except ConflictError:
    pass
else:
    raise AssertionError
again = LocalStore(Path("files"))
entry, before = again.read(key), again.previous(key)
assert entry is not None
assert before is not None
assert (entry.data, before.data) == (b"[2]", b"[1]")
assert list(every_key(again)) == [key]
assert again.delete(key)
assert again.read(key) is None
