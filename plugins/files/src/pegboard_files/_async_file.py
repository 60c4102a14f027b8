"""Plain reading, writing and copying below a folder, for asynchronous code."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pegboard_files._batch import run_batch
from pegboard_files._error import OptionError, translated
from pegboard_files._thread import in_thread

if TYPE_CHECKING:
    from pegboard_files._vault import Vault

__all__ = ["AsyncFileHandler"]

PathLike = str | os.PathLike[str]


class AsyncFileHandler:
    """Reads and writes files of a folder in worker threads, under their locks, without versions.

    Args:
        vault: The folder.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def read_file(self, file_path: PathLike, mode: str = "r") -> str | bytes:
        """Return the content of a file: text with mode `r`, bytes with `rb`.

        Raises:
            OptionError: If the mode is another.
            MissingError: If there is none.
            PathError: If the path leads out of the folder.
        """
        if mode not in {"r", "rb"}:
            raise OptionError(f"a file is read with mode 'r' or 'rb', not {mode!r}")

        def read() -> str | bytes:
            content = self._vault.read(file_path, algorithm="blake3", expected=None).content
            return content if mode == "rb" else content.decode("utf-8")

        return await in_thread(read)

    async def write_file(self, file_path: PathLike, content: str | bytes) -> int:
        """Replace the content of a file and return its bytes.

        Raises:
            PathError: If the path leads out of the folder.
            WriteError: If it cannot be written; the old content stays.
        """
        data = content.encode("utf-8") if isinstance(content, str) else content
        return await in_thread(self._write, file_path, data)

    async def copy_file(self, source: PathLike, target: PathLike) -> int:
        """Give a file the content of another one and return its bytes.

        Raises:
            MissingError: If there is nothing to copy.
            PathError: If a path leads out of the folder.
            WriteError: If it cannot be written; the old content stays.
        """

        def copy() -> int:
            read = self._vault.read(source, algorithm="blake3", expected=None)
            return self._write(target, read.content)

        return await in_thread(copy)

    async def process_files_batch(
        self,
        file_paths: Sequence[PathLike],
        processor: Callable[[PathLike], Any],
        *,
        max_concurrency: int = 8,
    ) -> list[dict[str, Any]]:
        """Call a plain function with each path, in worker threads.

        Returns:
            Mappings with `path`, `status` and `result` or `error`, in the order of the paths.
        """

        def act(operation: Mapping[str, Any]) -> dict[str, Any]:
            path = operation["path"]
            with translated():
                return {"path": path, "status": "success", "result": processor(path)}

        operations = [{"path": path, "lane": str(n)} for n, path in enumerate(file_paths)]
        return await run_batch(
            operations, act, lambda each: str(each["lane"]), max_concurrency=max_concurrency
        )

    def _write(self, path: PathLike, data: bytes) -> int:
        written = self._vault.write(
            path, data, is_versioned=False, is_verified=False, algorithm="blake3"
        )
        return written.size
