"""Who asks from outside, and whether they may: the one place that decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pegboard._config import AccessSettings
from pegboard._request import ANONYMOUS, Session
from pegboard.errors import ForbiddenError, PegboardError, UnauthorizedError, UnavailableError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._export import Declaration, Export
    from pegboard._hooks import HookCaller
    from pegboard.contracts.asgi import Scope
    from pegboard.contracts.session import Connection

__all__ = ["Access"]

SessionLoader: TypeAlias = "Callable[[Connection], Awaitable[Session | None] | None]"


class Access:
    """Lets callers from outside in, or not.

    Attributes:
        settings: What the section `[access]` says.
        headers: Names, in lower case, of the request headers that can tell who asks; None if
            something else can as well.

    Args:
        app: The app.
    """

    def __init__(self, app: App) -> None:
        self.settings = AccessSettings()
        self.headers: frozenset[bytes] | None = frozenset()
        self._app = app
        self._loaders: list[SessionLoader] = []

    def follow(self, hooks: HookCaller) -> None:
        """Ask these plugins from now on."""
        loaders = hooks.implementations("load_session")
        self._loaders = [_loader(self._app, each) for each in loaders]
        self.headers = _headers(hooks)

    def required_level(self, declaration: Declaration) -> int:
        """Return the level that an export needs; below 0 nobody from outside has it."""
        level = declaration.options.level
        if level is not None:
            return level
        if declaration.mod in self.settings.open_modules:
            return 0
        if declaration.mod in self.settings.protected_modules:
            return max(self.settings.default_level, 1)
        if self.settings.open_prefix and declaration.name.lower().startswith("open"):
            return 0
        return self.settings.default_level

    async def session(self, connection: Connection) -> Session:
        """Find out who asks: the first plugin that knows decides, else nobody.

        Raises:
            UnavailableError: If the plugin that knows sessions fails.
            PegboardError: What that plugin raises of this kind, which refuses the caller.
        """
        try:
            return await self._ask(connection) if self._may_tell(connection.scope) else ANONYMOUS
        except PegboardError:
            raise
        except Exception as error:  # who cannot be asked about is nobody's guest
            self._app.logger.exception("the session of a request could not be loaded")
            raise UnavailableError("who asks cannot be found out at the moment") from error

    async def admit(self, export: Export, connection: Connection) -> Session:
        """Return who asks, if the export is open to them.

        Raises:
            UnauthorizedError: If the export needs a signed-in caller and nobody is.
            ForbiddenError: If the caller's level is too low, or nobody's is high enough.
            UnavailableError: If the plugin that knows sessions fails.
        """
        session = await self.session(connection)
        if export.internal:
            raise ForbiddenError(f"{export.address} can be called in process only")
        if session.level >= export.required_level:
            return session
        if session.anonymous:
            raise UnauthorizedError(f"{export.address} needs a signed-in caller")
        raise ForbiddenError(
            f"{export.address} needs level {export.required_level}, not {session.level}"
        )

    async def _ask(self, connection: Connection) -> Session:
        for load in self._loaders:
            answer = load(connection)
            if answer is not None:
                session = await answer
                if session is not None:
                    return session
        return ANONYMOUS

    def _may_tell(self, scope: Scope) -> bool:
        """Whether there is anything in a request that tells who asks."""
        names = self.headers
        return names is None or not names.isdisjoint([name for name, _ in scope["headers"]])


def _loader(app: App, implementation: Any) -> SessionLoader:
    """Return an implementation of `load_session` as a function of the connection alone."""
    function, names = implementation.function, tuple(implementation.argnames)
    if names == ("app", "connection"):
        return partial(function, app)
    if names == ("connection",):
        return cast("SessionLoader", function)
    return lambda connection: function(
        *({"app": app, "connection": connection}[name] for name in names)
    )


def _headers(hooks: HookCaller) -> frozenset[bytes] | None:
    """Return the names of the headers that tell who asks, None if something else may as well."""
    asked = {each.plugin_name for each in hooks.implementations("load_session")}
    named = dict(hooks.all("session_headers"))
    if not asked <= named.keys():
        return None
    return frozenset(name.lower().encode("ascii") for each in asked for name in named[each])
