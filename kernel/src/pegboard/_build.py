"""New editions of modules: found, executed, and seen by nobody but their own code.

Others see them once they are published, see `Library.publish`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from pegboard._discovery import PROJECT_PREFIX
from pegboard._edition import Edition, current_build
from pegboard._export import collected
from pegboard._mark import digest, stamp

if TYPE_CHECKING:
    from pegboard._library import Library

__all__ = ["Build", "ensure_finder"]

_executing: ContextVar[Edition] = ContextVar("pegboard_executing")


class Build:
    """New editions, as long as nobody else sees them.

    Attributes:
        library: Where they will be.
        replaced: Units that are executed anew.
        fresh: The editions that were made, by unit; also of units that somebody imported.
    """

    __slots__ = ("_importer", "fresh", "library", "replaced")

    def __init__(
        self, library: Library, replaced: set[str], importer: Edition | None = None
    ) -> None:
        self.library = library
        self.replaced = replaced
        self.fresh: dict[str, Edition] = {}
        self._importer = importer

    def load(self, unit: str) -> Edition:
        """Execute a unit, unless that was done in this build; return its edition.

        Raises:
            Exception: What its code raises.
            ImportError: If there is no such module, or not one that is Python source.
        """
        import_module(unit)
        if unit not in self.fresh:
            msg = f"{unit} is not loaded from a Python source file"
            raise ImportError(msg)
        return self.fresh[unit]

    def edition_for(self, name: str) -> Edition | None:
        """Return the edition that a module which is about to be executed is part of."""
        unit = self.library.unit_of(name)
        if unit is None:
            return None
        if unit in self.fresh:
            return self.fresh[unit]
        if self._importer is not None and self._importer.unit == unit:
            return self._importer
        if unit in self.library.editions and unit not in self.replaced:
            return self.library.editions[unit]
        return self.fresh.setdefault(unit, Edition(unit, self.library))

    def discard(self, edition: Edition, name: str) -> None:
        """Forget a module whose execution has failed."""
        edition.modules.pop(name, None)
        if not edition.modules:
            self.fresh.pop(edition.unit, None)

    def publish(self) -> list[Edition]:
        """Let the new editions be those that serve; return the ones that they replace."""
        return self.library.publish(self)


def ensure_finder() -> None:
    """Let the import system ask for modules that come in editions, before it asks anybody else."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


class _Loader(SourceFileLoader):
    """Executes a module as one of an edition, and keeps the exports that it declares there.

    What is replaced is compiled from the bytes of its source, never from a `.pyc`: that one is
    keyed by whole seconds and size, and two quick saves of equal size would serve stale code.
    """

    def exec_module(self, module: ModuleType) -> None:
        build = current_build.get(None)
        edition = None if build is None else build.edition_for(module.__name__)
        if build is None or edition is None:
            super().exec_module(module)
            return
        edition.take(module)
        try:
            self._execute(module, edition)
        except BaseException:
            build.discard(edition, module.__name__)
            raise

    def _execute(self, module: ModuleType, edition: Edition) -> None:
        is_private = edition.unit.rpartition(".")[2].startswith("_")
        if edition is _executing.get(None) or is_private or edition.is_complete:
            super().exec_module(module)
            return
        token = _executing.set(edition)
        try:
            with collected() as declarations:
                super().exec_module(module)
        finally:
            _executing.reset(token)
        edition.declarations.extend(declarations)

    def get_code(self, fullname: str) -> CodeType | None:
        path = Path(self.get_filename(fullname))
        build = current_build.get(None)
        edition = None if build is None else build.edition_for(fullname)
        if not fullname.startswith(PROJECT_PREFIX) and not _is_replaced(edition, build):
            if edition is not None:
                edition.sources[path] = stamp(path)
            return super().get_code(fullname)
        source = path.read_bytes()
        if edition is not None:
            edition.sources[path] = digest(source)
        code: CodeType = compile(source, str(path), "exec", dont_inherit=True)
        return code


def _is_replaced(edition: Edition | None, build: Build | None) -> bool:
    return edition is not None and build is not None and edition.unit in build.replaced


class _Finder:
    """Finds the modules that come in editions."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: Any = None
    ) -> ModuleSpec | None:
        build = current_build.get(None)
        is_ours = build is not None and build.library.unit_of(fullname) is not None
        if not is_ours and not (fullname.startswith(PROJECT_PREFIX) and "." in fullname):
            return None
        spec = _found_elsewhere(fullname, path, target)
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            return spec
        return spec_from_file_location(
            fullname,
            spec.origin,
            loader=_Loader(fullname, spec.origin),
            submodule_search_locations=spec.submodule_search_locations,
        )


def _found_elsewhere(fullname: str, path: Sequence[str] | None, target: Any) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find: Callable[..., ModuleSpec | None] | None = getattr(finder, "find_spec", None)
        if finder is not _finder and find is not None:
            spec = find(fullname, path, target)
            if spec is not None:
                return spec
    return None


_finder = _Finder()
