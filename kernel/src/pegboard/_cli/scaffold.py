"""New files for a project, each of which works as it is."""

from __future__ import annotations

import keyword
from pathlib import Path
from string import Template

from pegboard.errors import ConflictError, InputError

__all__ = ["MOD", "new_mod"]

MOD = Template('''\
"""$title: a mod of Pegboard.

Serve it with `pegboard serve` and open http://127.0.0.1:5000/api/$name/greet?name=you; call it
with `pegboard call $name.greet name=you`; test it with `pegboard test`.
"""

from collections.abc import AsyncIterator

import anyio

from pegboard import Result, get_app

export = get_app("$name").tb


@export(api=True, samples=[{"name": "Ada"}, {"name": "Ada", "times": 3}])
def greet(name: str, times: int = 1) -> str:
    """Greet somebody, once or several times."""
    return " ".join([f"Hello, {name}!"] * times)


@export(api=True, samples=[{"until": 2}])
async def count(until: int = 10, pause: float = 0.0) -> Result:
    """Count up as a stream: open /sse/$name/count?until=5&pause=1."""

    async def numbers() -> AsyncIterator[int]:
        for number in range(1, until + 1):
            yield number
            await anyio.sleep(pause)

    return Result.stream(numbers())
''')


def new_mod(project: Path, name: str) -> Path:
    """Make `mods/NAME.py` and return its path.

    Raises:
        InputError: If the name cannot be that of a mod.
        ConflictError: If there is a mod of that name.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        msg = (
            f"{name!r} cannot be the name of a mod: take letters, digits and underscores, "
            "beginning with a letter, and no word of Python"
        )
        raise InputError(msg)
    folder = project / "mods"
    path = folder / f"{name}.py"
    if (folder / name).exists():
        msg = f"{folder / name} is there already: choose another name"
        raise ConflictError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(MOD.substitute(name=name, title=name.replace("_", " ").capitalize()))
    except FileExistsError as error:
        msg = f"{path} is there already: choose another name"
        raise ConflictError(msg) from error
    return path
