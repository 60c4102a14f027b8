"""Where the master keys come from: the settings, a command, or a file of this machine.

The file is made when the first file is sealed. It is never made anew: a mark beside it says that
there was one, so that a lost key file is an error and not the loss of all that it has sealed.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

from pegboard.errors import ConfigError
from pegboard_storage._key_ring import KeyRing, line_of, new_key, parse_keys
from pegboard_storage._seal import MasterKey

__all__ = ["CommandKeys", "FileKeys", "KeySource", "Keys", "TextKeys"]

COMMAND_TIMEOUT = 20.0
MAX_FILE = 1 << 20  # bytes; ten thousand keys

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe is refused, and not waited for
_HAS_MODES = os.name == "posix"


class KeySource:
    """Gives the text that keys are read from.

    Attributes:
        name: What messages call it.
    """

    name: str

    def read(self, *, create: bool) -> KeyRing | None:
        """Return the keys; None if there are none yet and `create` is not set.

        Raises:
            ConfigError: If the keys are lost, readable by others, or no keys.
        """
        raise NotImplementedError

    def add(self) -> MasterKey:
        """Make a new key the current one.

        Raises:
            ConfigError: If keys from here have to be made elsewhere.
        """
        raise ConfigError(
            f"keys from {self.name} are made there: add a line at its end, and restart"
        )


class TextKeys(KeySource):
    """Keys from the settings.

    Args:
        text: The lines; `;` may stand between them.
    """

    name = "the setting plugins.storage.secret_keys"

    def __init__(self, text: str) -> None:
        self._text = text

    def read(self, *, create: bool) -> KeyRing | None:
        """Return the keys."""
        del create
        return parse_keys(self._text.replace(";", "\n"), self.name)


class CommandKeys(KeySource):
    """Keys from a program, such as the client of a vault.

    Args:
        command: The program and its arguments; it prints the lines.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self.name = f"the command {self._command[0]}"

    def read(self, *, create: bool) -> KeyRing | None:
        """Run the program and return the keys."""
        del create
        try:
            done = subprocess.run(  # noqa: S603 - what the settings name
                self._command, stdout=subprocess.PIPE, check=True, timeout=COMMAND_TIMEOUT
            )
            text = done.stdout.decode()
        except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
            why = _failure_of_command(error)
            raise ConfigError(f"{self.name} (plugins.storage.key_command) {why}") from error
        return parse_keys(text, self.name)


def _failure_of_command(error: Exception) -> str:
    """Return what became of it; never what it has printed, which may be keys."""
    match error:
        case subprocess.CalledProcessError():
            return f"failed with status {error.returncode}: run it by hand to see why"
        case subprocess.TimeoutExpired():
            return f"did not end within {COMMAND_TIMEOUT:g} s"
        case UnicodeDecodeError():
            return "printed something else than text"
        case _:
            return f"cannot be run: {getattr(error, 'strerror', None) or error}"


class FileKeys(KeySource):
    """Keys in a file that only its owner can read.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = path.with_name(f"{path.name}.made")
        self.name = f"the key file {path}"

    def read(self, *, create: bool) -> KeyRing | None:
        """Return the keys; make the file if there never was one and `create` is set."""
        text = self._read()
        if text is None:
            if self._mark.exists():
                text = self._read_again()
            elif create:
                self._make(line_of(new_key()))
                text = self._read_again()
        return None if text is None else parse_keys(text, self.name, is_appended=True)

    def _read_again(self) -> str:
        """Return what has to be there: somebody may have made it a moment ago."""
        text = self._read()
        if text is None:
            raise ConfigError(
                f"{self.name} is missing: put it back from your backup. Without it, what it has "
                f"sealed cannot be read. To give that up and begin anew, remove {self._mark}"
            )
        return text

    def add(self) -> MasterKey:
        """Add a key at the end: two that add at once keep both."""
        if self.read(create=True) is None:
            raise ConfigError(f"{self.name} could not be made")
        key = new_key()
        try:
            self._append(f"\n{line_of(key)}".encode())  # a line that was cut off stays alone
        except OSError as error:
            reason = f"no key could be added to {self.name}, the old ones stay: {error.strerror}"
            raise ConfigError(reason) from error
        return key

    def _append(self, line: bytes) -> None:
        """Add a line; one that does not fit is left cut off, which whoever reads it passes over."""
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | _NO_FOLLOW)
        try:
            if os.write(fd, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(fd)
        finally:
            os.close(fd)

    def _read(self) -> str | None:
        try:
            fd = os.open(self._path, os.O_RDONLY | _NO_FOLLOW | _NO_WAIT)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{self.name} cannot be read: {error.strerror}") from error
        try:
            self._check(os.fstat(fd))
            return os.read(fd, MAX_FILE).decode("ascii", "replace")
        finally:
            os.close(fd)

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{self.name} is no file")
        if not _HAS_MODES:
            return
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise ConfigError(f"{self.name} can be read by others: chmod 600 {self._path}")
        if found.st_uid not in {os.getuid(), 0}:
            raise ConfigError(f"{self.name} belongs to another user: chown it")

    def _make(self, text: str) -> None:
        """Make the file in one step: of several processes that try, the first one wins."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
            with os.fdopen(fd, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(fd)
            with suppress(FileExistsError):
                os.link(temporary, self._path)
            self._mark.touch(mode=0o600)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise ConfigError(f"{self.name} cannot be made: {error.strerror}") from error
        finally:
            temporary.unlink(missing_ok=True)


class Keys:
    """The keys of an app: read at first use, and again when a key is asked for that is new.

    Args:
        source: Where they come from.
    """

    def __init__(self, source: KeySource) -> None:
        self.source = source
        self._ring: KeyRing | None = None
        self._lock = Lock()

    def current(self) -> MasterKey:
        """Return the key to seal with; make the first one where there is none.

        Raises:
            ConfigError: If there can be none.
        """
        ring = self._ring or self._reload(create=True)
        if ring is None:
            raise ConfigError(f"{self.source.name} holds no key")
        return ring.current

    def find(self, key_id: str) -> MasterKey:
        """Return the key to open with.

        Raises:
            ConfigError: If it is not here.
        """
        key = self._ring.find(key_id) if self._ring is not None else None
        if key is None:  # another process may have added it since
            ring = self._reload(create=False)
            key = None if ring is None else ring.find(key_id)
        if key is None:
            raise ConfigError(
                f"it is sealed with key {key_id}, which {self.source.name} does not hold: put that "
                "key back there, as a line before the last one"
            )
        return key

    def all(self) -> list[MasterKey]:
        """Return all keys, the current one last.

        Raises:
            ConfigError: If they cannot be read.
        """
        ring = self._reload(create=False)
        return [] if ring is None else list(ring)

    def rotate(self) -> MasterKey:
        """Make a new key the current one and return it.

        Raises:
            ConfigError: If keys from this source are made elsewhere.
        """
        key = self.source.add()
        self._reload(create=False)
        return key

    def _reload(self, *, create: bool) -> KeyRing | None:
        with self._lock:
            self._ring = self.source.read(create=create)
            return self._ring


def _sync_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
