"""Build every distribution, install it alone and with the others, and use it there.

Each set gets a fresh virtual environment outside the clone, with what its wheels declare and
nothing else, and plays the story of `scripts/smoke/` that shows it doing its job. Arguments name
the sets to check; without any, all are.
"""

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from scripts.environment import ROOT, Environment, members, workspace

SMOKE = ROOT / "scripts" / "smoke"
STORIES = {
    "pegboard": "kernel",
    "pegboard-auth": "auth",
    "pegboard-durable": "durable",
    "pegboard-pages": "pages",
    "pegboard-files": "files",
    "pegboard-transport-http": "http",
    "pegboard-transport-ws": "ws",
    "pegboard-server-hypercorn": "server",
    "pegboard-server-uvicorn": "server",
    "pegboard-database": "database",
    "pegboard-caching": "caching",
    "pegboard-jobs": "jobs",
    "pegboard-hot-reload": "reload",
    "pegboard-locking": "locking",
    "pegboard-mods": "mods",
    "pegboard-web-client": "client",
    "pegboard-storage[local]": "storage",
    "pegboard-storage-local": "storage_local",
    "pegboard-storage-cloud[redis,s3]": "storage_cloud",
    "pegboard-maintenance": "maintenance",
    "pegboard[all]": "everything",
}
"""What is installed, and the story that is played there."""

EXAMPLES = [ROOT / "docs" / "examples" / "maintenance"]
"""Distributions of their own, as others would write them: no part of the workspace."""

STORY_TIMEOUT = 60.0


def main(requirements: Sequence[str]) -> None:
    """Check the sets named, or all of them; leave with a message at the first that fails."""
    unknown = set(requirements) - set(STORIES)
    if unknown:
        sys.exit(f"packages: no such set: {', '.join(sorted(unknown))}; there are {list(STORIES)}")
    with tempfile.TemporaryDirectory(prefix="pegboard packages ") as folder:
        wheels = _build(Path(folder))
        constraints = _write_constraints(Path(folder), wheels)
        for requirement in requirements or STORIES:
            _check(requirement, folder=Path(folder), constraints=constraints)
    print("packages: every set does its job", flush=True)


def _build(folder: Path) -> list[Path]:
    """Build sdists, and the wheels from them: what the sdist lacks, the wheel lacks."""
    target = folder / "dist"
    _uv("build", "--quiet", "--all-packages", "--out-dir", os.fspath(target), os.fspath(ROOT))
    for example in EXAMPLES:
        _uv("build", "--quiet", "--no-sources", "--out-dir", os.fspath(target), os.fspath(example))
    wheels = sorted(target.glob("*.whl"))
    built = sorted([*members(), *EXAMPLES], key=_import_name)
    if len(wheels) != len(built):
        sys.exit(f"packages: {len(built)} distributions gave {len(wheels)} wheels")
    for wheel, member in zip(wheels, built, strict=True):
        _check_contents(wheel, member)
    return wheels


def _check_contents(wheel: Path, member: Path) -> None:
    """Hold the wheel to what lies in the source tree of `member`: nothing more, nothing less."""
    source = member / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
        has_license = any(name.endswith("/licenses/LICENSE") for name in archive.namelist())
    if found != expected:
        sys.exit(f"packages: {wheel.name} and {source} differ in {sorted(found ^ expected)}")
    if not has_license:
        sys.exit(f"packages: {wheel.name} carries no LICENSE")


def _write_constraints(folder: Path, wheels: Sequence[Path]) -> Path:
    """Pin our names to the wheels just built and all other names to the versions tested."""
    ours = [f"{_distribution(wheel)} @ {wheel.as_uri()}" for wheel in wheels]
    pins = workspace()["tool"]["uv"]["constraint-dependencies"]
    target = folder / "constraints.txt"
    target.write_text("\n".join([*ours, *pins, ""]), encoding="utf-8")
    return target


def _check(requirement: str, *, folder: Path, constraints: Path) -> None:
    began = time.monotonic()
    home = folder / f"only {requirement}"
    env = Environment(directory=home / "venv")
    _uv("venv", "--quiet", "--python", sys.executable, os.fspath(env.directory))
    install = ["pip", "install", "--quiet", "--python", env.python]
    _uv(*install, "--constraint", os.fspath(constraints), requirement)
    story = SMOKE / f"{STORIES[requirement]}.py"
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # -P keeps the folder of the story off the path: it sees what is installed and nothing else.
    done = subprocess.run(
        [env.python, "-P", "-W", "error", os.fspath(story)],
        check=False,
        cwd=home,
        env=variables,
        stdin=subprocess.DEVNULL,
        timeout=STORY_TIMEOUT,
    )
    if done.returncode:
        sys.exit(
            f"packages: {requirement} alone does not do its job, see scripts/smoke/{story.name}"
        )
    print(f"packages: {requirement}: good, {time.monotonic() - began:.1f} s", flush=True)


def _uv(*arguments: str) -> None:
    here = Environment(directory=Path(sys.prefix))
    variables = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [here.script("uv"), *arguments], check=False, env=variables, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        sys.exit(f"packages: uv {' '.join(arguments[:2])} failed, see above")


def _import_name(member: Path) -> str:
    return next((member / "src").iterdir()).name


def _distribution(wheel: Path) -> str:
    return wheel.name.partition("-")[0].replace("_", "-")


if __name__ == "__main__":
    main(sys.argv[1:])
