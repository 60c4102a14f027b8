"""`FileHandlerV2`: one JSON document of a mod, a user or everyone, used like a dict."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

import msgspec

from pegboard import App, RequestData, Session
from pegboard.contracts.storage import FileKey, Store
from pegboard.errors import InputError, UnauthorizedError
from pegboard_storage._access import Access, check_access
from pegboard_storage._lane import in_thread, in_thread_alone
from pegboard_storage._legacy import LegacyNames
from pegboard_storage._scope import SCOPES, FilenameError, StorageScope, detected_scope
from pegboard_storage._service import storage_of
from pegboard_storage._stored import StoredDocument, Transformation
from pegboard_storage._user import UserContext, get_current_context, user_of

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["FileHandler", "FileHandlerV2"]

T = TypeVar("T")
_MISSING: Any = object()


class FileHandlerV2(LegacyNames):
    """A file that is read and written as a whole: load it, use it like a dict, save it.

    What reads a value loads the file if it was not loaded; what changes one does so in memory,
    until it is saved. Several handlers, threads and processes may have one file: a save changes
    the keys that were changed here and leaves what others wrote; `update` with a function is for
    values that depend on the old ones.

    The methods that read and write files block; those with an `a` before their name work in a
    thread. A handler may be used by several threads.

    Args:
        filename: Name of the file; ends with `.config` or `.data`. What it begins with stands for
            the scope: `private.`, `public.`, `global.`, `shared.`, `server.`.
        name: The mod that the file belongs to.
        keys: Names that stand for other keys.
        defaults: Values of keys that are not in the file.
        scope: The scope, whatever the name begins with; `.config` is always `config`.
        backend: `auto`, `local`, `cloud`, or the name of a store.
        encrypt: Whether the file is encrypted; None for what its scope has. What always is
            cannot be told otherwise.
        request: On whose behalf: who sent this request.
        user_context: On whose behalf; wins over `request`. Without either it is the user of the
            call that runs, or who was set with `set_current_context`.
        base_path: Folder of this machine to keep the file in, instead of the project's.
        owner: Whose file, where each user has one; the user of the call by default.
        app: The app whose storage it is; by default the one that this runs in.

    Raises:
        FilenameError: If the name, scope, backend or encryption cannot be.
        UnauthorizedError: If it is a user's file and no user is known.
    """

    def __init__(
        self,
        filename: str,
        name: str = "mainTool",
        keys: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
        *,
        scope: StorageScope | str | None = None,
        backend: str = "auto",
        encrypt: bool | None = None,
        request: RequestData | Session | None = None,
        user_context: UserContext | None = None,
        base_path: str | Path | None = None,
        owner: str | None = None,
        app: App | None = None,
    ) -> None:
        self.filename = filename
        self.name = name
        self.scope = detected_scope(filename, scope)
        self.backend = backend
        self._keys = dict(keys or {})
        self._defaults = dict(defaults or {})
        self._lent: dict[str, Any] = {}  # copies of defaults that can be changed, as handed out
        self._app = app
        self._base_path = None if base_path is None else Path(base_path).resolve()
        self._encrypt = _checked_encryption(encrypt, self.scope)
        asker = user_context if user_context is not None else request
        self._user = None if asker is None else user_of(asker)
        self._document = StoredDocument(self._key(owner))

    def _key(self, owner: str | None) -> FileKey:
        if owner is None and SCOPES[self.scope].has_owner:
            user = self.user
            if not user.is_authenticated:
                raise UnauthorizedError(
                    f"{self.filename!r} of mod {self.name!r} belongs to a user, and nobody is "
                    "signed in: pass request=..., or call set_current_context first"
                )
            owner = user.user_id
        has_owner = SCOPES[self.scope].has_owner or self.scope is StorageScope.MOD_DATA
        if owner and not has_owner:
            raise FilenameError(f"files of scope {self.scope.value} have no owner")
        return FileKey(scope=self.scope.value, owner=owner or "", mod=self.name, name=self.filename)

    @property
    def key(self) -> FileKey:
        """The address of the file."""
        return self._document.key

    @property
    def user(self) -> UserContext:
        """On whose behalf it reads and writes now."""
        return get_current_context() if self._user is None else self._user

    @property
    def is_encrypted(self) -> bool:
        """Whether the file is encrypted."""
        return self._encrypt

    @property
    def version(self) -> str:
        """Version that was loaded or saved last, for `save(if_version=...)`; empty for no file."""
        return self._document.version

    @property
    def stale_since(self) -> datetime | None:
        """Of when the copy is that was loaded while the store was away; None for the present."""
        return self._document.stale_since

    @property
    def is_pending(self) -> bool:
        """Whether the last save waits on this machine for its store to come back."""
        return self._document.is_pending

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.key}>"

    def load(self) -> Self:
        """Read the file, and drop changes that were not saved; without a file it is empty.

        Raises:
            AccessError: If the user may not read it.
            CorruptError: If it is damaged; `recoverable` says whether `restore` would help.
            UnavailableError: If its store does not answer in time.
        """
        self._document.load(self._store("read"))
        return self

    def save(self, *, if_version: str | None = None) -> Self:
        """Write the file.

        Args:
            if_version: Version that it has to have still; an empty one for a new file.

        Raises:
            AccessError: If the user may not write it.
            ConflictError: If it has another version than `if_version`; nothing was written.
            CorruptError: If others have written it, and what they wrote is damaged.
            InputError: If a value is no JSON data; nothing was written.
            TooLargeError: If it does not fit.
            UnavailableError: If its store is full, broken, or does not answer in time.
        """
        store = self._store("write")
        self._keep_lent()
        self._document.save(store, if_version=if_version)
        return self

    def update(self, values: Mapping[str, Any] | Transformation = _MISSING, /, **more: Any) -> Self:
        """Set several values in memory; or, given a function, change the file itself.

        A function is given the document as it is in the file and changes it, or returns another
        one; the result is written at once, under a lock or on a condition, so that many who count
        together lose nothing. It does nothing but compute: it may be called again.

        Args:
            values: Keys and values, or the function.
            more: More keys and values.

        Raises:
            AccessError: If the user may not write it.
            ConflictError: If others were always faster; with a function only, as all below.
            CorruptError: If it is damaged.
            InputError: If a value is no JSON data.
            UnavailableError: If its store does not answer in time.
        """
        if callable(values):
            self._document.update(self._store("write"), values)
            return self
        self._check("write")
        with self._document.lock:
            for key, value in {**({} if values is _MISSING else values), **more}.items():
                self._document.data[self._stored(key)] = value
        return self

    def delete_file(self) -> bool:
        """Remove the file; False where there was none.

        Raises:
            AccessError: If the user may not write it.
            UnavailableError: If its store does not answer in time.
        """
        return self._document.delete(self._store("write"))

    def restore(self) -> Self:
        """Put the content before the last save in place of a damaged file, and load it.

        A file that is sound is loaded as it is: somebody may have restored it already.

        Raises:
            AccessError: If the user may not write it.
            CorruptError: If that is damaged as well.
            NotFoundError: If there is none.
            UnavailableError: If its store does not answer in time.
        """
        self._document.restore(self._store("write"))
        return self

    @overload
    def get(self, key: str, default: Any = None) -> Any: ...
    @overload
    def get(self, key: str, default: T = ..., *, type: type[T]) -> T: ...

    def get(self, key: str, default: Any = None, *, type: Any = None) -> Any:  # noqa: A002 - reads as what it does
        """Return a value: that of the file, else that of `defaults`, else `default`.

        A list or dict of either is saved with what was changed in it.

        Args:
            key: Its name.
            default: What to return where there is none.
            type: What the value has to be; it is converted, by msgspec.

        Raises:
            InputError: If the value is not of that type.
            PegboardError: As `load`, if the file has to be loaded.
        """
        value = self._data().get(self._stored(key), _MISSING)
        if value is _MISSING:
            value = self._default(key)
        if value is _MISSING:
            return default
        return value if type is None else _converted(value, type, f"{key!r} of {self.key}")

    def set(self, key: str, value: Any) -> bool:
        """Set a value in memory; True.

        Raises:
            AccessError: If the user may not write the file.
        """
        self._check("write")
        with self._document.lock:
            self._document.data[self._stored(key)] = value
        return True

    def delete(self, key: str) -> bool:
        """Remove a key in memory; False where there was none.

        Raises:
            AccessError: If the user may not write the file.
            PegboardError: As `load`, if the file has to be loaded.
        """
        self._check("write")
        self._data()
        with self._document.lock:
            return self._document.data.pop(self._stored(key), _MISSING) is not _MISSING

    def keys(self) -> list[str]:
        """Return the keys that are in the file or were set.

        Raises:
            PegboardError: As `load`, if the file has to be loaded.
        """
        return list(self._copied())

    def values(self) -> list[Any]:
        """Return the values, in the order of `keys`.

        Raises:
            PegboardError: As `load`, if the file has to be loaded.
        """
        return list(self._copied().values())

    def items(self) -> list[tuple[str, Any]]:
        """Return keys and values.

        Raises:
            PegboardError: As `load`, if the file has to be loaded.
        """
        return list(self._copied().items())

    list_keys = keys
    list_items = items

    def to_dict(self) -> dict[str, Any]:
        """Return a copy of everything.

        Raises:
            PegboardError: As `load`, if the file has to be loaded.
        """
        data = self._data()
        with self._document.lock:
            return copy.deepcopy(data)

    def __getitem__(self, key: str) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        if not self.delete(key):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._stored(key) in self._data()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._data())

    def __bool__(self) -> bool:
        return True  # also when it is empty: it is a file, and no dict

    def __enter__(self) -> Self:
        return self.load()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.save()

    async def __aenter__(self) -> Self:
        return await self.aload()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.asave()

    async def aload(self) -> Self:
        """Do as `load`."""
        return await in_thread(self.load, self._lane)

    async def asave(self, *, if_version: str | None = None) -> Self:
        """Do as `save`. Cancelling waits for a save that has begun."""
        return await self._write(partial(self.save, if_version=if_version))

    async def aupdate(self, change: Mapping[str, Any] | Transformation, /) -> Self:
        """Do as `update`; a function is called in a thread."""
        if callable(change):
            return await self._write(partial(self.update, change))
        return self.update(change)

    async def aget(self, key: str, default: Any = None, *, type: Any = None) -> Any:  # noqa: A002 - as in `get`
        """Do as `get`."""
        await self._loaded()
        return self.get(key, default, type=type)

    async def aset(self, key: str, value: Any) -> bool:
        """Do as `set`."""
        return self.set(key, value)

    async def adelete(self, key: str) -> bool:
        """Do as `delete`."""
        await self._loaded()
        return self.delete(key)

    async def adelete_file(self) -> bool:
        """Do as `delete_file`."""
        return await self._write(self.delete_file)

    async def arestore(self) -> Self:
        """Do as `restore`."""
        return await self._write(self.restore)

    def _check(self, access: Access) -> None:
        check_access(self.user, self.key, access)

    def _store(self, access: Access) -> Store:
        self._check(access)
        storage = storage_of(self._app)
        backend = storage.backend(self.scope, self.backend, self._base_path)
        return storage.store(self.key, backend, is_encrypted=self._encrypt)

    def _data(self) -> dict[str, Any]:
        """Return what is in memory, for a user who may read it: who has loaded it plays no part."""
        if not self._document.is_loaded:
            self._document.load(self._store("read"), keep_changes=True)
        else:
            self._check("read")
        return self._document.data

    @property
    def _lane(self) -> str:
        is_local = SCOPES[self.scope].is_local or self._base_path is not None
        return "local" if is_local else self.backend

    async def _loaded(self) -> None:
        """Load the file if it was not; what is in memory needs no thread."""
        if not self._document.is_loaded:
            await in_thread(self._data, self._lane)

    async def _write(self, function: Callable[[], T]) -> T:
        return await in_thread_alone(function, self._lane, self.key)

    def _copied(self) -> dict[str, Any]:
        data = self._data()
        with self._document.lock:
            return dict(data)

    def _default(self, key: str) -> Any:
        if key not in self._defaults or not isinstance(self._defaults[key], dict | list):
            return self._defaults.get(key, _MISSING)
        with self._document.lock:
            return self._lent.setdefault(key, copy.deepcopy(self._defaults[key]))

    def _keep_lent(self) -> None:
        """Put the defaults that were changed where they were handed out into the document."""
        with self._document.lock:
            for key, value in self._lent.items():
                if value != self._defaults[key]:
                    self._document.data.setdefault(self._stored(key), value)
            self._lent.clear()

    def _stored(self, key: str) -> str:
        return self._keys.get(key, key)


FileHandler = FileHandlerV2
"""The same, under the name that it had before."""


def _checked_encryption(encrypt: bool | None, scope: StorageScope) -> bool:  # noqa: FBT001 - a setting
    is_sealed = SCOPES[scope].is_sealed
    if encrypt is False and is_sealed:
        raise FilenameError(f"files of scope {scope.value} are always encrypted")
    return is_sealed if encrypt is None else encrypt


def _converted(value: Any, kind: Any, what: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{what} is not what was asked for: {error}") from error
