"""Digests of files, by the names that their users know."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import BinaryIO

from pegboard_durable import open_file
from pegboard_files._digest import Hasher, hasher
from pegboard_files._error import OptionError, translated
from pegboard_files._thread import in_thread

__all__ = ["ALGORITHMS", "ChecksumCalculator", "checksum_of", "feed", "new_hasher"]

ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "blake2b", "blake3")
_SMALLEST_CHUNK = 1


def new_hasher(algorithm: str) -> Hasher:
    """Return a digest to be fed.

    Raises:
        OptionError: If the algorithm is none of `ALGORITHMS`.
    """
    if algorithm == "blake3":
        return hasher()
    if algorithm not in ALGORITHMS:
        raise OptionError(f"no checksum {algorithm!r}; there are {', '.join(ALGORITHMS)}")
    return hashlib.new(algorithm, usedforsecurity=False)


def checksum_of(data: bytes, algorithm: str) -> str:
    """Return the digest of bytes.

    Raises:
        OptionError: If the algorithm is none of `ALGORITHMS`.
    """
    made = new_hasher(algorithm)
    made.update(data)
    return made.hexdigest()


def feed(file: BinaryIO, algorithm: str, chunk_size: int) -> str:
    """Return the digest of what is still to be read of a file.

    Raises:
        OptionError: If the algorithm is none of `ALGORITHMS`.
        OSError: If the file cannot be read.
    """
    made = new_hasher(algorithm)
    buffer = memoryview(bytearray(chunk_size))
    while size := file.readinto(buffer):  # type: ignore[attr-defined]  # a file open for reading
        made.update(buffer[:size])
    return made.hexdigest()


class ChecksumCalculator:
    """Calculates and compares digests of files anywhere."""

    SUPPORTED_ALGORITHMS = ALGORITHMS

    @staticmethod
    def calculate_checksum(
        file_path: str | os.PathLike[str], algorithm: str = "sha256", chunk_size: int = 1024 * 1024
    ) -> str:
        """Return the digest of a file in hexadecimal.

        Args:
            file_path: The file.
            algorithm: One of md5, sha1, sha256, sha512, blake2b and blake3.
            chunk_size: Bytes that are in memory at once.

        Raises:
            OptionError: If there is no such algorithm, or the chunk size is below 1.
            MissingError: If there is no such file.
            WriteError: If it cannot be read.
        """
        if chunk_size < _SMALLEST_CHUNK:
            raise OptionError(f"chunk_size is the bytes that are read at once, not {chunk_size}")
        new_hasher(algorithm)
        with translated(), open_file(file_path) as file:
            return feed(file, algorithm, chunk_size)

    @classmethod
    async def calculate_checksum_async(
        cls,
        file_path: str | os.PathLike[str],
        algorithm: str = "sha256",
        chunk_size: int = 1024 * 1024,
    ) -> str:
        """Return the digest of a file, in a worker thread; see `calculate_checksum`.

        Raises:
            OptionError: If there is no such algorithm, or the chunk size is below 1.
            MissingError: If there is no such file.
            WriteError: If it cannot be read.
        """
        return await in_thread(cls.calculate_checksum, file_path, algorithm, chunk_size)

    @classmethod
    def verify_integrity(
        cls, file_path: str | os.PathLike[str], expected_checksum: str, algorithm: str = "sha256"
    ) -> bool:
        """Whether the content of a file has this digest.

        Raises:
            OptionError: If there is no such algorithm, or no checksum to compare with.
            MissingError: If there is no such file.
            WriteError: If it cannot be read.
        """
        if not expected_checksum:
            raise OptionError("verify_integrity needs the checksum that the file should have")
        actual = cls.calculate_checksum(file_path, algorithm)
        return hmac.compare_digest(actual, expected_checksum.lower())
