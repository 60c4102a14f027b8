"""How a command ends when something goes wrong that we know of: a sentence, no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pegboard._serving.style import Style
from pegboard.errors import PegboardError

__all__ = ["INTERRUPTED", "flattened", "reported"]

INTERRUPTED = 130
"""Exit status after Ctrl+C, as shells have it."""


@contextmanager
def reported() -> Iterator[None]:
    """Report errors that the user can mend, and end the process with status 1.

    Raises:
        SystemExit: After an error of ours, an interrupt, or a reader that has gone.
    """
    try:
        yield
    except (PegboardError, BaseExceptionGroup) as error:
        known = flattened(error)
        if known is None:
            raise
        style = Style.of(sys.stderr)
        print(f"{style.red('error:')} {known}", file=sys.stderr)  # noqa: T201 - for the user
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to flush
        sys.exit(1)


def flattened(error: BaseException) -> PegboardError | None:
    """Return the one error of ours in it, None if there is another or more than one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, PegboardError) else None
