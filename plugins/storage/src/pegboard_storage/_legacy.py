"""The names that the methods of `FileHandler` had first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

__all__ = ["LegacyNames"]


class LegacyNames:
    """Other names of the methods of `FileHandlerV2`, for code that was written with them."""

    _keys: dict[str, str]
    _defaults: dict[str, Any]

    def load_file_handler(self) -> Self:
        """Do as `load`."""
        return self.load()

    def save_file_handler(self) -> Self:
        """Do as `save`."""
        return self.save()

    def get_file_handler(self, key: str, default: Any = None) -> Any:
        """Do as `get`."""
        return self.get(key, default)

    def add_to_save_file_handler(self, key: str, value: Any) -> bool:
        """Do as `set`."""
        return self.set(key, value)

    def remove_key_file_handler(self, key: str) -> bool:
        """Do as `delete`."""
        return self.delete(key)

    def set_defaults_keys_file_handler(
        self, keys: Mapping[str, str], defaults: Mapping[str, Any]
    ) -> None:
        """Set which names stand for other keys, and the values of keys that are not there."""
        self._keys = dict(keys)
        self._defaults = dict(defaults)

    def load(self) -> Self:
        """Read the file."""
        raise NotImplementedError

    def save(self) -> Self:
        """Write the file."""
        raise NotImplementedError

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value."""
        raise NotImplementedError

    def set(self, key: str, value: Any) -> bool:
        """Set a value."""
        raise NotImplementedError

    def delete(self, key: str) -> bool:
        """Remove a key."""
        raise NotImplementedError
