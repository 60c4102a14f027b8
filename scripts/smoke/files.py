"""`pegboard-files` alone: a file is written, versioned, backed up and restored."""

import tempfile
from pathlib import Path

import anyio

from pegboard import App
from pegboard_files import AdvancedFileHandler, BackupManager

base = Path(tempfile.mkdtemp())
handler = AdvancedFileHandler(base)
handler.secure_write("a/x.txt", "one")
handler.secure_write("a/x.txt", "two")
handler.restore_file_version("a/x.txt", 1)
assert handler.secure_read("a/x.txt")["content"] == "one"
assert [version.version for version in handler.list_file_versions("a/x.txt")] == [1, 2]

backups = BackupManager(base / "backups", base_path=base)
backups.create_backup(["a"], "b")
(base / "a" / "x.txt").unlink()
backups.restore_backup("b")
assert (base / "a" / "x.txt").read_text() == "one"
assert backups.verify_backups() == []


async def main() -> None:
    async with App("smoke") as app:
        ours = app.service(AdvancedFileHandler, "pegboard-files")
        await ours.secure_write_async("y.txt", "there")
        assert (await ours.secure_read_async("y.txt"))["content"] == "there"


anyio.run(main)
