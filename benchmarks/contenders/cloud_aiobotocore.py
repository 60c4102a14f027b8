"""aiobotocore."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from benchmarks.cloud import BUCKET, CLIENTS, DATA, S3, concurrent, name
from benchmarks.worker import Batch


@asynccontextmanager
async def open_cloud() -> AsyncIterator[dict[str, Batch]]:
    """Give the loops over saves and loads."""
    config = AioConfig(max_pool_connections=CLIENTS)
    async with get_session().create_client("s3", **S3, config=config) as client:

        async def save(number: int) -> None:
            await client.put_object(Bucket=BUCKET, Key=name(number), Body=DATA)

        async def load(number: int) -> bytes:
            found = await client.get_object(Bucket=BUCKET, Key=name(number))
            async with found["Body"] as body:
                data: bytes = await body.read()
            return data

        yield {"save": concurrent(save), "load": concurrent(load)}
