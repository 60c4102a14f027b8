"""Modules of which several versions can be alive at once, each with imports of its own.

An *edition* is one version of the modules of one mod or plugin. All editions of a module have its
real name; `sys.modules` names those of the edition that serves. Code of an edition imports through
a function that answers with the modules that this edition was made with, so that old code which
imports late meets no new code.

Two rules hold here. Whoever changes what `sys.modules` says of such modules holds `_lock`. What a
build has made is seen by nobody but its own code before it is published.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import resolve_name, spec_from_file_location
from pathlib import Path
from threading import RLock
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

import msgspec

from pegboard._discovery import PROJECT_PREFIX
from pegboard._export import Declaration, collected

__all__ = ["Build", "Edition", "Library", "belongs", "digest"]

_lock = RLock()
_building: ContextVar[Build] = ContextVar("pegboard_build")
_executing: ContextVar[Edition] = ContextVar("pegboard_executing")
_import = builtins.__import__


Mark = bytes | tuple[int, int]
"""A digest of a source that was compiled; time and size of one that came from a `.pyc`."""


def digest(source: bytes) -> bytes:
    """Return what tells one version of a source from another."""
    from hashlib import blake2b  # here, since the first import of it takes milliseconds

    return blake2b(source, digest_size=16).digest()


def belongs(name: str, package: str) -> bool:
    """Whether a module is a package, or in it."""
    return name == package or name.startswith(f"{package}.")


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
        return any(_has_changed(path, self.sources[path]) for path in wanted)

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

    # -- what its code imports -------------------------------------------------------------

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
        self._link(name, _building.get(None))
        linked = self.links.get(unit or "")
        return None if linked is None else linked.modules.get(name)

    def _link(self, name: str, build: Build | None) -> None:
        unit = self._library.unit_of(name)
        if unit is None or unit == self.unit or unit in self.links:
            return
        edition = self._library.edition(unit, build)
        if edition is not None:
            self.links[unit] = edition


class Library:
    """The editions that one app uses.

    Attributes:
        packages: Top-level packages whose modules come in editions.
        roots: Names of the units that were asked for; see `unit_of`.
        editions: The edition of each unit that serves.
    """

    def __init__(self) -> None:
        self.packages: set[str] = set()
        self.roots: set[str] = set()
        self.editions: dict[str, Edition] = {}
        self._units: dict[str, str | None] = {}

    def register(self, unit: str) -> None:
        """Let the modules of a unit, and of the package that it is in, come in editions."""
        if unit not in self.roots:
            self.roots.add(unit)
            self.packages.add(unit.partition(".")[0])
            self._units.clear()
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)

    def unit_of(self, name: str) -> str | None:
        """Return the unit that a module is part of, None if it comes in no editions.

        That is the unit that was asked for and has it inside; or, for a module that such units
        share, that module with all that is below it.
        """
        try:
            return self._units[name]
        except KeyError:
            found = self._units[name] = self._unit_of(name)
            return found

    def _unit_of(self, name: str) -> str | None:
        parts = name.split(".")
        if parts[0] not in self.packages:
            return None
        for length in range(len(parts), 0, -1):
            if ".".join(parts[:length]) in self.roots:
                return ".".join(parts[:length])
        return ".".join(parts[:2])

    def edition(self, unit: str, build: Build | None) -> Edition | None:
        """Return the edition of a unit, the one that is being built where that is so."""
        if build is None or build.library is not self:
            return self.editions.get(unit)
        if unit in build.replaced:
            return build.fresh.get(unit)
        return build.fresh.get(unit) or self.editions.get(unit)

    def prepare(self, sources: Iterable[Path]) -> None:
        """Import what sources import from elsewhere, while everything is still in its place.

        In a build the modules that serve are hidden for a moment, from those too who look there
        for types. An import that takes seconds is therefore done before. What fails here will fail
        in the build, and be told there.
        """
        for path in sources:
            for name in _imported_at_once(path):
                if name not in sys.modules and self.unit_of(name) is None:
                    with suppress(Exception, SystemExit):
                        import_module(name)

    @contextmanager
    def building(self, units: Iterable[str], *, is_first: bool = False) -> Iterator[Build]:
        """Make new editions of units: what is imported in the block is executed anew.

        After the block `sys.modules` is as it was before; see `Build.publish`.

        Args:
            units: What is executed anew.
            is_first: Whether it is published before any other code runs, so that `sys.modules`
                names it whenever somebody looks there for its types.
        """
        build = Build(self, set(units))
        with _lock:
            hidden = self._hide(build.replaced)
            token = _building.set(build)
            try:
                yield build
                for each in build.fresh.values():
                    each.is_complete = True
                    if not is_first:
                        each.resolve_types()
            finally:
                _building.reset(token)
                self._show(hidden, {*build.replaced, *build.fresh})

    @contextmanager
    def late(self, importer: Edition) -> Iterator[Build]:
        """Let code of an edition import something in the block, whichever edition serves now."""
        outer = _building.get(None)
        if outer is not None and outer.library is self:
            yield outer
            return
        build, known = Build(self, set(), importer), set(importer.modules)
        with self.shown(importer):
            token = _building.set(build)
            try:
                yield build
            finally:
                _building.reset(token)
            importer.resolve_types(importer.modules.keys() - known)
        if build.fresh:
            build.publish()

    @contextmanager
    def shown(self, edition: Edition) -> Iterator[None]:
        """Let `sys.modules` be in the block as it is when this edition serves.

        Whoever resolves annotations that are text looks there, by the name of the module.
        """
        if self._is_shown(edition):
            yield
            return
        editions = {**edition.links, edition.unit: edition}
        with _lock:
            hidden = self._hide(editions)
            for each in editions.values():
                _enter(each)
            try:
                yield
            finally:
                self._show(hidden, editions)

    def adopt(self, unit: str) -> Edition:
        """Take modules that were imported before, by others, as the edition that serves."""
        edition = Edition(unit, self)
        edition.is_adopted = edition.is_complete = True
        for name in [name for name in sys.modules if self.unit_of(name) == unit]:
            edition.modules[name] = sys.modules[name]
            path = getattr(sys.modules[name], "__file__", None)
            if path:
                edition.sources[Path(path)] = _stamp(Path(path))
        self.editions[unit] = edition
        return edition

    def drop(self, edition: Edition, *, purge: bool = False) -> None:
        """Forget an edition, if it is the one that serves.

        Args:
            edition: What to forget.
            purge: Whether also the process forgets its modules, so that the next import executes
                them anew; it always does where they are of a project's folder.
        """
        if self.editions.get(edition.unit) is edition:
            del self.editions[edition.unit]
            if purge or edition.unit.startswith(PROJECT_PREFIX):
                self.leave(edition)

    @staticmethod
    def abandon() -> None:
        """Wait no more for a build that may never end; the app stops, and makes no other."""
        global _lock  # noqa: PLW0603 - whoever holds the one before gives back that one
        _lock = RLock()

    def close(self) -> None:
        """Forget all editions."""
        for each in list(self.editions.values()):
            self.drop(each)
        for package in [each for each in self.packages if each.startswith(PROJECT_PREFIX)]:
            if not any(name.startswith(f"{package}.") for name in sys.modules):
                sys.modules.pop(package, None)

    # -- what `sys.modules` says -----------------------------------------------------------

    def _is_shown(self, edition: Edition) -> bool:
        return sys.modules.get(edition.unit) is edition.modules.get(edition.unit)

    def leave(self, edition: Edition) -> None:
        """Take an edition out of `sys.modules`, with what was imported beside it."""
        with _lock:
            if self._is_shown(edition):
                self._hide((edition.unit,))

    def _hide(self, units: Iterable[str]) -> dict[str, ModuleType]:
        """Take the modules of units out of `sys.modules`; return them."""
        wanted = set(units)
        begins = tuple(wanted)  # is looked at first, since there are many modules
        near = [name for name in sys.modules if name.startswith(begins)]
        names = [name for name in near if self.unit_of(name) in wanted]
        hidden = {name: sys.modules.pop(name) for name in names}
        for unit in wanted:
            _bind(unit, None)
        return hidden

    def _show(self, hidden: Mapping[str, ModuleType], units: Iterable[str]) -> None:
        """Put back what was hidden, in place of what is there now."""
        self._hide(units)
        sys.modules.update(hidden)
        for name in hidden.keys() & set(units):
            _bind(name, hidden[name])

    # -- who imports whom ------------------------------------------------------------------

    def imported_by(self, unit: str) -> set[Edition]:
        """Return the edition of a unit, and all that it has imported, and so on."""
        found: set[Edition] = set()
        more = {self.editions[unit]} if unit in self.editions else set()
        while more:
            found |= more
            more = {each for edition in more for each in edition.links.values()} - found
        return found

    def dependents(self, units: Iterable[str]) -> set[str]:
        """Return these units, and those that have imported one of them, and so on."""
        found, more = set(units), set(units)
        while more:
            more = {
                unit
                for unit, edition in self.editions.items()
                if unit not in found and any(_may_import(edition, each) for each in more)
            }
            found |= more
        return found


def _may_import(edition: Edition, unit: str) -> bool:
    """Whether an edition has imported a unit, as far as that is known."""
    package = unit.partition(".")[0]
    is_neighbour = edition.unit.partition(".")[0] == package
    return unit in edition.links or (is_neighbour and (unit == package or edition.is_adopted))


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

    def publish(self, units: Iterable[str] | None = None) -> list[Edition]:
        """Let the new editions be those that serve; return the ones that they replace."""
        replaced = []
        with _lock:
            for unit in list(self.fresh) if units is None else units:
                before = self.library.editions.get(unit)
                if before is not None:
                    self.library.leave(before)
                    replaced.append(before)
                self.library.editions[unit] = self.fresh[unit]
                self.fresh[unit].is_complete = True
                _enter(self.fresh[unit])
        return replaced


def _enter(edition: Edition) -> None:
    """Let `sys.modules` name the modules of an edition."""
    sys.modules.update(edition.modules)
    if edition.unit in edition.modules:
        _bind(edition.unit, edition.root)


def _bind(unit: str, module: ModuleType | None) -> None:
    """Let the package of a unit have it as an attribute, or not."""
    package, _, name = unit.rpartition(".")
    parent = sys.modules.get(package)
    if parent is None:
        return
    if module is not None:
        setattr(parent, name, module)
    elif isinstance(vars(parent).get(name), ModuleType):
        delattr(parent, name)


def _imported_at_once(path: Path) -> Iterator[str]:
    """Name the modules that a source imports in any case, at the head or between definitions."""
    import ast  # here, since a start does without it

    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return
    for each in body:
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom) and each.module and not each.level:
            yield each.module


def _absolute(name: str, globals_: Mapping[str, Any] | None, level: int) -> str:
    package = (globals_ or {}).get("__package__") or ""
    return resolve_name("." * level + name, package) if level else name


def _has_changed(path: Path, mark: Mark) -> bool:
    try:
        return (digest(path.read_bytes()) if isinstance(mark, bytes) else _stamp(path)) != mark
    except (FileNotFoundError, NotADirectoryError):
        return True


def _stamp(path: Path) -> Mark:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


# -- finding and executing -----------------------------------------------------------------


class _Loader(SourceFileLoader):
    """Executes a module as one of an edition, and keeps the exports that it declares there.

    What is replaced is compiled from the bytes of its source, never from a `.pyc`: that one is
    keyed by whole seconds and size, and two quick saves of equal size would serve stale code.
    """

    def exec_module(self, module: ModuleType) -> None:
        build = _building.get(None)
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
        build = _building.get(None)
        edition = None if build is None else build.edition_for(fullname)
        if not fullname.startswith(PROJECT_PREFIX) and not _is_replaced(edition, build):
            if edition is not None:
                edition.sources[path] = _stamp(path)
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
        build = _building.get(None)
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
