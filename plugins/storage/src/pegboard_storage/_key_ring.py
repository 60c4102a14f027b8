"""The master keys as text: one line each, `id created secret`; the last one is current."""

from __future__ import annotations

import logging
import os
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator
from datetime import UTC, datetime

from pegboard.errors import ConfigError
from pegboard_storage._seal import KEY_ID, MasterKey

__all__ = ["KeyRing", "line_of", "new_key", "parse_keys"]

SECRET = 32
SECRET_TEXT = 44  # characters of it in base 64

_logger = logging.getLogger("pegboard.storage")


class KeyRing:
    """The keys that can open, and the one that seals.

    Args:
        keys: At least one; the last one is current.
    """

    def __init__(self, keys: list[MasterKey]) -> None:
        self._keys = {key.id: key for key in keys}
        self.current = keys[-1]

    def __iter__(self) -> Iterator[MasterKey]:
        return iter(self._keys.values())

    def find(self, key_id: str) -> MasterKey | None:
        """Return the key of an id, None if it is not here."""
        return self._keys.get(key_id)


def new_key() -> MasterKey:
    """Return a key that nobody else has."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return MasterKey(id=os.urandom(KEY_ID).hex(), secret=os.urandom(SECRET), created=created)


def line_of(key: MasterKey) -> str:
    """Return the line that a key is kept as."""
    return f"{key.id} {key.created} {urlsafe_b64encode(key.secret).decode()}\n"


def parse_keys(text: str, source: str, *, is_appended: bool = False) -> KeyRing:
    """Read keys from text; empty lines and those that begin with `#` are passed over.

    Args:
        text: The lines.
        source: What messages call it.
        is_appended: Whether keys are added at the end. Then a line that is too short was cut off
            while it was written, has sealed nothing, and is passed over too, with a warning.

    Raises:
        ConfigError: If a line is no key, if an id comes twice, or if there is no key at all.
    """
    keys: list[MasterKey] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        place = f"line {number} of {source}"
        if is_appended and keys and _is_cut_off(line):
            _logger.warning("%s is passed over: it was cut off when it was written", place)
            continue
        keys.append(_parse_line(line, place))
    if not keys:
        raise ConfigError(f"{source} holds no key")
    if len({key.id for key in keys}) < len(keys):
        raise ConfigError(f"{source} holds two keys of one id")
    return KeyRing(keys)


def _is_cut_off(line: str) -> bool:
    parts = line.split()
    return len(parts) < 3 or (len(parts) == 3 and len(parts[2]) < SECRET_TEXT)


def _parse_line(line: str, place: str) -> MasterKey:
    try:
        key_id, created, text = line.split()
        secret = b64decode(text, altchars=b"-_", validate=True)
        is_id = len(bytes.fromhex(key_id)) == KEY_ID and key_id == key_id.lower()
    except (ValueError, Base64Error):
        is_id, secret = False, b""
    if not is_id or len(secret) != SECRET:
        raise ConfigError(f"{place} is no key: it has to be `id created secret`")
    return MasterKey(id=key_id, secret=secret, created=created)
