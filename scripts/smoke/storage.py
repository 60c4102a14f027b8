"""`pegboard-storage[local]` alone: files of a user and of everyone, sealed, in a plain script."""

from pathlib import Path

from pegboard.errors import AccessError
from pegboard_storage import FileHandler, UserContext, list_files, set_current_context

set_current_context(UserContext(user_id="ada", is_authenticated=True))
with FileHandler("private.data", name="Smoke") as fh:
    fh["word"] = "legible"
for _ in range(3):
    FileHandler("shared.data", name="Smoke").update(lambda data: {"n": data.get("n", 0) + 1})
assert FileHandler("private.data", name="Smoke")["word"] == "legible"
assert FileHandler("shared.data", name="Smoke")["n"] == 3
assert list_files("Smoke", "user_private") == ["private.data"]
for path in Path(".pegboard").rglob("*"):
    assert not path.is_file() or b"legible" not in path.read_bytes()

set_current_context(UserContext(user_id="bob", is_authenticated=True))
refusal = ""
try:
    FileHandler("private.data", name="Smoke", owner="ada").load()
except AccessError as error:
    refusal = str(error)
assert "user 'bob' may not read" in refusal
