"""Forms with files: what comes in, what is refused, and what is left behind (nothing)."""

import os
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from pegboard import App, Result
from pegboard.testing import ClientGone, HttpClient
from pegboard_transport_http import UploadedFile
from tests.descriptors import descriptors

pytestmark = pytest.mark.anyio

FORM = {"content-type": "multipart/form-data; boundary=B"}


def part(disposition: str, content: bytes = b"", *, more: str = "") -> bytes:
    head = f"--B\r\ncontent-disposition: {disposition}\r\n{more}\r\n".encode()
    return head + content + b"\r\n"


END = b"--B--\r\n"


def new_app(folder: Path, **settings: Any) -> App:
    settings = {"upload_folder": str(folder), **settings}
    config = {"plugins": {"transport_http": settings}}
    app = App("uploads", plugins=["transport_http"], mods=[], config=config)

    @app.export(mod_name="U", api=True)
    async def take(form_data: dict[str, Any]) -> Result[Any]:
        return Result.ok(form_data)

    @app.export(mod_name="U", api=True)
    async def take_one(file: Any, note: str = "") -> list[Any]:
        assert isinstance(file, UploadedFile)
        return [file.filename, file.content_type, file.size, len(file.file.read()), note]

    @app.export(mod_name="U", api=True)
    async def save(file: Any) -> str:
        saved = await file.save(folder / "saved.bin")
        return str(saved.name)

    return app


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def test_a_file_comes_in_as_the_documented_mapping(tmp_path: Path) -> None:
    async with new_app(tmp_path) as app:
        files = {"file": ("a.txt", b"hello", "text/plain")}
        answer = await HttpClient(app).post("/api/U/take", form={"name": "Ada"}, files=files)
    assert answer.result().get() == {
        "name": "Ada",
        "file": {
            "filename": "a.txt",
            "content_type": "text/plain",
            "content_base64": b64encode(b"hello").decode(),
        },
    }


async def test_a_file_binds_by_name_and_can_be_read_in_parts(tmp_path: Path) -> None:
    async with new_app(tmp_path, spool=1000) as app:
        for size in (0, 10, 100_000):
            files = {"file": ("ä.bin", b"x" * size)}
            answer = await HttpClient(app).post("/api/U/take_one", form={"note": "n"}, files=files)
            kind = "application/octet-stream"
            assert answer.result().get() == ["ä.bin", kind, size, size, "n"]


async def test_several_files_of_one_name_are_a_list(tmp_path: Path) -> None:
    async with new_app(tmp_path) as app:
        files: Any = {"file": [("a", b"1"), ("b", b"2")]}
        answer = await HttpClient(app).post("/api/U/take", form={"x": ["1", "2"]}, files=files)
        got = answer.result().get()
    assert [each["filename"] for each in got["file"]] == ["a", "b"]
    assert got["x"] == ["1", "2"]


async def test_a_file_is_kept_where_its_call_saves_it_and_nothing_else_is(tmp_path: Path) -> None:
    content = os.urandom(300_000)
    async with new_app(tmp_path, spool=1000) as app:
        before = descriptors()
        answer = await HttpClient(app).post("/api/U/save", files={"file": ("x", content)})
        assert answer.result().get() == "saved.bin"
        assert (tmp_path / "saved.bin").read_bytes() == content
        assert names(tmp_path) == ["saved.bin"]
        assert not descriptors() - before


async def test_headers_of_parts_are_short(tmp_path: Path) -> None:
    async with new_app(tmp_path) as app:
        body = part(f'form-data; name="a"{";x" * 2000}') + END
        answer = await HttpClient(app).post("/api/U/take", content=body, headers=FORM)
    assert answer.status == 400


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "C:/x", "a\\..\\b", "nul\tname", "", ".", "ü€🙂"]
)
async def test_a_hostile_name_is_data(tmp_path: Path, name: str) -> None:
    async with new_app(tmp_path) as app:
        body = part(f'form-data; name="file"; filename="{name}"', b"x") + END
        answer = await HttpClient(app).post("/api/U/take_one", content=body, headers=FORM)
    assert answer.result().get()[0] == name.replace("\\\\", "\\")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", END),
        ("multipart/form-data; boundary=", END),
        ("multipart/form-data; boundary=" + "x" * 300, END),
        (FORM["content-type"], b""),
        (FORM["content-type"], b"nonsense"),
        (FORM["content-type"], part('form-data; name="a"', b"x")),
        (FORM["content-type"], part('form-data; name="a"; filename="f"', b"x" * 400_000)),
        (FORM["content-type"], part("form-data", b"x") + END),
        (FORM["content-type"], part('attachment; name="a"', b"x") + END),
        (FORM["content-type"], part('form-data; name="a"', b"\xff") + END),
        (FORM["content-type"], b"--B\r\nbroken header\r\n\r\nx\r\n" + END),
        (FORM["content-type"], b"--B\r\n\r\nx\r\n" + END),
        (
            FORM["content-type"],
            b'--B\r\ncontent-disposition: form-data; name="\xff"\r\n\r\nx\r\n' + END,
        ),
        (
            FORM["content-type"],
            b'--B\r\ncontent-disposition: form-data; name="f"; filename="\xff"\r\n\r\nx\r\n' + END,
        ),
    ],
)
async def test_a_malformed_form_is_refused_and_leaves_nothing(
    tmp_path: Path, content_type: str, body: bytes
) -> None:
    async with new_app(tmp_path, spool=1000) as app:
        before = descriptors()
        headers = {"content-type": content_type}
        answer = await HttpClient(app).post("/api/U/take", content=body, headers=headers)
        assert answer.status == 400
        assert answer.result().error == "InputError"
        assert not descriptors() - before
    assert names(tmp_path) == []


def many(count: int, more: str = "") -> bytes:
    return b"".join(part(f'form-data; name="f{n}"{more}', b"x") for n in range(count)) + END


@pytest.mark.parametrize(
    ("settings", "body"),
    [
        ({"max_parts": 5}, many(6)),
        ({"max_files": 5}, many(6, '; filename="f"')),
        ({"max_field": 10}, part('form-data; name="a"', b"x" * 11) + END),
        ({"max_memory_body": 30}, b"".join([part('form-data; name="a"', b"x" * 20)] * 2) + END),
        ({"max_filename": 10}, part(f'form-data; name="a"; filename="{"x" * 11}"', b"x") + END),
        ({"max_body": 100}, part('form-data; name="a"; filename="f"', b"x" * 100) + END),
    ],
)
async def test_every_limit_is_enforced(
    tmp_path: Path, settings: dict[str, int], body: bytes
) -> None:
    async with new_app(tmp_path, **settings) as app:
        before = descriptors()
        client = HttpClient(app)
        for content in (body, [body[n : n + 7] for n in range(0, len(body), 7)]):
            answer = await client.post("/api/U/take", content=content, headers=FORM)
            assert (answer.status, answer.headers.connection) == (413, "close")
            assert answer.result().error == "InputError"
        assert not descriptors() - before


@pytest.mark.parametrize(
    "more", ["".join(f"x-{n}: y\r\n" for n in range(30)), "x-long: " + "y" * 10_000 + "\r\n"]
)
async def test_headers_of_parts_are_bounded(tmp_path: Path, more: str) -> None:
    async with new_app(tmp_path) as app:
        body = part('form-data; name="a"', b"x", more=more) + END
        answer = await HttpClient(app).post("/api/U/take", content=body, headers=FORM)
    assert answer.status == 400


async def test_a_form_may_come_in_byte_by_byte(tmp_path: Path) -> None:
    body = part('form-data; name="a"', b"x\r\n--") + part(
        'form-data; name="f"; filename="f"', b"\r\n--B\r"
    )
    async with new_app(tmp_path) as app:
        content = [bytes([each]) for each in body + END + b"epilogue"]
        answer = await HttpClient(app).post("/api/U/take", content=content, headers=FORM)
    got = answer.result().get()
    assert got["a"] == "x\r\n--"
    assert got["f"]["content_base64"] == b64encode(b"\r\n--B\r").decode()


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield part('form-data; name="f"; filename="f"', b"x" * 500_000)[:-2]
        raise ClientGone

    async with new_app(tmp_path, spool=1000) as app:
        before = descriptors()
        with pytest.raises(ClientGone):
            await HttpClient(app).post("/api/U/take", content=half(), headers=FORM)
        assert not descriptors() - before
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=B", "application/json"])
async def test_a_body_that_comes_in_too_slowly_is_refused_with_408(
    tmp_path: Path, kind: str
) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"-"
        await anyio.sleep_forever()

    async with new_app(tmp_path, body_timeout=0.02) as app:
        with anyio.fail_after(10):
            answer = await HttpClient(app).post(
                "/api/U/take", content=slow(), headers={"content-type": kind}
            )
    assert (answer.status, answer.headers.connection) == (408, "close")


async def test_a_body_that_drips_is_refused_with_408(tmp_path: Path) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await anyio.sleep(0.005)

    async with new_app(tmp_path, body_timeout=0.05) as app:
        with anyio.fail_after(10):
            headers = {"content-type": "application/json"}
            answer = await HttpClient(app).post("/api/U/take", content=dripping(), headers=headers)
    assert answer.status == 408


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
async def test_a_body_in_memory_is_bounded(tmp_path: Path, kind: str) -> None:
    async with new_app(tmp_path, max_memory_body=100) as app:
        client = HttpClient(app)
        for content in (b"x" * 101, [b"x" * 50] * 3):
            headers = {"content-type": kind}
            answer = await client.post("/api/U/take", content=content, headers=headers)
            assert (answer.status, answer.headers.connection) == (413, "close")


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "text/plain"])
async def test_a_body_is_not_waited_for_if_its_head_is_refused(tmp_path: Path, kind: str) -> None:
    async def never() -> AsyncIterator[bytes]:
        await anyio.sleep_forever()
        yield b""

    async with new_app(tmp_path, max_body=10, max_memory_body=10) as app:
        headers = {"content-type": kind, "content-length": "11"}
        with anyio.fail_after(10):
            client = HttpClient(app)
            answer = await client.post("/api/U/take", content=never(), headers=headers)
    assert answer.status in {400, 413}


async def test_a_save_that_fails_leaves_nothing(tmp_path: Path) -> None:
    upload = UploadedFile("x", "a/b", spool=10)
    upload.file.write(b"y" * 100)
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(OSError, match="folder"):
        await upload.save(target)
    upload.close()
    assert names(tmp_path) == ["folder"]


def test_an_upload_is_a_mapping() -> None:
    upload = UploadedFile("x", "a/b", spool=10)
    assert dict(upload) == {"filename": "x", "content_type": "a/b", "content_base64": ""}
    assert len(upload) == 3
    with pytest.raises(KeyError):
        upload["path"]
    upload.close()
