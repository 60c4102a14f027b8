"""A store: bytes by key, with a version each, moved as they are.

Two rules that everything else rests on:

- A version names content: whoever writes on the condition of a version replaces what it has read,
  or is told of the conflict and has changed nothing.
- A write that was acknowledged stays, and whoever reads meanwhile gets the old content or the new.

The methods block, are called in worker threads, and from several at once; none may be called on an
event loop. Each returns, or raises, within `capabilities.deadline`.
"""

from __future__ import annotations

import random
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol

import msgspec

from pegboard.contracts._portable_name import decode_name, encode_name
from pegboard.errors import ConflictError, InputError, UnavailableError

__all__ = [
    "ABSENT",
    "MAX_NAME",
    "MAX_OWNER",
    "Capabilities",
    "Change",
    "Entry",
    "FileKey",
    "KeyPage",
    "KeyRange",
    "Store",
    "Written",
    "every_key",
]

ABSENT = ""
"""The `expected_version` of a file that must not exist yet."""

MAX_NAME = 255
"""Bytes of a file's name in UTF-8."""

MAX_OWNER = 128
"""Bytes of an owner, and of a mod's name."""

_LIMITS = {"scope": 32, "owner": MAX_OWNER, "mod": MAX_OWNER, "name": MAX_NAME}
_FIRST_PAUSE = 0.002  # seconds between two attempts of `Store.update`; doubles up to the last
_LAST_PAUSE = 0.25


class FileKey(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """The address of a file.

    Attributes:
        scope: One of the scopes (`user_private`, `mod_data`, ...).
        owner: User id, or an empty string where the scope has no owner.
        mod: The mod that the file belongs to.
        name: File name, any text of 1 to 255 bytes.

    Raises:
        InputError: If a part is no text, or too long; or if the scope or the name is empty.
    """

    scope: str
    owner: str
    mod: str
    name: str

    def __post_init__(self) -> None:
        for field, limit in _LIMITS.items():
            _check_part(field, getattr(self, field), limit)

    @property
    def path(self) -> str:
        """The key as a relative path that every file system and object store can hold.

        At most 900 characters of `a-z 0-9 . _ - ! = /`, each part at most 122. Different keys have
        different paths, also where case or Unicode normal forms are folded.
        """
        parts = (self.scope, self.owner, self.mod, self.name)
        return "/".join(map(encode_name, parts))

    @classmethod
    def from_path(cls, path: str) -> FileKey | None:
        """Return the key whose `path` this is, None if it is no key's."""
        parts = path.replace("=/", "=\0").split("/")  # a part that goes on after `=/` is one part
        if len(parts) != len(_LIMITS):
            return None
        decoded = [decode_name(each.replace("=\0", "=/")) for each in parts]
        scope, owner, mod, name = decoded
        if scope is None or owner is None or mod is None or name is None:
            return None
        try:
            return cls(scope=scope, owner=owner, mod=mod, name=name)
        except InputError:
            return None

    def __str__(self) -> str:
        owner = f" of {self.owner!r}" if self.owner else ""
        return f"{self.name!r} of mod {self.mod!r} ({self.scope}{owner})"


class KeyRange(msgspec.Struct, frozen=True, kw_only=True):
    """Which files to list: None stands for all, and for all that is below.

    Attributes:
        scope: Only this scope.
        owner: Only this owner; needs `scope`.
        mod: Only this mod; needs `owner`.
        prefix: Only names that begin so; needs `mod`.

    Raises:
        InputError: If a part is given and the one above it is not.
    """

    scope: str | None = None
    owner: str | None = None
    mod: str | None = None
    prefix: str = ""

    def __post_init__(self) -> None:
        chain = (self.scope, self.owner, self.mod, self.prefix or None)
        given = [each is not None for each in chain]
        if given != sorted(given, reverse=True):
            msg = f"a range of files is given from the scope downwards: {self}"
            raise InputError(msg)

    def __contains__(self, key: FileKey) -> bool:
        wanted = (self.scope, self.owner, self.mod)
        actual = (key.scope, key.owner, key.mod)
        same = all(want in {None, have} for want, have in zip(wanted, actual, strict=True))
        return same and key.name.startswith(self.prefix)

    @property
    def path(self) -> str:
        """What the `path` of each key in the range begins with; ends with a slash, or is empty."""
        parts = [each for each in (self.scope, self.owner, self.mod) if each is not None]
        return "".join(f"{encode_name(each)}/" for each in parts)


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a store can do; what it does not say it cannot.

    Attributes:
        backend: Name of the backend, as in `backend="local"`.
        durable: Whether an acknowledged write outlives the process and the machine's power.
        shared: Whether conditions also hold among several processes, so that all may write.
        opaque: Whether it keeps any bytes. One that looks into what it keeps can hold no encrypted
            file, and is refused for the scopes that need it.
        deadline: Seconds within which each call returns or raises.
        max_size: Bytes of the longest file, None for no limit.
    """

    backend: str
    durable: bool = False
    shared: bool = False
    opaque: bool = True
    deadline: float = 30.0
    max_size: int | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file's content as a store holds it.

    Attributes:
        data: The bytes, exactly as written.
        version: Opaque and never empty; two different contents of a file never have the same.
        stale_since: Set if the service is away and this is the last copy known: of when it is.
    """

    data: bytes
    version: str
    stale_since: datetime | None = None


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a write.

    Attributes:
        version: Version of the content that was written.
        pending: Whether it is kept durably on this machine and has not reached the service yet.
    """

    version: str
    pending: bool = False


class KeyPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the keys of a range.

    Attributes:
        keys: In the store's order, which stays the same.
        cursor: To be given to `list` for what follows, empty when this is the end.
    """

    keys: tuple[FileKey, ...]
    cursor: str = ""


Change = Callable[[Entry | None], bytes | None]
"""Makes the new content of a file from the present one; None leaves it as it is."""


class Store(Protocol):
    """Keeps bytes by key. A wrapper (encryption, versions) has the same type as what it wraps.

    Derive a store from this class: `previous`, `mend` and `update` then come with it.
    """

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this store can do, the same as long as it lives."""
        ...

    @abstractmethod
    def read(self, key: FileKey) -> Entry | None:
        """Return the file, or None where there is none.

        Raises:
            CorruptError: If what is kept is not what was written.
            UnavailableError: If the store does not answer in time.
        """
        ...

    @abstractmethod
    def write(self, key: FileKey, data: bytes, *, expected_version: str | None = None) -> Written:
        """Keep `data` in place of what was there.

        Args:
            key: Address of the file.
            data: The whole new content.
            expected_version: Version that is replaced, `ABSENT` for a new file, None for any.

        Raises:
            ConflictError: If the file has another version than expected; nothing was written.
            TooLargeError: If it is longer than `max_size`.
            UnavailableError: If the store is full, broken, or does not answer in time. Whether it
                was written may not be known then; whoever tries again does so on a condition.
        """
        ...

    @abstractmethod
    def delete(self, key: FileKey, *, expected_version: str | None = None) -> bool:
        """Remove the file; False where there was none.

        Raises:
            ConflictError: If the file has another version than expected, or is not there and was
                expected; nothing was removed.
            UnavailableError: If the store does not answer in time.
        """
        ...

    @abstractmethod
    def list(self, within: KeyRange, *, cursor: str = "", limit: int = 1000) -> KeyPage:
        """Return up to `limit` keys of the range, from the cursor on.

        A key that is there during the whole listing is returned once; one that comes or goes
        meanwhile at most once. Files that are not the store's own are passed over.

        Raises:
            InputError: If the cursor is not one that this method gave.
            UnavailableError: If the store does not answer in time.
        """
        ...

    def previous(self, key: FileKey) -> Entry | None:
        """Return the content before the last write, None where the store keeps none.

        For a file that is damaged; it may be damaged as well.

        Raises:
            CorruptError: If what is kept is not what was written.
            UnavailableError: If the store does not answer in time.
        """
        del key
        return None

    def drop_previous(self, key: FileKey) -> None:
        """Give up the content before the last write, and what a killed writer has left of its own.

        The file stays as it is. A store that keeps neither has nothing to do.

        Raises:
            UnavailableError: If the store does not answer in time.
        """
        del key

    def mend(self, key: FileKey, is_sound: Callable[[Entry], bool]) -> Entry | None:
        """Put the content before the last write in place of a damaged one; return what is there.

        A file that is sound stays as it is, also if somebody has mended it a moment ago: looking
        and replacing are one step. None where the store keeps no earlier content.

        Args:
            key: Address of the file.
            is_sound: Says whether a content that the store can read is one.

        Raises:
            CorruptError: If the earlier content is damaged as well, or none is kept.
            UnavailableError: If the store does not answer in time.
        """
        entry = self.read(key)
        return entry if entry is not None and is_sound(entry) else None

    def update(self, key: FileKey, change: Change) -> Entry | None:
        """Read, change and write, so that no writer's work is lost; return what is there then.

        `change` is called again if somebody else wrote in between, so it does nothing but compute.
        This one tries until the deadline; a store that has locks takes one.

        Raises:
            ConflictError: If others were always faster.
            CorruptError: If what is kept is not what was written.
            UnavailableError: If the store does not answer in time.
        """
        end = time.monotonic() + self.capabilities.deadline
        pause = _FIRST_PAUSE
        while True:
            entry = self.read(key)
            if entry is not None and entry.stale_since is not None:
                raise UnavailableError(f"{key} cannot be updated while its store is away")
            data = change(entry)
            if data is None:
                return entry
            expected = ABSENT if entry is None else entry.version
            try:
                written = self.write(key, data, expected_version=expected)
            except ConflictError:
                if time.monotonic() + pause > end:
                    raise
            else:
                return Entry(data=data, version=written.version)
            time.sleep(random.uniform(0, pause))  # noqa: S311 - so that two do not meet again
            pause = min(pause * 2, _LAST_PAUSE)


def every_key(
    store: Store, within: KeyRange | None = None, *, page: int = 1000
) -> Iterator[FileKey]:
    """Yield the keys of a range, page after page.

    Raises:
        UnavailableError: If the store does not answer in time.
    """
    within = within or KeyRange()
    cursor = ""
    while True:
        found = store.list(within, cursor=cursor, limit=page)
        yield from found.keys
        cursor = found.cursor
        if not cursor:
            return


def _check_part(field: str, value: str, limit: int) -> None:
    if not value and field in {"scope", "name"}:
        raise InputError(f"a file needs a {field}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InputError(f"the {field} of a file is no text: {value!r}") from None
    if size > limit:
        raise InputError(f"the {field} of a file has {size} bytes, more than {limit}: {value!r}")
