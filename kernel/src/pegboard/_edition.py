"""Modules of which several versions can be alive at once, each with imports of its own.

An *edition* is one version of the modules of one mod or plugin. All editions of a module have its
real name; `sys.modules` names those of the edition that serves, see `_library`. Code of an edition
imports through a function that answers with the modules that this edition was made with, so that
old code which imports late meets no new code.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec

from pegboard._mark import Mark, has_changed

if TYPE_CHECKING:
    from pegboard._build import Build
    from pegboard._export import Declaration
    from pegboard._library import Library

__all__ = ["Edition", "current_build"]

current_build: ContextVar[Build] = ContextVar("pegboard_build")
"""What this thread, or task, is building."""

_import = builtins.__import__


class Edition:
    """One version of the modules of a unit: of a mod, a plugin, or a module that mods share.

    Attributes:
        unit: Name of the module that the others are in.
        modules: The modules, by name.
        sources: What tells whether a source file is still what was executed.
        links: The editions of other units that this one has imported.
        declarations: The exports that were declared while it was executed.
        is_claimed: Whether a mod or plugin was loaded from it, and not only others import it.
        is_complete: Whether its first execution has ended.
        is_adopted: Whether its modules were imported before by others, so that what they import
            is not known.
    """

    __slots__ = (
        "__weakref__",
        "_library",
        "builtins",
        "declarations",
        "is_adopted",
        "is_claimed",
        "is_complete",
        "links",
        "modules",
        "sources",
        "unit",
    )

    def __init__(self, unit: str, library: Library) -> None:
        self.unit = unit
        self.modules: dict[str, ModuleType] = {}
        self.sources: dict[Path, Mark] = {}
        self.links: dict[str, Edition] = {}
        self.declarations: list[Declaration] = []
        self.is_claimed = False
        self.is_complete = False
        self.is_adopted = False
        self._library = library
        self.builtins = {**vars(builtins), "__import__": self._import}

    @property
    def root(self) -> ModuleType:
        """The module that the others are in."""
        return self.modules[self.unit]

    def differs(self, paths: Iterable[Path] | None = None) -> bool:
        """Whether a source, of these paths if they are given, is not what it was.

        Raises:
            OSError: If a source is there and cannot be read.
        """
        wanted = self.sources.keys() if paths is None else self.sources.keys() & set(paths)
        return any(has_changed(path, self.sources[path]) for path in wanted)

    def take(self, module: ModuleType) -> None:
        """Make a module that is about to be executed one of this edition."""
        self.modules[module.__name__] = module
        vars(module)["__builtins__"] = self.builtins

    def resolve_types(self, names: Iterable[str] | None = None) -> None:
        """Have msgspec look up, while `sys.modules` names these modules, what its types refer to.

        It does so at the first use of a type and remembers it; code that runs before this edition
        serves would make it remember the types of the one before, or find none.

        Args:
            names: Of which modules; None for all.
        """
        for module in [self.modules[name] for name in (self.modules if names is None else names)]:
            for value in list(vars(module).values()):
                is_own = getattr(value, "__module__", None) == module.__name__
                if is_own and isinstance(value, type) and issubclass(value, msgspec.Struct):
                    with suppress(Exception):  # whoever uses such a type will be told
                        msgspec.json.Decoder(value)

    def __repr__(self) -> str:
        return f"<Edition of {self.unit}, {len(self.modules)} modules>"

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - the names of `__import__`
        locals: Mapping[str, Any] | None = None,  # noqa: A002 - the same
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """Stand in for `__import__` in the code of this edition."""
        if not level and name.partition(".")[0] not in self._library.packages:
            return _import(name, globals, locals, fromlist or (), level)
        absolute = _absolute(name, globals, level)
        known = self._known(absolute, fromlist or ())
        if known is not None:
            return known
        with self._library.late(self) as build:
            found = _import(name, globals, locals, fromlist or (), level)
            for each in (absolute, *(f"{absolute}.{child}" for child in fromlist or ())):
                self._link(each, build)
        return found

    def _known(self, absolute: str, names: Sequence[str]) -> Any:
        """Return what such an import answers where all of it is loaded, else None."""
        module = self._seen(absolute)
        if not names:
            return module if "." not in absolute else None
        unit, values = self._library.unit_of(absolute), {}
        for name in names:
            child = f"{absolute}.{name}"
            if self._library.unit_of(child) in (unit, None):
                if module is None or not hasattr(module, name):
                    return None
                values[name] = getattr(module, name)
            else:  # of another unit: what the package says is of no matter
                values[name] = self._seen(child)
                if values[name] is None:
                    return None
        return SimpleNamespace(**values)

    def _seen(self, name: str) -> ModuleType | None:
        """Return a module that is loaded, as code of this edition sees it."""
        unit = self._library.unit_of(name)
        if unit == self.unit:
            return self.modules.get(name)
        self._link(name, current_build.get(None))
        linked = self.links.get(unit or "")
        return None if linked is None else linked.modules.get(name)

    def _link(self, name: str, build: Build | None) -> None:
        unit = self._library.unit_of(name)
        if unit is None or unit == self.unit or unit in self.links:
            return
        edition = self._library.edition(unit, build)
        if edition is not None:
            self.links[unit] = edition


def _absolute(name: str, globals_: Mapping[str, Any] | None, level: int) -> str:
    package = (globals_ or {}).get("__package__") or ""
    return resolve_name("." * level + name, package) if level else name
