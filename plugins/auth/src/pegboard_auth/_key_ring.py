"""The keys that sign: a file of their own, so that a copy of the database signs nothing."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from pegboard.errors import ConfigError
from pegboard_auth._token import SigningKey, TokenCodec

__all__ = ["load_codec"]

SECRET_BYTES = 32


class _Ring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    instance: str
    keys: tuple[SigningKey, ...]


def load_codec(path: Path) -> TokenCodec:
    """Read the keys, and make them where there is no file yet.

    Of several processes that start at once one makes them.

    Raises:
        ConfigError: If the file cannot be read or made, is damaged, or is open to other users.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        return _read(path)
    except OSError as error:
        msg = f"the signing keys {path} cannot be read or made: {error.strerror}"
        raise ConfigError(msg) from error


def _read(path: Path) -> TokenCodec:
    if os.name == "posix" and path.stat().st_mode & 0o077:
        msg = f"other users can read the signing keys: chmod 600 {path}"
        raise ConfigError(msg)
    try:
        ring = msgspec.json.decode(path.read_bytes(), type=_Ring)
    except msgspec.MsgspecError as error:
        raise _damaged(path) from error
    if not ring.keys or any(len(key.secret) < SECRET_BYTES for key in ring.keys):
        raise _damaged(path)
    return TokenCodec(ring.instance, ring.keys)


def _damaged(path: Path) -> ConfigError:
    return ConfigError(
        f"the signing keys {path} are damaged: restore the file, or delete it, which signs "
        "everybody out"
    )


def _make(path: Path) -> None:
    """Write the file whole or not at all, and only if nobody else has."""
    key = SigningKey(secrets.token_hex(4), secrets.token_bytes(SECRET_BYTES))
    content = msgspec.json.encode(_Ring(secrets.token_hex(8), (key,)))
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another process was faster
    finally:
        draft.unlink()
