"""The editions that an app uses, and what `sys.modules` says of them.

Two rules hold here. Whoever changes what `sys.modules` says of such modules holds `_lock`. What a
build has made is seen by nobody but its own code before it is published.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from threading import RLock
from types import ModuleType

from pegboard._build import Build, ensure_finder
from pegboard._discovery import PROJECT_PREFIX
from pegboard._edition import Edition, current_build
from pegboard._mark import stamp

__all__ = ["Library", "belongs"]

_lock = RLock()


def belongs(name: str, package: str) -> bool:
    """Whether a module is a package, or in it."""
    return name == package or name.startswith(f"{package}.")


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
        ensure_finder()

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
            token = current_build.set(build)
            try:
                yield build
                for each in build.fresh.values():
                    each.is_complete = True
                    if not is_first:
                        each.resolve_types()
            finally:
                current_build.reset(token)
                self._show(hidden, {*build.replaced, *build.fresh})

    @contextmanager
    def late(self, importer: Edition) -> Iterator[Build]:
        """Let code of an edition import something in the block, whichever edition serves now."""
        outer = current_build.get(None)
        if outer is not None and outer.library is self:
            yield outer
            return
        build, known = Build(self, set(), importer), set(importer.modules)
        with self.shown(importer):
            token = current_build.set(build)
            try:
                yield build
            finally:
                current_build.reset(token)
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

    def publish(self, build: Build) -> list[Edition]:
        """Let new editions be those that serve; return the ones that they replace."""
        replaced = []
        with _lock:
            for unit, edition in build.fresh.items():
                before = self.editions.get(unit)
                if before is not None:
                    self.leave(before)
                    replaced.append(before)
                self.editions[unit] = edition
                edition.is_complete = True
                _enter(edition)
        return replaced

    def adopt(self, unit: str) -> Edition:
        """Take modules that were imported before, by others, as the edition that serves."""
        edition = Edition(unit, self)
        edition.is_adopted = edition.is_complete = True
        for name in [name for name in sys.modules if self.unit_of(name) == unit]:
            edition.modules[name] = sys.modules[name]
            path = getattr(sys.modules[name], "__file__", None)
            if path:
                edition.sources[Path(path)] = stamp(Path(path))
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
