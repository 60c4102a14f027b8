"""Files that are safe: atomic writes, checksums, versions and backups."""

from pegboard_files._async_file import AsyncFileHandler
from pegboard_files._atomic import AtomicFileOperations
from pegboard_files._backup import BackupManager
from pegboard_files._checksum import ChecksumCalculator
from pegboard_files._error import (
    DamagedError,
    ExistsError,
    FormatError,
    IntegrityError,
    KeyMismatchError,
    MissingError,
    OptionError,
    PathError,
    UnstableError,
    WriteError,
)
from pegboard_files._handler import AdvancedFileHandler
from pegboard_files._json_file import JsonFileHandler
from pegboard_files._metadata import FileMetadata
from pegboard_files._progress import Progress
from pegboard_files._version import FileVersionManager
from pegboard_files._versioned_store import VersionedStore
from pegboard_locking import FileLockManager

__all__ = [
    "AdvancedFileHandler",
    "AsyncFileHandler",
    "AtomicFileOperations",
    "BackupManager",
    "ChecksumCalculator",
    "DamagedError",
    "ExistsError",
    "FileLockManager",
    "FileMetadata",
    "FileVersionManager",
    "FormatError",
    "IntegrityError",
    "JsonFileHandler",
    "KeyMismatchError",
    "MissingError",
    "OptionError",
    "PathError",
    "Progress",
    "UnstableError",
    "VersionedStore",
    "WriteError",
]
