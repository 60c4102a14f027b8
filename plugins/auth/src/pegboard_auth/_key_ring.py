"""The keys that sign: a file of their own, so that a copy of the database signs nothing."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from pegboard.errors import ConfigError
from pegboard_auth._token import SigningKey, TokenCodec

__all__ = ["KeyRing"]

SECRET_BYTES = 32


class _Ring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    instance: str
    keys: tuple[SigningKey, ...]


_read_ring = msgspec.json.Decoder(_Ring).decode


class KeyRing:
    """The keys of one installation, read anew whenever their file was replaced. All of it blocks.

    The file is made where there is none; of several processes that start at once one makes it.

    Args:
        path: The file.

    Raises:
        ConfigError: If the file cannot be read or made, is damaged, or is open to other users.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                first = _new_key()
                _write(path, _Ring(secrets.token_hex(8), (first,)), is_first=True)
        except OSError as error:
            msg = f"the signing keys {path} cannot be made: {error.strerror}"
            raise ConfigError(msg) from error
        self._codec = self.codec()

    def codec(self) -> TokenCodec:
        """Return what signs and checks tokens with the keys of now.

        Raises:
            ConfigError: If the file cannot be read, is damaged, or is open to other users.
        """
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_ino)
            if seen != self._seen:
                ring = self._read()
                self._codec, self._seen = TokenCodec(ring.instance, ring.keys), seen
        except OSError as error:
            msg = f"the signing keys {self._path} cannot be read: {error.strerror}"
            raise ConfigError(msg) from error
        return self._codec

    def rotate(self, now: float, *, grace: float) -> int:
        """Let a new key sign; return how many older ones are good still.

        Args:
            now: Seconds since 1970.
            grace: Seconds that what was signed until now stays good.

        Raises:
            ConfigError: If the file cannot be read or written, or is damaged.
        """
        try:
            ring = self._read()
            aged = (_aged(key, now + grace) for key in ring.keys)
            older = tuple(key for key in aged if key.until is None or key.until > now)
            _write(self._path, _Ring(ring.instance, (_new_key(), *older)), is_first=False)
        except OSError as error:
            msg = f"the signing keys {self._path} cannot be replaced: {error.strerror}"
            raise ConfigError(msg) from error
        return len(older)

    def _read(self) -> _Ring:
        path = self._path
        if os.name == "posix" and path.stat().st_mode & 0o077:
            msg = f"other users can read the signing keys: chmod 600 {path}"
            raise ConfigError(msg)
        try:
            ring = _read_ring(path.read_bytes())
        except msgspec.MsgspecError as error:
            raise self._damaged() from error
        if not ring.keys or any(len(key.secret) < SECRET_BYTES for key in ring.keys):
            raise self._damaged()
        return ring

    def _damaged(self) -> ConfigError:
        return ConfigError(
            f"the signing keys {self._path} are damaged: restore the file, or delete it, which "
            "signs everybody out"
        )


def _new_key() -> SigningKey:
    return SigningKey(secrets.token_hex(4), secrets.token_bytes(SECRET_BYTES))


def _aged(key: SigningKey, until: float) -> SigningKey:
    ends = until if key.until is None else min(key.until, until)
    return msgspec.structs.replace(key, until=ends)


def _write(path: Path, ring: _Ring, *, is_first: bool) -> None:
    """Write the file whole or not at all; the first one only if nobody else has."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(ring))
            file.flush()
            os.fsync(file.fileno())
        if not is_first:
            draft.replace(path)
            return
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another process was faster
    finally:
        draft.unlink(missing_ok=True)
