"""What is remembered about a file or a version of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

__all__ = ["FileMetadata"]


@dataclass
class FileMetadata:
    """What is remembered about a version of a file.

    Attributes:
        filename: Its path below the base path.
        size: Bytes.
        checksum: Digest of its content, in hexadecimal.
        checksum_algorithm: Which digest that is.
        created_at: When the file came to be, as far as the system knows.
        modified_at: When its content was last changed.
        version: Its number in the history of the file, from 1.
        permissions: Its mode in octal, such as `644`.
        author: Who had it kept, if that was said.
        comment: Why, if that was said.
    """

    filename: str
    size: int
    checksum: str
    checksum_algorithm: str
    created_at: datetime
    modified_at: datetime
    version: int
    permissions: str
    author: str = ""
    comment: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it: times are ISO 8601."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in values.items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what `to_dict` made these values of.

        Raises:
            TypeError: If one is missing or unknown.
            ValueError: If a time is none.
        """
        times = {
            name: datetime.fromisoformat(values[name])
            for name in ("created_at", "modified_at")
            if isinstance(values.get(name), str)
        }
        return cls(**{**values, **times})
