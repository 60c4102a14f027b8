"""What is generated says what the code does, and leaves nothing out."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module

import msgspec
import pytest

from pegboard import errors
from pegboard._check.conformance import SUITES as CONTRACTS
from pegboard.hookspecs import Hooks
from scripts.docs import PAGES, parts
from scripts.environment import ROOT, members

SUITES = sorted(path.stem for path in (ROOT / "kernel/src/pegboard/testing").glob("*_suite.py"))
HOOKS = [name for name in vars(Hooks) if not name.startswith("_")]
REFERENCE = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")


def shown() -> set[str]:
    """Return all parts that some page has."""
    return {part for page in PAGES for part in parts(page.read_text(encoding="utf-8"))}


def plugins() -> Iterator[str]:
    """Yield the import names of our plugins."""
    for member in members():
        yield from (path.parent.name for path in member.glob("src/*/plugin.toml"))


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_is_shown_with_its_exact_signature(name: str) -> None:
    signature = str(inspect.signature(getattr(Hooks, name))).replace("'", "")
    exact = name + signature.replace("(self, ", "(").replace("(self)", "()")
    assert f"## {name}\n\n```text\n{exact}\n```\n" in REFERENCE


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_is_shown_with_its_docstring(name: str) -> None:
    assert inspect.getdoc(getattr(Hooks, name)) in REFERENCE


@pytest.mark.parametrize("package", sorted(plugins()))
def test_the_settings_and_hooks_of_each_plugin_are_shown(package: str) -> None:
    plugin = import_module(f"{package}.plugin").plugin
    assert f"implements {package}.plugin" in shown()
    schema: type[msgspec.Struct] = plugin.config_schema()
    place = f"settings {schema.__module__}:{schema.__name__}"
    for page in (ROOT / "docs" / "configuration.md", ROOT / "plugins"):
        texts = [page] if page.is_file() else list(page.glob("*/README.md"))
        assert any(place in parts(each.read_text(encoding="utf-8")) for each in texts)


def test_each_error_is_shown_with_its_code() -> None:
    page = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert f"| `{kind.code}` | {kind.status} | `{name}` |" in page


def test_help_keeps_its_lines() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert "\\b" not in page
    assert "\n  zsh   pegboard completion zsh >> ~/.zshrc\n" in page


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("page", ["testing.md", "write-a-plugin.md"])
def test_each_suite_is_named_where_authors_look(page: str, name: str) -> None:
    module = import_module(f"pegboard.testing.{name}")
    (suite,) = [each for each in module.__all__ if each.endswith("Suite")]
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert name in text
    assert suite in text


def test_a_check_knows_the_suite_of_each_contract_that_hooks_answer_with() -> None:
    of_no_hook = {"channel_suite", "job_engine_suite", "plugin_suite"}
    suites = set(SUITES) - of_no_hook
    assert set(CONTRACTS.values()) == suites
    assert set(CONTRACTS) <= set(HOOKS)
