"""`pegboard-storage-cloud` alone: what is written while both services are away is kept here."""

import tempfile

import anyio

from pegboard import App
from pegboard.contracts.storage import FileKey

NOWHERE = "127.0.0.1:9"  # the port `discard`, on which nobody answers
config = {
    "plugins": {
        "storage_cloud": {
            "timeout": 2,
            "s3_bucket": "files",
            "s3_endpoint": f"http://{NOWHERE}",
            "s3_access_key_id": "sample",
            "s3_secret_access_key": "sample",
            "redis_url": f"redis://{NOWHERE}",
        }
    }
}
key = FileKey(scope="mod_data", owner="", mod="smoke", name="notes.data")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for backend in ("s3", "redis"):
            async with App("smoke", project=folder, config=config) as app:
                store = app.hooks.first("persist_file", app=app, file=key, backend=backend)
                written = await anyio.to_thread.run_sync(store.write, key, b"[1]")
                assert written.pending
            async with App("smoke", project=folder, config=config) as app:
                store = app.hooks.first("persist_file", app=app, file=key, backend=backend)
                entry = await anyio.to_thread.run_sync(store.read, key)
                assert entry.data == b"[1]", entry
                assert entry.stale_since is not None


anyio.run(main)
