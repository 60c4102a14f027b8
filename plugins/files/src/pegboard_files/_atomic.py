"""Writing a file anywhere, whole or not at all."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from pegboard_durable import writing
from pegboard_files._error import OptionError, translated
from pegboard_files._thread import in_thread

__all__ = ["AtomicFileOperations"]


class AtomicFileOperations:
    """Replaces the content of a file in one step that survives a crash."""

    @staticmethod
    @contextmanager
    def atomic_write(
        file_path: str | os.PathLike[str], mode: str = "w", encoding: str = "utf-8"
    ) -> Iterator[IO[Any]]:
        """Yield a file to write to; the content takes its place when the block ends.

        A raise in the block, or a crash, leaves the old content. Mode, owner and links stay.

        Args:
            file_path: The file; its folder has to exist.
            mode: `w` for text, `wb` for bytes.
            encoding: Of text.

        Raises:
            OptionError: If the mode is another.
            MissingError: If there is no such folder.
            WriteError: If it cannot be written.
        """
        _require_mode(mode)
        with translated(), writing(file_path) as file:
            if mode == "wb":
                yield file
                return
            text = io.TextIOWrapper(file, encoding=encoding, newline="")
            yield text
            text.flush()
            text.detach()

    @classmethod
    async def atomic_write_async(
        cls,
        file_path: str | os.PathLike[str],
        content: str | bytes,
        mode: str = "w",
        encoding: str = "utf-8",
    ) -> None:
        """Replace the content of a file, in a worker thread; see `atomic_write`.

        Raises:
            OptionError: If the mode does not fit the content.
            MissingError: If there is no such folder.
            WriteError: If it cannot be written.
        """
        _require_mode(mode)
        if isinstance(content, str) is (mode == "wb"):
            raise OptionError(f"mode {mode!r} does not fit {type(content).__name__}")

        def write() -> None:
            with cls.atomic_write(file_path, mode, encoding) as file:
                file.write(content)

        await in_thread(write)


def _require_mode(mode: str) -> None:
    if mode not in {"w", "wb"}:
        raise OptionError(f"a file is replaced with mode 'w' or 'wb', not {mode!r}")
