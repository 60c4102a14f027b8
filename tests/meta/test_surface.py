"""What is public is listed, and a change of it is a visible line in the diff."""

import ast
import importlib
from pathlib import Path

import pytest

from scripts.surface import TARGET, exported, public_modules, public_names

MODULES = [pytest.param(module, path, id=module) for module, path in public_modules()]
each_module = pytest.mark.parametrize(("module", "path"), MODULES)


def test_the_list_of_public_names_is_up_to_date() -> None:
    listed = TARGET.read_text(encoding="utf-8").splitlines()
    assert public_names() == listed, "write it anew with `python3 run.py names`"


@each_module
def test_every_name_it_lists_is_there(module: str, path: Path) -> None:
    loaded = importlib.import_module(module)
    assert [name for name in exported(path) if not hasattr(loaded, name)] == []


@each_module
def test_a_public_module_lists_what_it_offers(module: str, path: Path) -> None:
    body = ast.parse(path.read_bytes()).body
    defined = [
        node.name
        for node in body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
    ]
    if path.name in {"plugin.py", "config.py"} or module.startswith("pegboard_mods"):
        return  # found by name, by the kernel; nobody imports from them
    assert set(defined) <= set(exported(path))


@each_module
def test_a_package_file_holds_re_exports_only(module: str, path: Path) -> None:
    if path.name != "__init__.py" or module.startswith("pegboard_mods."):
        return  # a mod may be one file or a package
    for node in ast.parse(path.read_bytes()).body:
        is_lazy = isinstance(node, ast.FunctionDef) and node.name in {"__getattr__", "__dir__"}
        is_data = isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr)
        is_import = isinstance(node, ast.Import | ast.ImportFrom | ast.If)
        assert is_lazy or is_data or is_import, f"{module}: line {node.lineno}"
