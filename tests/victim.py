"""Runs a program many times, each time in a fork: `python -m tests.victim PROGRAM`.

What the program imports is imported once, before the first fork. Each line that comes in is a JSON
list of arguments; the answer is a JSON list of how the fork ended, and what it printed.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import traceback
from types import CodeType


def main(program: str) -> None:
    """Answer lines until there are no more."""
    tree = ast.parse(program)
    exec(compile(_imports_of(tree), "imports", "exec"), {})  # a test wrote it
    code = compile(tree, "program", "exec")
    for line in sys.stdin:
        print(json.dumps(_run(code, json.loads(line))), flush=True)


def _imports_of(tree: ast.Module) -> ast.Module:
    body = [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    return ast.Module(body=body, type_ignores=[])


def _run(code: CodeType, arguments: list[str]) -> tuple[int, str]:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writing, 1)
        _be(code, arguments)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def _be(code: CodeType, arguments: list[str]) -> None:
    sys.argv = ["-c", *arguments]
    status = 1
    try:
        exec(code, {"__name__": "__main__"})  # the same
        status = 0
    except BaseException:  # noqa: BLE001  # it is printed, and the status says it
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1])
