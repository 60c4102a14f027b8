"""Files on disk, sent whole or in parts."""

import asyncio
import gc
import os
import re
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from pegboard import App, Result
from pegboard.testing import HttpClient
from pegboard_transport_http import _download
from pegboard_transport_http._download import CHUNK
from tests.descriptors import descriptors

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 4


@asynccontextmanager
async def offering(make: Callable[[], Any]) -> AsyncIterator[HttpClient]:
    app = App("files", plugins=["transport_http"], mods=[])

    async def get() -> Any:
        return make()

    app.export(mod_name="F", api=True)(get)
    async with app:
        before = descriptors()
        yield HttpClient(app)
        assert not descriptors() - before


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "täst.bin"
    path.write_bytes(CONTENT)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


async def test_head_knows_no_ranges(file: Path) -> None:
    async with offering(lambda: Result.file_path(file)) as client:
        answer = await client.head("/api/F/get", headers={"range": "bytes=0-9"})
    assert (answer.status, answer.headers.content_length) == (200, str(len(CONTENT)))
    assert answer.headers.content_range is None


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_file_that_nobody_waits_for_any_more_is_closed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, go_on, opened = threading.Event(), threading.Event(), threading.Event()
    open_file = _download._open

    def hesitate(path: str) -> Any:
        opening.set()
        go_on.wait(10)
        try:
            return open_file(path)
        finally:
            opened.set()

    monkeypatch.setattr(_download, "_open", hesitate)
    async with offering(lambda: Result.file_path(file)) as client:
        request = asyncio.create_task(client.get("/api/F/get"))
        await anyio.to_thread.run_sync(opening.wait)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        del request
        go_on.set()
        await anyio.to_thread.run_sync(opened.wait)
        for _ in range(10):  # until the loop has heard of the result that nobody wants
            await anyio.lowlevel.checkpoint()
        gc.collect()


async def test_a_file_is_sent_whole_with_what_tells_its_version(file: Path) -> None:
    async with offering(lambda: Result.file_path(file)) as client:
        answer = await client.get("/api/F/get")
        head = await client.head("/api/F/get")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers.content_length == str(len(CONTENT))
    assert answer.headers.accept_ranges == "bytes"
    assert answer.headers.last_modified == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert re.fullmatch(r'"[^"]+"', answer.headers.etag or "")
    assert answer.headers.content_disposition == (
        "attachment; filename=\"t_st.bin\"; filename*=UTF-8''t%C3%A4st.bin"
    )
    assert (head.body, sorted(head.raw_headers)) == (b"", sorted(answer.raw_headers))


@pytest.mark.parametrize(
    ("wanted", "start", "stop"), [("0-9", 0, 10), ("1000-", 1000, 1024), ("-24", 1000, 1024)]
)
async def test_a_part_is_sent_as_one(file: Path, wanted: str, start: int, stop: int) -> None:
    async with offering(lambda: Result.file_path(file)) as client:
        answer = await client.get("/api/F/get", headers={"range": f"bytes={wanted}"})
    assert (answer.status, answer.body) == (206, CONTENT[start:stop])
    assert answer.headers.content_range == f"bytes {start}-{stop - 1}/1024"


async def test_several_parts_are_sent_together(file: Path) -> None:
    async with offering(lambda: Result.file_path(file, content_type="a/b")) as client:
        answer = await client.get("/api/F/get", headers={"range": "bytes=0-1, 100-101"})
    assert answer.status == 206
    kind, _, boundary = (answer.headers.content_type or "").partition("; boundary=")
    assert kind == "multipart/byteranges"

    def head(content_range: str) -> bytes:
        lines = f"--{boundary}\r\ncontent-type: a/b\r\ncontent-range: bytes {content_range}"
        return f"\r\n{lines}\r\n\r\n".encode()

    assert answer.body == b"".join(
        [
            head("0-1/1024"),
            CONTENT[0:2],
            head("100-101/1024"),
            CONTENT[100:102],
            f"\r\n--{boundary}--\r\n".encode(),
        ]
    )


async def test_a_part_that_does_not_exist_is_416_with_the_size(file: Path) -> None:
    async with offering(lambda: Result.file_path(file)) as client:
        answer = await client.get("/api/F/get", headers={"range": "bytes=2000-"})
    assert (answer.status, answer.headers.content_range) == (416, "bytes */1024")
    assert answer.result().is_error()


async def test_a_client_that_has_it_already_is_told_so(file: Path) -> None:
    async with offering(lambda: Result.file_path(file)) as client:
        etag = (await client.get("/api/F/get")).headers.etag or ""
        answer = await client.get("/api/F/get", headers={"if-none-match": etag})
        assert (answer.status, answer.body, answer.headers.etag) == (304, b"", etag)
        answer = await client.get("/api/F/get", headers={"if-match": '"other"'})
        assert (answer.status, answer.result().is_error()) == (412, True)
        stale = {"range": "bytes=0-1", "if-range": '"other"'}
        assert (await client.get("/api/F/get", headers=stale)).status == 200
        fresh = {"range": "bytes=0-1", "if-range": etag}
        assert (await client.get("/api/F/get", headers=fresh)).status == 206


async def test_conditions_are_for_reading_only(file: Path) -> None:
    async with offering(lambda: Result.file_path(file)) as client:
        headers = {"if-none-match": "*", "range": "bytes=0-1"}
        assert (await client.post("/api/F/get", headers=headers)).status == 200


async def test_a_changed_file_has_another_tag(file: Path) -> None:
    async with offering(lambda: Result.file_path(file)) as client:
        before = (await client.get("/api/F/get")).headers.etag
        replacement = file.with_suffix(".new")
        replacement.write_bytes(CONTENT)
        os.utime(replacement, (1_700_000_000, 1_700_000_000))
        replacement.replace(file)
        assert (await client.get("/api/F/get")).headers.etag != before


async def test_a_file_that_is_not_there_is_404_without_its_path(tmp_path: Path) -> None:
    path = tmp_path / "gone.bin"
    async with offering(lambda: Result.file_path(path)) as client:
        assert (await client.get("/api/F/get")).status == 404
    path.write_bytes(b"x")
    result = Result.file_path(path)
    path.unlink()
    async with offering(lambda: Result.file_path(path) if path.exists() else result) as client:
        answer = await client.get("/api/F/get")
    assert answer.status == 404
    assert str(tmp_path) not in answer.text


async def test_what_is_no_file_is_404(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    fifo.write_bytes(b"")
    result = Result.file_path(fifo)
    fifo.unlink()
    os.mkfifo(fifo)
    async with offering(lambda: result) as client:
        assert (await client.get("/api/F/get")).status == 404


async def test_a_large_file_is_sent_in_chunks(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * (2 * CHUNK + 1))
    async with (
        offering(lambda: Result.file_path(path)) as client,
        client.stream("GET", "/api/F/get") as answer,
    ):
        sizes = [len(part) async for part in answer]
    assert sizes == [CHUNK, CHUNK, 1]


async def test_a_file_that_is_truncated_meanwhile_breaks_the_response_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "shrinking"
    path.write_bytes(b"x" * (3 * CHUNK))
    async with offering(lambda: Result.file_path(path)) as client:
        with pytest.raises(AssertionError, match="without a whole answer"):  # noqa: PT012
            async with client.stream("GET", "/api/F/get") as answer:
                assert len(await anext(answer)) == CHUNK
                os.truncate(path, CHUNK)
                await answer.read()
    assert "truncated" in caplog.text


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * (50 * CHUNK))
    async with offering(lambda: Result.file_path(path)) as client:
        await _leave_in_the_middle(client)


async def test_an_empty_file_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.write_bytes(b"")
    async with offering(lambda: Result.file_path(path)) as client:
        answer = await client.get("/api/F/get")
    assert (answer.status, answer.body, answer.headers.content_length) == (200, b"", "0")


async def _leave_in_the_middle(client: HttpClient) -> None:
    async with client.stream("GET", "/api/F/get") as answer:
        await anext(answer)
