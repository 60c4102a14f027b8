"""Distributions that exist for one test."""

import sys
from textwrap import dedent

import pytest


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that puts a distribution with one plugin, or one mod, on the path."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def put(name, source, *, manifest="api = 1", group="pegboard.plugins", version="1.0"):
        package = site / f"pegboard_{name}"
        package.mkdir()
        (package / "__init__.py").write_text(dedent(source))
        if manifest is not None:
            (package / "plugin.toml").write_text(dedent(manifest))
        info = site / f"pegboard_{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: pegboard-{name}\nVersion: {version}\n")
        target = f"pegboard_{name}" + (":plugin" if group == "pegboard.plugins" else "")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")

    yield put
    for name in set(sys.modules) - before:
        if name.startswith("pegboard_"):
            del sys.modules[name]
