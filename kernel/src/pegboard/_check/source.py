"""What can be said of a plugin by looking at it: its manifest, its help, its types."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import msgspec

from pegboard._check.finding import Finding
from pegboard._check.subject import Subject
from pegboard.hookspecs import API_VERSION, Hooks

__all__ = ["check_help", "check_manifest", "check_settings", "check_types", "implementations"]

MYPY_TIMEOUT = 300.0  # seconds: the first run reads all that the plugin imports


def check_manifest(subject: Subject) -> Finding:
    """Check what is known of a plugin before it is imported."""
    manifest, problems = subject.candidate.manifest, []
    if manifest is None:
        problems.append(subject.candidate.problem)
    else:
        if manifest.api != API_VERSION:
            problems.append(f"plugin.toml names API {manifest.api}; this kernel has {API_VERSION}")
        if not manifest.summary:
            problems.append("plugin.toml has no summary")
    asked = [
        each for each in subject.installed.requires or () if re.match(r"pegboard\b(?!-)", each)
    ]
    if not any("<" in each or "==" in each or "~=" in each for each in asked):
        problems.append('pyproject.toml has no upper bound for "pegboard": its hooks may change')
    return Finding.of("manifest", problems, f"API {API_VERSION}, {subject.installed.name}")


def check_help(subject: Subject) -> Finding:
    """Check that each hook says what it does there, in the code and in the README."""
    found = implementations(subject.candidate.load())
    readme = _readme(subject)
    problems = [
        f"{name} has no docstring" for name, each in found.items() if not inspect.getdoc(each)
    ]
    problems += [
        f"the README does not mention {name}" for name in found if not _names(readme, name)
    ]
    if not found:
        problems.append("it implements no hook")
    return Finding.of("documented", problems, ", ".join(found))


def _names(text: str, hook: str) -> bool:
    """Whether a text speaks of a hook, and not of an address such as `/health`."""
    return re.search(rf"(?<![\w/]){hook}(?!\w)", text) is not None


def _readme(subject: Subject) -> str:
    path = None if subject.folder is None else subject.folder / "README.md"
    if path is not None and path.is_file():  # as it is now, not as it was when it was installed
        return path.read_text(encoding="utf-8")
    return str(subject.installed.metadata.json.get("description", ""))


def check_settings(subject: Subject) -> Finding:
    """Check that settings and `@export` keywords have a default, bounds and a line of help."""
    problems: list[str] = []
    count = 0
    for hook in ("config_schema", "export_options"):
        implementation = implementations(subject.candidate.load()).get(hook)
        struct = implementation() if implementation is not None else None
        if struct is not None:
            count += len(struct.__struct_fields__)
            problems += _problems(struct, is_section=hook == "config_schema")
    return Finding.of("described", problems, f"{count} settings and keywords")


def _problems(struct: type[msgspec.Struct], *, is_section: bool) -> Iterator[str]:
    name, config = struct.__name__, struct.__struct_config__
    if not config.frozen:
        yield f"{name} is not frozen"
    if is_section and not config.forbid_unknown_fields:
        yield f"{name} takes unknown settings: add forbid_unknown_fields=True"
    described = set(re.findall(r"^\s*(\w+): \S", struct.__doc__ or "", flags=re.MULTILINE))
    hints = typing.get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        if field.required:
            yield f"{name}.{field.name} has no default"
        if field.name not in described:
            yield f"the docstring of {name} does not tell {field.name}"
        if is_section and hints[field.name] in (int, float):
            yield f"{name}.{field.name} has no bounds: Annotated[..., msgspec.Meta(ge=..., le=...)]"


def check_types(subject: Subject) -> Finding:
    """Check that the code has types, that others can use them, and that they fit."""
    if not (subject.home / "py.typed").is_file():
        detail = f"there is no {subject.package}/py.typed: nobody else can use its types"
        return Finding(name="typed", state="failed", detail=detail)
    if find_spec("mypy") is None:
        detail = "its types are not checked here: pip install mypy"
        return Finding(name="typed", state="warning", detail=detail)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(subject.home)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            command,
            cwd=subject.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=MYPY_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        detail = f"mypy took longer than {MYPY_TIMEOUT:g} s"
        return Finding(name="typed", state="failed", detail=detail)
    lines = [line for line in done.stdout.splitlines() if ": note: " not in line]
    problems = lines[:3] if done.returncode else []
    if len(lines) > len(problems) > 0:
        problems.append(f"and {len(lines) - len(problems)} more: mypy --strict {subject.home}")
    return Finding.of(
        "typed", problems or ([done.stderr] if done.returncode else []), "mypy --strict"
    )


def implementations(plugin: object) -> dict[str, Callable[..., Any]]:
    """Return the hooks that a plugin implements, in the order of their declarations."""
    names = [name for name in vars(Hooks) if not name.startswith("_")]
    found = {name: getattr(plugin, name, None) for name in names}
    return {
        name: each
        for name, each in found.items()
        if each is not None and hasattr(each, "pegboard_impl")
    }
