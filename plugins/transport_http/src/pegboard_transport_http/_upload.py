"""A file that came with a form."""

from __future__ import annotations

import os
import secrets
import shutil
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from anyio import to_thread

__all__ = ["UploadedFile"]

_KEYS = ("filename", "content_type", "content_base64")


class UploadedFile(Mapping[str, Any]):
    """An uploaded file: a mapping with `filename`, `content_type` and `content_base64`.

    Its content lies in a temporary file, and in memory only if it is small. That is gone once
    the response has left: `save` what is to stay.

    Attributes:
        filename: Name that the client gave, any text: data, never a path to write to.
        content_type: Media type that the client gave; nobody has checked it.
        size: Length in bytes.
        file: The content, open for reading from its beginning.

    Args:
        filename: See above.
        content_type: See above.
        spool: Largest content that is kept in memory, in bytes.
        folder: Folder for a larger one.
    """

    def __init__(
        self, filename: str, content_type: str, *, spool: int, folder: str | None = None
    ) -> None:
        self.filename = filename
        self.content_type = content_type
        self.size = 0
        self.file: IO[bytes] = SpooledTemporaryFile(max_size=spool, dir=folder)  # noqa: SIM115 - closed by `close`

    def __getitem__(self, key: str) -> Any:
        if key == "content_base64":
            return b64encode(self.read()).decode("ascii")
        if key in _KEYS:
            return getattr(self, key)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(_KEYS)

    def __len__(self) -> int:
        return len(_KEYS)

    def read(self) -> bytes:
        """Return the whole content; a large one is better read from `file` in parts."""
        self.file.seek(0)
        content = self.file.read()
        self.file.seek(0)
        return content

    async def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the content to `path`, durably; a file that is there is replaced in one step.

        Raises:
            OSError: If it cannot be written; nothing is left behind then.
        """
        return await to_thread.run_sync(self._save, Path(path))

    def close(self) -> None:
        """Remove the temporary file."""
        self.file.close()

    def _save(self, path: Path) -> Path:
        temporary = path.with_name(f".{secrets.token_hex(8)}.upload")
        try:
            with temporary.open("xb") as target:
                self.file.seek(0)
                shutil.copyfileobj(self.file, target, 1024 * 1024)
                target.flush()
                os.fsync(target.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
        return path

    def __repr__(self) -> str:
        return f"<UploadedFile {self.filename!r}, {self.size} bytes>"


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system has a way to."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
