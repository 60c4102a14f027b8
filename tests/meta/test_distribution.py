"""Every distribution has the same skeleton, the same version and the dependencies it may have."""

import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pegboard
from scripts.docs import PAGES
from scripts.environment import ROOT, members, workspace

MEMBERS = members()
PLUGINS = [member for member in MEMBERS if list(member.glob("src/*/plugin.toml"))]
LIBRARIES = [member for member in MEMBERS if member.name in {"database", "durable", "pages"}]
KERNEL = ROOT / "kernel"

_FENCED = re.compile(r"^```.*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")

each_member = pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
each_plugin = pytest.mark.parametrize("member", PLUGINS, ids=lambda member: member.name)


def project(member: Path) -> dict[str, Any]:
    return pyproject(member)["project"]


def pyproject(member: Path) -> dict[str, Any]:
    return tomllib.loads((member / "pyproject.toml").read_text(encoding="utf-8"))


def import_name(member: Path) -> str:
    return "pegboard" if member == KERNEL else f"pegboard_{member.name}"


def name_of(requirement: str) -> str:
    name = re.split(r"[\s\[<>=!~;]+", requirement, maxsplit=1)[0]
    return name.lower().replace(".", "-")


def requirements(member: Path) -> Iterator[str]:
    yield from project(member)["dependencies"]
    for extra in project(member).get("optional-dependencies", {}).values():
        yield from extra


def installs(text: str) -> Iterator[list[Path]]:
    """Yield what each `pip install` of a page installs from the folder of a clone."""
    for block in _FENCED.findall(text):
        yield from filter(None, (folders(line) for line in block.splitlines()))
    for code in _INLINE.findall(_FENCED.sub("", text)):
        yield from filter(None, [folders(" ".join(code.split()))])


def folders(command: str) -> list[Path]:
    """Return the distributions of the workspace that a command installs, none of another one."""
    words = command.replace('"', "").split()
    if words[:2] != ["pip", "install"]:
        return []
    named = itertools.chain.from_iterable(unfolded(word.partition("[")[0]) for word in words[2:])
    paths = [ROOT / name for name in named if name.startswith("./")]
    return [path for path in paths if path.parent != ROOT or path.name in {"kernel", "mods"}]


def unfolded(word: str) -> list[str]:
    """Return what a shell makes of braces: `a{b,c}` is `ab` and `ac`."""
    before, brace, after = word.partition("{")
    names, _, rest = after.partition("}")
    return [f"{before}{name}{rest}" for name in names.split(",")] if brace else [word]


def test_the_workspace_lists_every_distribution_and_no_other() -> None:
    found = {
        path.parent
        for pattern in ("kernel", "mods", "plugins/*")
        for path in ROOT.glob(f"{pattern}/pyproject.toml")
    }
    assert set(MEMBERS) == found


def test_every_distribution_is_taken_from_the_workspace() -> None:
    sources = workspace()["tool"]["uv"]["sources"]
    assert sources == {project(member)["name"]: {"workspace": True} for member in MEMBERS}


def test_the_type_checker_sees_every_distribution() -> None:
    files = workspace()["tool"]["mypy"]["files"]
    assert [f"{member.relative_to(ROOT).as_posix()}/src" for member in MEMBERS] == files[:-2]


def test_the_import_contracts_see_every_distribution() -> None:
    packages = workspace()["tool"]["importlinter"]["root_packages"]
    assert sorted(packages) == sorted(import_name(member) for member in MEMBERS)


@each_member
def test_folder_distribution_and_import_name_agree(member: Path) -> None:
    assert project(member)["name"] == import_name(member).replace("_", "-")
    assert [path.name for path in (member / "src").iterdir()] == [import_name(member)]


@each_member
def test_it_is_marked_as_typed(member: Path) -> None:
    assert (member / "src" / import_name(member) / "py.typed").read_bytes() == b""
    assert "Typing :: Typed" in project(member)["classifiers"]


@each_member
def test_it_carries_the_licence(member: Path) -> None:
    assert project(member)["license"] == "MIT"
    assert (member / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@each_member
def test_it_has_the_one_version(member: Path) -> None:
    assert project(member)["version"] == project(ROOT)["version"]


@each_member
def test_it_says_what_it_is_and_whom_it_suits(member: Path) -> None:
    assert project(member)["requires-python"] == project(ROOT)["requires-python"]
    assert project(member)["readme"] == "README.md"
    assert project(member)["description"].endswith(".")
    assert project(member)["keywords"]


@each_member
def test_it_is_built_like_the_others(member: Path) -> None:
    package = f"src/{import_name(member)}"
    assert pyproject(member)["build-system"] == pyproject(KERNEL)["build-system"]
    assert pyproject(member)["tool"] == {
        "hatch": {
            "build": {
                "dev-mode-dirs": ["src"],
                "targets": {"wheel": {"packages": [package]}, "sdist": {"include": [package]}},
            }
        }
    }


@each_member
def test_its_readme_names_it_and_how_to_install_it(member: Path) -> None:
    text = (member / "README.md").read_text(encoding="utf-8")
    name = project(member)["name"]
    assert text.startswith(f"# {name}\n")
    assert f"pip install {name}" in text or f'pip install "{name}[' in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_installs_from_a_clone_names_all_that_it_needs_of_the_clone(page: Path) -> None:
    ours = {project(member)["name"] for member in MEMBERS}
    for installed in installs(page.read_text(encoding="utf-8")):
        assert set(installed) <= set(MEMBERS)
        given = {project(member)["name"] for member in installed}
        needed = {name_of(each) for member in installed for each in project(member)["dependencies"]}
        assert needed & ours <= given, f"missing: {sorted(needed & ours - given)}"


def test_a_page_that_names_too_little_is_found_out() -> None:
    text = "a `pip install ./kernel\n./plugins/{auth,pages}`\n```\npip install ./mods\n```\n"
    assert list(installs(text)) == [
        [ROOT / "mods"],
        [KERNEL, ROOT / "plugins" / "auth", ROOT / "plugins" / "pages"],
    ]


@each_member
def test_it_asks_for_versions_of_the_others_that_exist(member: Path) -> None:
    minor = project(member)["version"].rpartition(".")[0]
    following = f"{minor.partition('.')[0]}.{int(minor.partition('.')[2]) + 1}"
    ours = {project(other)["name"] for other in MEMBERS}
    plain = [each for each in requirements(member) if name_of(each) in ours and "[" not in each]
    assert all(each.endswith(f">={minor},<{following}") for each in plain), plain


@each_member
def test_the_code_that_its_entry_points_name_is_there(member: Path) -> None:
    groups = {"console_scripts": project(member).get("scripts", {})}
    groups |= project(member).get("entry-points", {})
    for group, entries in groups.items():
        for target in entries.values():
            path = member / "src" / target.partition(":")[0].replace(".", "/")
            found = path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
            assert found, f"{group}: {target}"


def test_what_is_no_plugin_is_the_kernel_the_mods_or_a_library_without_hooks() -> None:
    others = {member.name for member in MEMBERS if member not in PLUGINS + LIBRARIES}
    assert others == {"kernel", "mods"}
    assert not any("entry-points" in project(library) for library in LIBRARIES)


@each_plugin
def test_a_plugin_is_found_under_the_name_of_its_folder(member: Path) -> None:
    name = import_name(member)
    assert project(member)["entry-points"] == {
        "pegboard.plugins": {member.name: f"{name}.plugin:plugin"}
    }


@each_plugin
def test_a_plugin_has_its_manifest_its_hooks_and_its_settings(member: Path) -> None:
    source = member / "src" / import_name(member)
    files = {path.name for path in source.iterdir()}
    assert {"__init__.py", "plugin.toml", "plugin.py", "config.py"} <= files


def test_the_kernel_tells_its_version() -> None:
    assert pegboard.__version__ == project(KERNEL)["version"]


def test_the_kernel_needs_three_libraries_and_no_more() -> None:
    names = {name_of(requirement) for requirement in project(KERNEL)["dependencies"]}
    assert names == {"anyio", "msgspec", "pluggy"}


def test_the_extra_all_reaches_every_distribution() -> None:
    extras = project(KERNEL)["optional-dependencies"]
    reached: set[str] = set()
    waiting = ["all"]
    while waiting:
        for requirement in extras[waiting.pop()]:
            reached.add(name_of(requirement))
            if name_of(requirement) == "pegboard":
                waiting += re.findall(r"[\w-]+", requirement.partition("[")[2].partition("]")[0])
    assert {project(member)["name"] for member in MEMBERS} <= reached


def test_every_third_party_package_asked_for_is_pinned() -> None:
    pinned = {
        pin.partition("==")[0] for pin in workspace()["tool"]["uv"]["constraint-dependencies"]
    }
    asked = {name_of(each) for member in MEMBERS for each in requirements(member)}
    for group in workspace()["dependency-groups"].values():
        asked |= {name_of(each) for each in group}
    ours = {project(member)["name"] for member in MEMBERS}
    assert asked - ours <= pinned


def test_every_pin_is_a_name_and_a_version() -> None:
    pins = workspace()["tool"]["uv"]["constraint-dependencies"]
    assert pins == sorted(pins, key=name_of)
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
