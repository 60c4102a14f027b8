"""Pegboard's store on Redis."""

import os
from contextlib import AbstractAsyncContextManager

from benchmarks.contenders.cloud_pegboard import open_store
from benchmarks.worker import Batch


def open_cloud() -> AbstractAsyncContextManager[dict[str, Batch]]:
    """Give the loops over saves and loads."""
    return open_store("redis", {"redis_url": os.environ["BENCHMARK_REDIS"]})
