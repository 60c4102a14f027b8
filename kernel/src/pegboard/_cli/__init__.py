"""The command `pegboard`: its door, which needs nothing but the kernel.

What lies behind it, the other modules of this package that are commands, needs click, which comes
with the extra `cli`.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from pegboard._serving.failure import reported

__all__ = ["main"]

USAGE_ERROR = 2


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: Always, with 0 for success, 1 for an error, 2 for wrong usage.
    """
    _open_streams()
    if find_spec("click") is None:
        print("the command line needs: pip install 'pegboard[cli]'", file=sys.stderr)  # noqa: T201 - for the user
        sys.exit(USAGE_ERROR)
    with reported():  # from here on, since Ctrl+C may come while all of this is imported
        from pegboard._cli.root import root

        root.main(prog_name="pegboard")


def _open_streams() -> None:
    """Give streams that the shell has closed (`>&-`) a place to go: Python makes them None."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - as long as the process
