"""Finding out who asks with an API key."""

from contextlib import AbstractAsyncContextManager

from benchmarks.contenders.session_pegboard import open_asker
from benchmarks.worker import Batch


def open_call() -> AbstractAsyncContextManager[Batch]:
    """Give the loop over requests."""
    return open_asker("key")
