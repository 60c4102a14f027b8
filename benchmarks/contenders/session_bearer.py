"""Finding out who asks with a bearer token."""

from contextlib import AbstractAsyncContextManager

from benchmarks.contenders.session_pegboard import open_asker
from benchmarks.worker import Batch


def open_call() -> AbstractAsyncContextManager[Batch]:
    """Give the loop over requests."""
    return open_asker("bearer")
