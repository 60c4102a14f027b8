"""boto3, a client that all threads share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import boto3
from botocore.config import Config

from benchmarks.cloud import BUCKET, CLIENTS, DATA, S3, blocking, name
from benchmarks.worker import Batch


@asynccontextmanager
async def open_cloud() -> AsyncIterator[dict[str, Batch]]:
    """Give the loops over saves and loads."""
    config = Config(max_pool_connections=CLIENTS)
    client: Any = boto3.client("s3", **S3, config=config)

    def save(number: int) -> None:
        client.put_object(Bucket=BUCKET, Key=name(number), Body=DATA)

    def load(number: int) -> bytes:
        found: bytes = client.get_object(Bucket=BUCKET, Key=name(number))["Body"].read()
        return found

    yield {"save": blocking(save), "load": blocking(load)}
