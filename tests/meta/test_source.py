"""Who may import whom, and what a suppression must say: read from the sources that are shipped."""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from scripts.environment import ROOT, members

VOCABULARY = {"anyio", "msgspec"}
"""Libraries that the kernel's contracts are written in: they come with it, everyone uses them."""
OF_SEVERAL_FILES = VOCABULARY | {"click", "pluggy", "pytest"}
"""Libraries that one file cannot own: commands, hooks and the testing kit are made of them."""

SOURCES = [
    pytest.param(member, path, id=path.relative_to(ROOT).as_posix())
    for member in members()
    for path in sorted((member / "src").rglob("*.py"))
]
each_source = pytest.mark.parametrize(("member", "path"), SOURCES)


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted name of each module that the file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top(module: str) -> str:
    return module.partition(".")[0]


def own_name(path: Path) -> str:
    return path.parts[path.parts.index("src") + 1]


def declared(member: Path) -> set[str]:
    """Return the names of the distributions that `member` declares, extras included."""
    project = tomllib.loads((member / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"]]
    for extra in project.get("optional-dependencies", {}).values():
        asked += extra
    return {re.split(r"[\s\[<>=!~;]", each, maxsplit=1)[0].lower() for each in asked}


def is_ours(module: str) -> bool:
    return top(module) == "pegboard" or top(module).startswith("pegboard_")


def third_party(path: Path) -> set[str]:
    found = {top(module) for module in imports(path)}
    known = sys.stdlib_module_names | {"compression"}  # of the library since Python 3.14
    return {name for name in found if name not in known and not is_ours(name)}


@each_source
def test_a_file_imports_only_what_its_distribution_declares(member: Path, path: Path) -> None:
    brought_by = packages_distributions()
    ours = {top(each) for each in imports(path) if is_ours(each)} - {own_name(path)}
    assert {name.replace("_", "-") for name in ours} <= declared(member)
    for module in third_party(path) - VOCABULARY:
        names = {name.lower() for name in brought_by.get(module, [module])}
        assert names & declared(member), f"{module} is not declared in {member.name}/pyproject.toml"


@each_source
def test_a_file_imports_only_public_modules_of_other_distributions(
    member: Path, path: Path
) -> None:
    others = [each for each in imports(path) if is_ours(each) and top(each) != own_name(path)]
    private = [each for each in others if re.search(r"\._[^_]", each)]
    assert not private, f"{member.name} reaches into another distribution"


def test_each_third_party_library_has_one_owner_module() -> None:
    owners: dict[tuple[str, str], set[str]] = defaultdict(set)
    for parameters in SOURCES:
        member, path = parameters.values
        assert isinstance(member, Path)
        assert isinstance(path, Path)
        for library in third_party(path) - OF_SEVERAL_FILES:
            if not member.name.endswith(f"_{library}"):  # else the whole plugin is its owner
                owners[member.name, library].add(path.name)
    shared = {library: files for library, files in owners.items() if len(files) > 1}
    assert not shared


def test_declared_edges_between_our_distributions_form_no_circle() -> None:
    edges = {
        member.name: {
            name.removeprefix("pegboard-").replace("-", "_")
            for name in declared(member)
            if name.startswith("pegboard-")
        }
        for member in members()
        if member.name != "kernel"  # its extras name plugins; it imports none
    }
    while edges:
        free = {name for name, needs in edges.items() if not needs & edges.keys()}
        assert free, f"circle among {sorted(edges)}"
        edges = {name: needs for name, needs in edges.items() if name not in free}


@each_source
def test_a_suppression_carries_its_reason(member: Path, path: Path) -> None:
    bare = re.compile(r"#\s*(type: ignore(\[[\w, -]*\])?|noqa(: ?[A-Z0-9, ]+)?)\s*$")
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [f"{path.name}:{number}" for number, line in enumerate(lines, 1) if bare.search(line)]
    assert not found, f"{member.name}: say why beside it"
