"""Pegboard's stores, with versions, conditions, an outbox and copies for outages."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.cloud import BUCKET, DATA, blocking, name
from benchmarks.worker import Batch
from pegboard import App
from pegboard.contracts.storage import FileKey, Store


@asynccontextmanager
async def open_store(backend: str, settings: dict[str, Any]) -> AsyncIterator[dict[str, Batch]]:
    """Give the loops over saves and loads of a store."""
    config = {"plugins": {"storage_cloud": settings}}
    with tempfile.TemporaryDirectory() as folder:
        plugins = ["storage_cloud"]
        async with App(project=folder, plugins=plugins, mods=[], config=config) as app:
            key = _key(0)
            store: Store = app.hooks.first("persist_file", app=app, file=key, backend=backend)
            yield {
                "save": blocking(lambda number: store.write(_key(number), DATA)),
                "load": blocking(lambda number: store.read(_key(number))),
            }


def _key(number: int) -> FileKey:
    return FileKey(scope="mod_data", owner="", mod="bench", name=name(number))


def s3_settings(endpoint: str) -> dict[str, Any]:
    """Return the settings for the service of the suite."""
    return {
        "s3_bucket": BUCKET,
        "s3_endpoint": endpoint,
        "s3_access_key_id": "sample",
        "s3_secret_access_key": "sample",
    }
