"""Run the code of mods, and collect what they declare; on failure leave no trace."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec

from pegboard._discovery import ModCandidate
from pegboard._export import Declaration, declarations_of
from pegboard._library import Library, belongs
from pegboard.errors import LoadError

if TYPE_CHECKING:
    from pegboard._build import Build
    from pegboard._edition import Edition

__all__ = ["LoadedMod", "load_mod", "rebuilt_mod", "refresh_finders"]


class LoadedMod(msgspec.Struct, frozen=True, eq=False):
    """A mod whose code has run.

    Attributes:
        candidate: What was loaded.
        module: The module.
        declarations: The exports that it declared, in order.
        edition: Its modules, None where the caller has imported them.
    """

    candidate: ModCandidate
    module: ModuleType
    declarations: list[Declaration]
    edition: Edition | None = None


def load_mod(candidate: ModCandidate, library: Library) -> LoadedMod:
    """Run the code of a mod, unless another mod has just imported it: there is one of it.

    Raises:
        LoadError: If the code fails, naming file, line and cause; `sys.modules` is as before.
    """
    if candidate.loaded is not None:
        return LoadedMod(candidate, candidate.loaded, _declared_before(candidate.loaded))
    unit = candidate.module
    library.register(unit)
    imported = library.editions.get(unit)
    if imported is not None and not imported.is_claimed:
        return _claimed(candidate, imported)
    ensure_package(candidate)
    replaced = () if candidate.path is None else (unit,)
    with named_failure(candidate):
        with library.building(replaced, is_first=True) as build:
            module = import_module(unit)
        build.publish()
    edition = library.editions.get(unit)
    if edition is None or edition.root is not module:
        edition = library.adopt(unit)
    return _claimed(candidate, edition)


def rebuilt_mod(candidate: ModCandidate, build: Build) -> LoadedMod:
    """Run the code of a mod in a build; nobody else sees it until that is published.

    Raises:
        LoadError: If the code fails, naming file, line and cause.
    """
    build.library.register(candidate.module)
    ensure_package(candidate)
    with named_failure(candidate):
        return _claimed(candidate, build.load(candidate.module))


def ensure_package(candidate: ModCandidate) -> None:
    """Make the package that the mods of a folder live in, so that they can import one another."""
    name, path = candidate.module.rpartition(".")[0], candidate.path
    if path is not None and name not in sys.modules:
        folder = path.parents[path.name == "__init__.py"]
        package = ModuleType(name, f"The mods in {folder}.")
        package.__path__ = [str(folder)]
        sys.modules[name] = package


def refresh_finders(folders: Iterable[Path]) -> None:
    """Let the import system look again at what is in folders, and in the ones below them.

    It remembers the names in a folder for as long as the time of that does not change, which on
    many file systems has steps of several milliseconds.
    """
    wanted = tuple(str(each) for each in folders)
    for name, finder in list(sys.path_importer_cache.items()):
        forget = getattr(finder, "invalidate_caches", None)
        if forget is not None and name.startswith(wanted):
            forget()


def _claimed(candidate: ModCandidate, edition: Edition) -> LoadedMod:
    edition.is_claimed = True
    declarations, edition.declarations = edition.declarations, []
    if candidate.path is None:
        own = [each for each in declarations if _is_of(each, candidate.module)]
        declarations = own or _declared_before(edition.root)
    return LoadedMod(candidate, edition.root, declarations, edition)


def _is_of(declaration: Declaration, module: str) -> bool:
    return belongs(declaration.function.__module__, module)


def _declared_before(root: ModuleType) -> list[Declaration]:
    """Find what the modules of a mod declared when they were imported, earlier in this process."""
    modules = [each for name, each in sys.modules.items() if belongs(name, root.__name__)]
    if root not in modules:
        return declarations_of(list(vars(root).values()))
    values = [value for module in modules for value in vars(module).values()]
    homes = [getattr(value, "__module__", None) or "" for value in values]
    return declarations_of(
        [value for value, home in zip(values, homes, strict=True) if belongs(home, root.__name__)]
    )


@contextmanager
def named_failure(candidate: ModCandidate) -> Iterator[None]:
    """Say which mod has failed, and where.

    Raises:
        LoadError: If the block raises.
    """
    try:
        yield
    except LoadError:
        raise
    except (Exception, SystemExit) as error:
        path = candidate.path
        root = str(path.parent) if path else candidate.module.replace(".", "/")
        raise LoadError(f"mod {candidate.name}: {placed(error, (root,))}") from error


def placed(error: BaseException, roots: Iterable[str]) -> str:
    """Say what went wrong, and at which line of the code that is in one of these folders."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: SyntaxError: {error.msg}"
    frame, place = error.__traceback__, ""
    while frame is not None:
        filename = frame.tb_frame.f_code.co_filename
        if any(each in filename for each in roots):
            place = f"{filename}:{frame.tb_lineno}: "
        frame = frame.tb_next
    return place + text
