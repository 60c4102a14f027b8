"""Import one mod fresh; on failure leave no trace.

A mod of the project is compiled from the bytes of its source, never from a `.pyc`: that one is
keyed by whole seconds and size, and two quick saves of equal size would serve stale code.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import msgspec

from pegboard._discovery import PROJECT_PREFIX, ModCandidate
from pegboard._export import Declaration, collected, declarations_of
from pegboard.errors import LoadError

__all__ = ["LoadedMod", "load_mod", "unload_mod"]


DECLARED = "__pegboard_declared__"
"""Attribute of a mod of the project that was imported: its exports, until the mod is loaded."""

_in_use: Counter[str] = Counter()
"""How many mods of each project folder are loaded, in all apps of the process."""

_executing: ContextVar[str] = ContextVar("pegboard_executing")


class LoadedMod(msgspec.Struct, frozen=True, eq=False):
    """A mod whose code has run.

    Attributes:
        candidate: What was loaded.
        module: The module.
        declarations: The exports that it declared, in order.
    """

    candidate: ModCandidate
    module: ModuleType
    declarations: list[Declaration]


def load_mod(candidate: ModCandidate) -> LoadedMod:
    """Run the code of a mod and collect what it declares.

    Raises:
        LoadError: If the code fails, naming file, line and cause; `sys.modules` is as before.
    """
    if candidate.loaded is not None:
        return LoadedMod(candidate, candidate.loaded, _declared_before(candidate.loaded))
    with _restored_on_failure(candidate):
        if candidate.path is not None:
            module = _executed(candidate, candidate.path)
            _in_use[candidate.module.rpartition(".")[0]] += 1
            return LoadedMod(candidate, module, vars(module).pop(DECLARED, []))
        with collected() as declarations:
            module = import_module(candidate.module)
    own = [each for each in declarations if _belongs(each.function.__module__, candidate.module)]
    return LoadedMod(candidate, module, own or _declared_before(module))


def _declared_before(root: ModuleType) -> list[Declaration]:
    """Find what the modules of a mod declared when they were imported, earlier in this process."""
    modules = [each for name, each in sys.modules.items() if _belongs(name, root.__name__)]
    if root not in modules:
        return declarations_of(list(vars(root).values()))
    values = [value for module in modules for value in vars(module).values()]
    homes = [getattr(value, "__module__", None) or "" for value in values]
    return declarations_of(
        [value for value, home in zip(values, homes, strict=True) if _belongs(home, root.__name__)]
    )


def _executed(candidate: ModCandidate, path: Path) -> ModuleType:
    """Run a mod of the project, unless another mod has just imported it: there is one of it."""
    imported = sys.modules.get(candidate.module)
    if imported is not None and DECLARED in vars(imported):
        return imported
    _ensure_package(candidate.module.rpartition(".")[0], path.parents[path.name == "__init__.py"])
    for name in [each for each in sys.modules if _belongs(each, candidate.module)]:
        del sys.modules[name]
    return import_module(candidate.module)


def _ensure_package(name: str, folder: Path) -> None:
    """Make the package that a folder's mods live in, so that they can import one another."""
    if name not in sys.modules:
        package = ModuleType(name, f"The mods in {folder}.")
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def unload_mod(loaded: LoadedMod) -> None:
    """Forget the modules of a mod of the project; those of others were never ours to remove.

    With the last mod of a folder goes whatever else was imported from there.
    """
    if loaded.candidate.path is None:
        return
    name = loaded.candidate.module
    package = name.rpartition(".")[0]
    _in_use[package] -= 1
    gone = name if _in_use[package] else package
    if gone is package or sys.modules.get(name) is loaded.module:
        for each in [each for each in sys.modules if _belongs(each, gone)]:
            del sys.modules[each]


@contextmanager
def _restored_on_failure(candidate: ModCandidate) -> Iterator[None]:
    own = [name for name in sys.modules if _belongs(name, candidate.module)]
    before = {name: sys.modules[name] for name in own}
    try:
        yield
    except (Exception, SystemExit) as error:
        for name in [each for each in sys.modules if _belongs(each, candidate.module)]:
            del sys.modules[name]
        sys.modules.update(before)
        msg = f"mod {candidate.name}: {_place(error, candidate)}"
        raise LoadError(msg) from error


def _belongs(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def _place(error: BaseException, candidate: ModCandidate) -> str:
    """Say what went wrong and at which line of the mod."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: SyntaxError: {error.msg}"
    root = str(candidate.path.parent) if candidate.path else candidate.module.replace(".", "/")
    frame, place = error.__traceback__, ""
    while frame is not None:
        filename = frame.tb_frame.f_code.co_filename
        if root in filename:
            place = f"{filename}:{frame.tb_lineno}: "
        frame = frame.tb_next
    return place + text


class _SourceLoader(SourceFileLoader):
    """Compiles the bytes of the source, every time, and keeps what each mod declares with it."""

    def exec_module(self, module: ModuleType) -> None:
        root = ".".join(module.__name__.split(".")[:2])
        is_private = root.rpartition(".")[2].startswith("_")
        is_late = module.__name__ != root and DECLARED not in vars(sys.modules[root])
        if root == _executing.get(None) or is_private or is_late:
            super().exec_module(module)
            return
        token = _executing.set(root)
        try:
            with collected() as declarations:
                super().exec_module(module)
        finally:
            _executing.reset(token)
        vars(sys.modules[root]).setdefault(DECLARED, []).extend(declarations)

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
        return code


class _SourceFinder:
    """Finds the modules of project folders, with a loader that ignores `.pyc` files."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: Any = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(PROJECT_PREFIX) or "." not in fullname:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            return spec
        return spec_from_file_location(
            fullname,
            spec.origin,
            loader=_SourceLoader(fullname, spec.origin),
            submodule_search_locations=spec.submodule_search_locations,
        )


_finder = _SourceFinder()
