"""`get_app()`: the app that is meant where none is named."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from pegboard._catalogue import KNOWN_ATTRIBUTES
from pegboard._context import current_context, holding

if TYPE_CHECKING:
    from pegboard._app import App

__all__ = ["AppType", "get_app", "is_loading", "loading"]

_loading: ContextVar[App] = ContextVar("pegboard_loading")


def loading(app: App) -> AbstractContextManager[App]:
    """Let `get_app()` answer `app` while a mod of it is loaded."""
    return holding(_loading, app)


def is_loading(app: App) -> bool:
    """Whether a mod of `app` is being loaded here."""
    return _loading.get(None) is app


class _AppReference:
    """What `get_app()` answers at the top of a module: whichever app uses the module.

    One module can serve several apps; each attribute is that of the app that loads it, or calls
    into it, at that moment.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(_resolved(), name)

    def __repr__(self) -> str:
        return repr(_resolved())


_REFERENCE = cast("App", _AppReference())
_default: App | None = None


class AppType(type):
    """Lets `App.set_ctx`, asked of the class, be that of the app that runs."""

    if not TYPE_CHECKING:  # so that a type checker finds a misspelt attribute

        def __getattr__(cls, name: str) -> Any:
            if name in KNOWN_ATTRIBUTES:
                return getattr(get_app(), name)
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


def get_app(from_: str | None = None, name: str | None = None, **_ignored: Any) -> App:
    """Return the app: the one that is loading this mod, or that this call runs in.

    Outside of both it is the process's default app, made when it is first used.

    Args:
        from_: Who asks; only for people who read the code.
        name: Name of the default app, where this call makes it.
    """
    del from_
    if _loading.get(None) is not None:
        return _REFERENCE
    context = current_context()
    if context is not None:
        return cast("App", context.app)
    return _REFERENCE if name is None else _default_app(name)


def _resolved() -> App:
    loading_app = _loading.get(None)
    if loading_app is not None:
        return loading_app
    context = current_context()
    return _default_app("main") if context is None else cast("App", context.app)


def _default_app(name: str) -> App:
    from pegboard._app import App

    global _default  # noqa: PLW0603 - the one global: sugar for scripts
    if _default is None:
        _default = App(name)
    return _default
