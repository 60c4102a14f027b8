"""obstore itself: the library below Pegboard's store on S3."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import obstore
from obstore.store import S3Store

from benchmarks.cloud import BUCKET, DATA, S3, blocking, name
from benchmarks.worker import Batch


@asynccontextmanager
async def open_cloud() -> AsyncIterator[dict[str, Batch]]:
    """Give the loops over saves and loads."""
    store = S3Store(
        BUCKET,
        endpoint=S3["endpoint_url"],
        region=S3["region_name"],
        access_key_id=S3["aws_access_key_id"],
        secret_access_key=S3["aws_secret_access_key"],
        client_options={"allow_http": True},
    )
    yield {
        "save": blocking(lambda number: obstore.put(store, name(number), DATA)),
        "load": blocking(lambda number: bytes(obstore.get(store, name(number)).bytes())),
    }
