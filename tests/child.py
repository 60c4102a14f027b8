"""A virtual environment that has what this one has, and room for what a test installs."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["PYTEST", "Child"]

PYTEST = {
    "PYTEST_ADDOPTS": "-p anyio -p pegboard.testing.plugin -p no:cacheprovider",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}
"""Variables for a pytest with the plugins that it is about, not with all that is installed here."""


class Child:
    """An environment of a test's own.

    Attributes:
        python: Its interpreter.

    Args:
        folder: Where it is made.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=os.name != "nt")
        scripts = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = str(next(scripts.glob("python*")))
        (home,) = folder.glob("**/site-packages")
        line = f"import site; list(map(site.addsitedir, {site.getsitepackages()!r}))\n"
        (home / "parent.pth").write_text(line, encoding="utf-8")

    def install(self, *requirements: str, cwd: Path | None = None) -> None:
        """Install distributions without what they require: that is there, or shall not be."""
        uv = Path(sys.executable).with_name("uv")
        command = [uv, "pip", "install", "--quiet", "--no-deps", "--python", self.python]
        subprocess.run([*command, *requirements], cwd=cwd, check=True)

    def run(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a module of Python there, such as `("pytest", "-q")`, and return all that it said."""
        kept = {key: each for key, each in os.environ.items() if not key.startswith("PEGBOARD_")}
        return subprocess.run(
            [self.python, "-m", *arguments],
            cwd=cwd,
            env={**kept, "COLUMNS": "200", "NO_COLOR": "1", **PYTEST},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
