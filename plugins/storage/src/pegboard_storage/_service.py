"""The storage of one app: which store keeps a file, and the keys that it is sealed with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pegboard import App, get_app
from pegboard.contracts.storage import FileKey, KeyRange, Store, every_key
from pegboard.errors import MissingPluginError, PluginError
from pegboard_storage._access import check_access
from pegboard_storage._backend import DISTRIBUTIONS, chosen_backend
from pegboard_storage._encryption import EncryptedStore
from pegboard_storage._key_source import CommandKeys, FileKeys, Keys, KeySource, TextKeys
from pegboard_storage._scope import SCOPES, StorageScope
from pegboard_storage._user import UserContext
from pegboard_storage.config import StorageConfig

__all__ = ["Storage", "storage_of"]

Ask = Callable[[FileKey | None, str], Store | None]

_SEALED = frozenset(scope.value for scope, traits in SCOPES.items() if traits.is_sealed)


class Storage:
    """Finds the store of a file.

    Args:
        settings: The settings of the plugin.
        data: The app's data folder.
        ask: Asks the plugins for the store of a file and backend.

    Attributes:
        keys: What files are sealed with.
        settings: The settings of the plugin.
    """

    def __init__(self, settings: StorageConfig, data: Path, ask: Ask) -> None:
        self.settings = settings
        self.keys = Keys(_key_source(settings, data))
        self._ask = ask

    def backend(self, scope: StorageScope, backend: str, base_path: Path | None = None) -> str:
        """Return the backend that keeps a file, `auto` and base paths worked out.

        Raises:
            FilenameError: If the scope needs another one.
        """
        return chosen_backend(backend, scope, self.settings.mode, base_path)

    def store(self, key: FileKey, backend: str, *, is_encrypted: bool) -> Store:
        """Return the store of a file.

        Args:
            key: The file.
            backend: As `backend` has worked it out.
            is_encrypted: Whether the file is sealed; in scopes that need it, it always is.

        Raises:
            ConfigError: If that store cannot keep sealed files and this file is.
            MissingPluginError: If the plugin of that backend is not active.
            PluginError: If there is no such backend, or its plugin fails.
        """
        store = self.raw_store(backend, key)
        is_sealed = is_encrypted or key.scope in _SEALED
        return EncryptedStore(store, self.keys) if is_sealed else store

    def raw_store(self, backend: str, key: FileKey | None = None) -> Store:
        """Return the store of a backend as it is: what it keeps encrypted stays so.

        Raises:
            MissingPluginError: If the plugin of that backend is not active.
            PluginError: If there is no such backend, or its plugin fails.
        """
        store = self._ask(key, backend)
        if store is None:
            name = backend.partition(":")[0]
            if name in DISTRIBUTIONS:
                raise MissingPluginError(f"storage backend {name!r}", DISTRIBUTIONS[name])
            known = ", ".join(DISTRIBUTIONS)
            raise PluginError(
                f"no active plugin has a storage backend {name!r}: Pegboard brings {known}, and "
                "`pegboard plugins` lists the plugins that are active"
            )
        return store

    def files(
        self, user: UserContext, within: KeyRange, backend: str = "auto"
    ) -> Iterator[FileKey]:
        """Yield the files of a range whose scope and owner are given, if the user may read them.

        Raises:
            AccessError: If the user may not.
            InputError: If the range has no scope, or no owner.
            UnavailableError: If the store does not answer in time.
        """
        scope = StorageScope(within.scope or "")
        check_access(user, _any_file(within), "read")
        yield from every_key(self.raw_store(self.backend(scope, backend)), within)


def storage_of(app: App | None = None) -> Storage:
    """Return the storage of an app, of the one that this runs in by default.

    In a plain script that is the default app, which is started if it does not run.

    Raises:
        MissingPluginError: If the storage plugin is not active there.
    """
    app = get_app() if app is None else app
    app.start()
    return app.service(Storage, "pegboard-storage")


def _any_file(within: KeyRange) -> FileKey:
    return FileKey(
        scope=within.scope or "", owner=within.owner or "", mod=within.mod or "", name="any"
    )


def _key_source(settings: StorageConfig, data: Path) -> KeySource:
    if settings.secret_keys:
        return TextKeys(settings.secret_keys)
    if settings.key_command:
        return CommandKeys(settings.key_command)
    return FileKeys(data / settings.key_file)
