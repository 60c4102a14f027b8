"""The verbs of `run.py`: each is a table row of commands that run in the environment."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from scripts.environment import ROOT, Environment, SetupError


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A word of the command line, and the commands it stands for; arguments go to the last."""

    help: str
    commands: tuple[str, ...]
    in_root: bool = True


VERBS = {
    "serve": Verb(
        help="serve the example mods on http://127.0.0.1:5000",
        commands=("pegboard serve",),
        in_root=False,
    ),
    "test": Verb(help="run the tests (arguments go to pytest)", commands=("python -m pytest",)),
    "lint": Verb(help="check format and rules", commands=("ruff format --check", "ruff check")),
    "format": Verb(
        help="format, and mend what can be mended by itself",
        commands=("ruff check --fix-only --quiet", "ruff format"),
    ),
    "types": Verb(help="check the types of everything shipped", commands=("python -m mypy",)),
    "contracts": Verb(help="check who imports whom", commands=("lint-imports",)),
    "packages": Verb(
        help="build the wheels, install them alone and together, use them",
        commands=("python -m scripts.package",),
    ),
    "bench": Verb(
        help="measure against other frameworks (--smoke for a short run)",
        commands=("python -m benchmarks",),
    ),
    "names": Verb(
        help="write the list of public names anew",
        commands=("python -m scripts.surface",),
    ),
    "docs": Verb(
        help="write the generated parts of the documentation anew",
        commands=("python -m scripts.docs",),
    ),
    "client": Verb(
        help="check the types of the client with tsc, which npm fetches",
        commands=("python -m scripts.client",),
    ),
    "pins": Verb(
        help="pin the newest third-party versions that fit together",
        commands=("python -m scripts.pin",),
    ),
    "python": Verb(
        help="run the Python of the environment",
        commands=("python",),
        in_root=False,
    ),
    "ci": Verb(help="all that must hold before a change lands", commands=("bash .ci/run",)),
}


def main(argv: Sequence[str]) -> NoReturn:
    """Prepare the environment and run the verb that `argv` begins with; exit with its status."""
    _open_stdin()
    if not argv or argv[0] in {"-h", "--help", "help"}:
        print(_usage())
        sys.exit(0 if argv else 2)
    verb = VERBS.get(argv[0])
    if verb is None:
        sys.exit(f"run.py: there is no verb {argv[0]!r}\n\n{_usage()}")
    try:
        env = Environment.prepare()
    except SetupError as error:
        sys.exit(f"run.py: {error}")
    except KeyboardInterrupt:
        sys.exit("run.py: stopped; the next start makes the environment anew")
    commands = [_resolve(env, command) for command in verb.commands]
    commands[-1] += argv[1:]
    if verb.in_root:
        os.chdir(ROOT)
    _run(commands)


def _resolve(env: Environment, command: str) -> list[str]:
    name, *arguments = command.split()
    installed = env.script(name)
    return [installed if shutil.which(installed) else name, *arguments]


def _run(commands: Sequence[list[str]]) -> NoReturn:
    *first, last = commands
    for command in first:
        status = subprocess.run(command, check=False).returncode
        if status:
            sys.exit(status)
    if os.name == "posix":
        os.execvp(last[0], last)  # noqa: S606  signals and status are then the command's own
    sys.exit(subprocess.run(last, check=False).returncode)


def _open_stdin() -> None:
    """Give the process a standard input where it was started without one."""
    try:
        os.fstat(0)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)


def _usage() -> str:
    lines = [f"  {name:<10} {verb.help}" for name, verb in VERBS.items()]
    return "\n".join(["usage: python3 run.py VERB [arguments]", "", *lines])
