"""The virtual environment of a clone: made on first use, and brought up to date when it must be.

Standard library only, since this is what runs before anything is installed. One Python has one
environment: `.venv` belongs to the first that came, any other minor version gets `.venv-3.x`.

A stamp in the environment says what it was made from. It is written before the work as *unfinished*
and after it with the hash of its inputs, so that

- an equal hash means that nothing is to be done (no lock, no subprocess);
- another hash means one `uv sync`;
- *unfinished* means that a set-up was killed, and another root or Python means that the scripts in
  there point elsewhere: the environment is made anew.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STAMP = "pegboard-stamp.json"
UNFINISHED = "unfinished"


class SetupError(Exception):
    """The environment cannot be made; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment with every distribution of the workspace in it."""

    directory: Path

    @classmethod
    def prepare(cls) -> "Environment":
        """Return the environment of the running Python, made or brought up to date if need be.

        Raises:
            SetupError: when the environment cannot be made.
        """
        env = cls(directory=_directory())
        wanted = _wanted_stamp()
        if env._read_stamp() == wanted:
            return env
        with _exclusive(ROOT / ".venv.lock"):
            env = cls(directory=_directory())  # another Python may have taken `.venv` meanwhile
            if env._read_stamp() != wanted:  # else the one we waited for has done it
                env._set_up(wanted)
        return env

    @property
    def python(self) -> str:
        """The interpreter of the environment."""
        return self.script("python")

    def script(self, name: str) -> str:
        """The path of a command that is installed in the environment."""
        folder, suffix = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
        return os.fspath(self.directory / folder / (name + suffix))

    def _set_up(self, wanted: dict[str, str]) -> None:
        if not self._is_usable(wanted):
            _say(f"making {self.directory.name} (Python {wanted['python']}); once, about a minute")
            shutil.rmtree(self.directory, ignore_errors=True)
            venv.create(self.directory, symlinks=os.name != "nt")
        self._write_stamp({**wanted, "inputs": UNFINISHED})
        try:
            self._install_uv()
            _say("installing the workspace")
            self._sync()
        except SetupError:
            # A refusal leaves the environment as it was: next time it is synced, not made anew.
            self._write_stamp({**wanted, "inputs": ""})
            raise
        self._write_stamp(wanted)

    def _is_usable(self, wanted: dict[str, str]) -> bool:
        stamp = self._read_stamp()
        if stamp is not None:  # else uv made it, which is as good
            same_place = all(stamp.get(key) == wanted[key] for key in ("root", "python"))
            if not same_place or stamp.get("inputs") == UNFINISHED:
                return False
        # A half-made environment falls through to the Python outside; never install into that.
        return _succeeds([self.python, "-c", "import sys; sys.exit(sys.prefix == sys.base_prefix)"])

    def _install_uv(self) -> None:
        pinned = _pinned_version("uv")
        if _succeeds([self.script("uv"), "--version"], expect=f"uv {pinned}"):
            return
        pip = [sys.executable, "-m", "pip", "--python", self.python]
        if not _succeeds([sys.executable, "-m", "pip", "--version"]):
            _run([self.python, "-m", "ensurepip"], "this Python has neither pip nor ensurepip")
            pip = [self.python, "-m", "pip"]
        quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
        _run(
            [*pip, "install", *quiet, "--force-reinstall", f"uv=={pinned}"],
            "pip could not install uv",
        )

    def _sync(self) -> None:
        variables = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
        variables |= _index_of_pip(variables)
        variables |= {
            "UV_PROJECT_ENVIRONMENT": os.fspath(self.directory),
            "UV_PYTHON_DOWNLOADS": "never",
        }
        command = [self.script("uv"), "sync", "--all-groups", "--python", self.python]
        if not sys.stderr.isatty():
            command.append("--quiet")
        _run(command, "uv could not install the workspace", variables=variables)

    def _read_stamp(self) -> dict[str, str] | None:
        try:
            stamp = json.loads((self.directory / STAMP).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return stamp if isinstance(stamp, dict) else None

    def _write_stamp(self, stamp: dict[str, str]) -> None:
        target = self.directory / STAMP
        temporary = target.with_suffix(".new")
        temporary.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
        temporary.replace(target)


def workspace() -> dict[str, Any]:
    """Return the `pyproject.toml` of the workspace root."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def members() -> list[Path]:
    """Return the folder of each distribution, in the order in which the workspace lists them."""
    return [ROOT / member for member in workspace()["tool"]["uv"]["workspace"]["members"]]


def _directory() -> Path:
    """`.venv` when it is free or of this Python's minor version, else `.venv-<minor version>`."""
    mine = _minor_version()
    try:
        config = (ROOT / ".venv" / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return ROOT / ".venv"
    lines = [line.partition("=") for line in config.splitlines()]
    versions = [
        value.strip() for key, _, value in lines if key.strip() in ("version", "version_info")
    ]
    is_mine = any(version.split(".")[:2] == mine.split(".") for version in versions)
    return ROOT / (".venv" if is_mine else f".venv-{mine}")


def _minor_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _wanted_stamp() -> dict[str, str]:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for folder in (ROOT, *members()):
        digest.update((folder / "pyproject.toml").read_bytes())
    return {"root": os.fspath(ROOT), "python": _minor_version(), "inputs": digest.hexdigest()}


def _pinned_version(name: str) -> str:
    for pin in workspace()["tool"]["uv"]["constraint-dependencies"]:
        pinned, _, version = str(pin).partition("==")
        if pinned == name:
            return version
    message = f"pyproject.toml pins no version of {name} under [tool.uv] constraint-dependencies"
    raise SetupError(message)


def _index_of_pip(variables: dict[str, str]) -> dict[str, str]:
    """Make uv ask where pip asks, since a machine behind a mirror has only pip configured."""
    if "UV_DEFAULT_INDEX" in variables or "UV_INDEX_URL" in variables:
        return {}
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    found = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        if key.endswith(".index-url"):
            found["UV_DEFAULT_INDEX"] = value.strip("'\"")
    return found


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold a lock of the operating system on `path`.

    What we start inherits it: it falls when this process and the installer it started are gone.
    """
    with path.open("a+b") as file:
        os.set_inheritable(file.fileno(), True)
        if not _try_lock(file.fileno()):
            _say("another set-up of this clone is running; waiting for it")
            _wait_for_lock(file.fileno())
        yield


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _wait_for_lock(descriptor: int) -> None:
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # gives up after ten seconds
            except OSError:
                continue
            return

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _wait_for_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _succeeds(command: Sequence[str], *, expect: str = "") -> bool:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.startswith(expect)


def _run(command: Sequence[str], failure: str, *, variables: dict[str, str] | None = None) -> None:
    try:
        status = subprocess.run(
            command,
            check=False,
            close_fds=False,  # hands on the lock
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=2,  # standard output belongs to the verb
        ).returncode
    except OSError as error:
        message = f"{failure}: {error}"
        raise SetupError(message) from error
    if status:
        message = f"{failure} (status {status}, see above); mend that and start again"
        raise SetupError(message)


def _say(text: str) -> None:
    print(f"run.py: {text}", file=sys.stderr, flush=True)
