"""Pegboard's store on S3."""

from contextlib import AbstractAsyncContextManager

from benchmarks.cloud import S3
from benchmarks.contenders.cloud_pegboard import open_store, s3_settings
from benchmarks.worker import Batch


def open_cloud() -> AbstractAsyncContextManager[dict[str, Batch]]:
    """Give the loops over saves and loads."""
    return open_store("s3", s3_settings(S3["endpoint_url"]))
