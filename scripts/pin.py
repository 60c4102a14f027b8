"""Pin the newest third-party versions that fit together, in the root `pyproject.toml`.

With `--missing` only what has no pin yet gets one, and all others stay. The list is resolved by uv
for every supported Python and platform at once, with all groups and extras, and written between
the brackets of `[tool.uv] constraint-dependencies`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from scripts.environment import ROOT, Environment, members

LIST = re.compile(r"(?<=^constraint-dependencies = \[\n)(?:    .*\n)*(?=\]$)", re.MULTILINE)


def main(arguments: Sequence[str]) -> None:
    """Resolve without pins, or with those that there are, and write the pins."""
    root = ROOT / "pyproject.toml"
    before = root.read_text(encoding="utf-8")
    if not LIST.search(before):
        sys.exit("pins: pyproject.toml has no list `constraint-dependencies = [`")
    with tempfile.TemporaryDirectory(prefix="pegboard-pins-") as folder:
        kept = before if "--missing" in arguments else LIST.sub("", before)
        pins = _resolve(Path(folder), kept)
    lines = "".join(f'    "{pin}",\n' for pin in pins)
    root.write_text(LIST.sub(lines, before), encoding="utf-8")
    print(f"pins: {len(pins)} packages pinned; run `python3 run.py ci` before you commit them")


def _resolve(folder: Path, root: str) -> list[str]:
    """Lock a copy of the workspace in `folder` and return its third-party packages."""
    for member in members():
        copy = folder / member.relative_to(ROOT)
        copy.mkdir(parents=True)
        shutil.copy(member / "pyproject.toml", copy)
    (folder / "pyproject.toml").write_text(root, encoding="utf-8")
    uv = Environment(directory=Path(sys.prefix)).script("uv")
    command = [uv, "lock", "--quiet", "--python", sys.executable, "--project", os.fspath(folder)]
    if subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode:
        sys.exit("pins: uv found no versions that fit together, see above")
    lock = tomllib.loads((folder / "uv.lock").read_text(encoding="utf-8"))
    versions: dict[str, set[str]] = {}
    for package in lock["package"]:
        if "registry" in package["source"]:
            versions.setdefault(package["name"], set()).add(package["version"])
    return [
        # where old and new Pythons need different versions, there is no one pin to give
        f"{name}=={next(iter(found))}"
        for name, found in sorted(versions.items())
        if len(found) == 1
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
