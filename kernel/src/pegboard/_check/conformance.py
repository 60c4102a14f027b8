"""Whether a plugin does what all plugins do, and whether its own tests pass."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from string import Template

from pegboard._check.finding import Finding
from pegboard._check.source import implementations
from pegboard._check.subject import Subject

__all__ = ["SUITES", "check_suite", "check_tests"]

TIMEOUT = 600.0  # seconds that the tests of a plugin may take

SUITES: Mapping[str, str] = {
    "asgi_routes": "route_suite",
    "load_session": "session_suite",
    "persist_file": "store_suite",
    "provide_bus": "bus_suite",
    "provide_cache": "cache_suite",
    "provide_lock": "lock_suite",
    "register_export": "layer_suite",
    "serve": "server_suite",
    "track_job": "job_store_suite",
}
"""The module of `pegboard.testing` that tests what a hook answers with."""

_FAILURE = re.compile(r"(FAILED|ERROR) \S+\.py")
"""A line of the summary of pytest; lines of a log begin in a similar way."""

_SUITE = Template("""
from pegboard.testing.plugin_suite import PluginSuite


class TestPlugin(PluginSuite):
    plugin = $name
    others = $others
""")


def check_suite(subject: Subject) -> Finding:
    """Run the suite of all plugins."""
    if find_spec("pytest") is None:
        detail = "the suite cannot run: pip install 'pegboard[testing]'"
        return Finding(name="conforms", state="warning", detail=detail)
    text = _SUITE.substitute(name=repr(subject.name), others=repr(subject.others))
    with tempfile.TemporaryDirectory(prefix="pegboard check ") as folder:
        path = Path(folder, "test_plugin.py")
        path.write_text(text, encoding="utf-8")
        problems, said = _run(path, Path(folder))
    return Finding.of("conforms", problems, said)


def check_tests(subject: Subject) -> Finding:
    """Run the plugin's own tests, and see that they use the suites for what it answers with."""
    tests = subject.tests
    if subject.folder is None or tests is None:
        detail = "no folder `tests` here: check the folder of its source"
        state = "skipped" if subject.folder is None else "failed"
        return Finding(name="tested", state=state, detail=detail)  # type: ignore[arg-type]  # two words
    if find_spec("pytest") is None:
        detail = "its tests cannot run: pip install 'pegboard[testing]'"
        return Finding(name="tested", state="warning", detail=detail)
    problems, said = _run(tests, subject.folder)
    missing = _missing_suites(subject, tests)
    if missing and not problems:
        detail = f"{said}; no test uses pegboard.testing.{', '.join(missing)}"
        return Finding(name="tested", state="warning", detail=detail)
    return Finding.of("tested", problems, said)


def _missing_suites(subject: Subject, tests: Path) -> list[str]:
    text = "".join(path.read_text("utf-8", errors="replace") for path in tests.rglob("*.py"))
    hooks = implementations(subject.candidate.load())
    wanted = [suite for hook, suite in SUITES.items() if hook in hooks]
    return [name for name in wanted if name not in text]


def _run(path: Path, folder: Path) -> tuple[list[str], str]:
    """Return what failed, and the last line of what pytest said."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", str(path)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return [f"the tests took longer than {TIMEOUT:g} s"], ""
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["no output"]
    said = lines[-1].strip("= ")
    if done.returncode == 0:
        return [], said
    failed = [line for line in lines if _FAILURE.match(line)]
    return [*failed[:3], f"{said}: pytest {path}"], said
