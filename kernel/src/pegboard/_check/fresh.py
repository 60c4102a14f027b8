"""Whether a plugin can be installed alone: with what it declares, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from pegboard._check.finding import Finding
from pegboard._check.subject import Subject

__all__ = ["check_installation"]

TIMEOUT = 600.0  # seconds that pip may take

_START = """
import sys
import anyio
from pegboard import App

async def main():
    async with App("alone", plugins=sys.argv[1:], mods=[]):
        pass

anyio.run(main)
"""


class _RefusedError(Exception):
    """A command did not succeed; the message is what it said last."""


def check_installation(subject: Subject) -> Finding:
    """Install the plugin into a fresh environment and start an app with it.

    What it requires has the version that is installed here, and comes from the folder or file that
    it was installed from here.
    """
    with tempfile.TemporaryDirectory(prefix="pegboard-check-") as name:
        folder = Path(name)
        try:
            python = _environment(folder / "venv")
            constraints = folder / "constraints.txt"
            constraints.write_text("\n".join(_constraints(subject)), encoding="utf-8")
            install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run(python, *install, "--constraint", str(constraints), _requirement(subject))
            _run(python, "-P", "-W", "error", "-c", _START, *subject.others, subject.name)
        except _RefusedError as error:
            return Finding(name="installs alone", state="failed", detail=str(error))
    return Finding(name="installs alone", state="ok", detail="in a fresh environment")


def _environment(folder: Path) -> str:
    try:
        venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    except (OSError, subprocess.CalledProcessError) as error:
        msg = f"no environment could be made with {sys.executable} -m venv: {error}"
        raise _RefusedError(msg) from error
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    return str(scripts / ("python.exe" if os.name == "nt" else "python"))


def _run(python: str, *arguments: str) -> None:
    variables = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that was just made
            [python, *arguments],
            cwd=Path(python).parents[2],
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"it took longer than {TIMEOUT:g} s"
        raise _RefusedError(msg) from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise _RefusedError(lines[-1])


def _requirement(subject: Subject) -> str:
    if subject.folder is not None:
        return str(subject.folder)
    return _pinned(subject.installed)


def _constraints(subject: Subject) -> Iterator[str]:
    """Yield what is installed here, so that the plugin is tested with the same."""
    for each in distributions():
        if each.name and each.name != subject.installed.name:
            yield _pinned(each)


def _pinned(each: Distribution) -> str:
    """Return a requirement for the same distribution, from where it came if that is here."""
    origin = each.read_text("direct_url.json")
    url = json.loads(origin)["url"] if origin else ""
    parts = urlsplit(url)
    if parts.scheme == "file" and Path(url2pathname(unquote(parts.path))).exists():
        return f"{each.name} @ {url}"
    return f"{each.name}=={each.version}"
