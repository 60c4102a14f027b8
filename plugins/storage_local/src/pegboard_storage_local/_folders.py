"""The stores of one app: that of its data folder, and those of other folders."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from pegboard_storage_local._store import LocalStore
from pegboard_storage_local.config import StorageLocalConfig

__all__ = ["Folders"]

MOST = 64  # stores of other folders that are kept; a store holds nothing that would be lost
_OTHER = "local:"


class Folders:
    """Gives the store of a backend.

    Args:
        folder: That of the app.
        settings: Of the plugin.
        project: What the paths of other folders are relative to.

    Attributes:
        main: The store of the app's folder.
    """

    def __init__(self, folder: Path, settings: StorageLocalConfig, *, project: Path) -> None:
        self._project = project
        self._settings = settings
        self._others: OrderedDict[str, LocalStore] = OrderedDict()
        self._lock = Lock()
        self.main = self._store(folder)

    def find(self, backend: str) -> LocalStore | None:
        """Return the store of `local` or of `local:` and a folder, None for any other backend."""
        if backend == "local":
            return self.main
        if not backend.startswith(_OTHER):
            return None
        with self._lock:
            folder = self._project / backend[len(_OTHER) :]
            store = self._others.pop(backend, None) or self._store(folder)
            self._others[backend] = store
            while len(self._others) > MOST:
                self._others.popitem(last=False)
            return store

    def _store(self, folder: Path) -> LocalStore:
        return LocalStore(folder, durable=self._settings.durable, deadline=self._settings.deadline)
