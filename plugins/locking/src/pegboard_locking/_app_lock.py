"""`app.lock`: the locks of whatever provider the app has."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, cast

from pegboard.contracts.lock import Lock, LockHolder, LockProvider

if TYPE_CHECKING:
    from pegboard import App
    from pegboard_locking._folder import LockFolder

__all__ = ["AppLocks"]


class AppLocks:
    """The locks of an app, of the first provider that answers; asked at first use.

    Attributes:
        folder: The locks that this plugin itself provides.

    Args:
        app: The app.
        folder: The same.
    """

    def __init__(self, app: App, folder: LockFolder) -> None:
        self.folder = folder
        self._app = weakref.ref(app)
        self._provider: LockProvider | None = None

    def lock(self, name: str, *, shared: bool = False, timeout: float | None = None) -> Lock:
        """Return the lock of a name; see `LockProvider`.

        Raises:
            InputError: If the name is empty or the timeout negative.
        """
        return self._chosen().lock(name, shared=shared, timeout=timeout)

    def holders(self, name: str) -> list[LockHolder]:
        """Return who holds a lock at the moment; see `LockProvider`."""
        return self._chosen().holders(name)

    def _chosen(self) -> LockProvider:
        app = self._app()
        if self._provider is None and app is not None:
            self._provider = cast("LockProvider", app.hooks.first("provide_lock", app=app))
        return self._provider or self.folder
