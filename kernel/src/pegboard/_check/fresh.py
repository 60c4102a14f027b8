"""Whether a plugin can be installed alone: with what it declares, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pegboard._check.finding import Finding
from pegboard._check.subject import Subject

__all__ = ["check_installation"]

TIMEOUT = 600.0  # seconds that pip may take

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)""")

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

    What it requires has the version that is installed here; what was installed here from a folder
    or a file is taken from there.
    """
    with tempfile.TemporaryDirectory(prefix="pegboard-check-") as name:
        folder = Path(name)
        try:
            python = _environment(folder / "venv")
            requirement = _wheels(python, subject, folder / "wheels")
            constraints = folder / "constraints.txt"
            pins = [f"{each.name}=={each.version}" for each in distributions() if each.name]
            constraints.write_text("\n".join(pins), encoding="utf-8")
            links = ["--find-links", str(folder / "wheels"), "--constraint", str(constraints)]
            _pip(python, "install", *links, requirement)
            _run(python, "-P", "-W", "error", "-c", _START, *subject.others, subject.name)
        except _RefusedError as error:
            return Finding(name="installs alone", state="failed", detail=str(error))
    return Finding(name="installs alone", state="ok", detail="in a fresh environment")


def _wheels(python: str, subject: Subject, house: Path) -> str:
    """Build what is not taken from an index, and return what to install.

    Wheels rather than a constraint for each folder, which pip before 24 does not follow where an
    extra is asked for.
    """
    house.mkdir()
    own = subject.installed
    found = {name: _origin(each) for name, each in _reached(own, (), {}).items()}
    found[own.name] = subject.folder or found[own.name]
    for path in found.values():
        if path is not None:
            _pip(python, "wheel", "--no-deps", "--wheel-dir", str(house), str(path))
    return f"{own.name}=={own.version}" if found[own.name] is None else str(_wheel_of(own, house))


def _wheel_of(own: Distribution, house: Path) -> Path:
    stem = re.sub(r"[-_.]+", "_", own.name).lower()
    return next(each for each in house.iterdir() if each.name.lower().startswith(f"{stem}-"))


def _reached(
    own: Distribution, extras: Iterable[str], found: dict[str, Distribution]
) -> dict[str, Distribution]:
    """Return a distribution with all that it requires here, by name."""
    found[own.name] = own
    for line in own.requires or ():
        asked = _REQUIREMENT.match(line)
        extra = _EXTRA.search(line)
        if asked is None or (extra is not None and extra[1] not in extras):
            continue
        try:
            other = distribution(asked[1])
        except PackageNotFoundError:
            continue  # for another platform, or missing: pip will say which
        more = [each.strip() for each in (asked[2] or "").split(",") if each.strip()]
        if other.name not in found or more:
            _reached(other, more, found)
    return found


def _origin(each: Distribution) -> Path | None:
    """Return the folder or file that a distribution was installed from, if it is here."""
    told = each.read_text("direct_url.json")
    parts = urlsplit(json.loads(told)["url"] if told else "")
    path = Path(url2pathname(parts.path))
    return path if parts.scheme == "file" and path.exists() else None


def _pip(python: str, verb: str, *arguments: str) -> None:
    _run(python, "-m", "pip", verb, "--quiet", "--disable-pip-version-check", *arguments)


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
