"""Shared files: what goes in comes out, whatever it is called, and for nobody to run."""

from base64 import b64encode
from types import ModuleType

import pytest

from pegboard import App
from pegboard.testing import AppFactory, HttpClient
from pegboard_mods import files
from pegboard_mods._shelf import Limits

pytestmark = pytest.mark.anyio
MODS: list[ModuleType] = [files]
PLUGINS = ["transport_http"]


async def stored(app: App, name: str, content: bytes = b"content") -> str:
    """Upload a file and return the name that it got."""
    response = await HttpClient(app).post("/api/files/upload", files={"file": (name, content)})
    assert response.status == 200, response
    return response.json()["result"]["data"]["name"]


async def listed(app: App) -> list[str]:
    response = await HttpClient(app).get("/api/files/list")
    return [each["name"] for each in response.json()["result"]["data"]["files"]]


async def test_an_uploaded_file_is_listed_downloaded_and_deleted(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        client = HttpClient(app)
        assert await stored(app, "Übung.txt", b"hello") == "Übung.txt"
        assert await listed(app) == ["Übung.txt"]
        assert (app.data / "files" / "Übung.txt").read_bytes() == b"hello"
        response = await client.get("/api/files/download", query={"name": "Übung.txt"})
        assert (response.status, response.body) == (200, b"hello")
        response = await client.delete("/api/files/delete", query={"name": "Übung.txt"})
        assert response.status == 200
        assert await listed(app) == []


async def test_a_part_of_a_file_can_be_asked_for(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        await stored(app, "a.bin", bytes(range(100)))
        response = await HttpClient(app).get(
            "/api/files/download", query={"name": "a.bin"}, headers={"range": "bytes=10-19"}
        )
    assert response.status == 206
    assert response.body == bytes(range(10, 20))


async def test_a_page_of_a_stranger_is_saved_and_never_shown(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        await stored(app, "evil.html", b"<script>alert(1)</script>")
        response = await HttpClient(app).get("/api/files/download", query={"name": "evil.html"})
    assert response.headers.content_disposition is not None
    assert response.headers.content_disposition.startswith("attachment")
    assert response.headers.content_type == "application/octet-stream"


@pytest.mark.parametrize("name", ["../../evil", "..\\evil", "/evil", ".evil", "evil\0"])
async def test_no_name_leads_out_of_the_folder(pegboard_app: AppFactory, name: str) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        upload = {"filename": name, "content_base64": ""}
        await app.call("files.upload", form_data={"file": upload})
        assert [each.name for each in app.data.rglob("*") if each.is_file()] == ["evil"]
        assert (app.data / "files" / "evil").is_file()


@pytest.mark.parametrize("name", ["../app.db", "../../pegboard.toml", "/etc/passwd", "missing", ""])
@pytest.mark.parametrize(("method", "function"), [("GET", "download"), ("DELETE", "delete")])
async def test_what_is_not_there_is_not_found(
    pegboard_app: AppFactory, name: str, method: str, function: str
) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        app.data.mkdir()
        (app.data / "app.db").write_text("secret")
        client = HttpClient(app)
        response = await client.request(method, f"/api/files/{function}", query={"name": name})
        assert response.status == 404
        assert b"secret" not in response.body
        assert (app.data / "app.db").exists()


async def test_a_call_in_process_brings_the_documented_mapping(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        file = {"filename": "a.txt", "content_base64": b64encode(b"hello").decode()}
        result = await app.call("files.upload", form_data={"file": file})
        assert result.get().name == "a.txt"
        assert (app.data / "files" / "a.txt").read_bytes() == b"hello"


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"file": "text"},
        {"file": {"filename": "a"}},
        {"file": {"filename": "a", "content_base64": "*"}},
        {"file": {"filename": "a", "content_base64": 7}},
        {"other": {"filename": "a", "content_base64": ""}},
        {"file": [{"filename": "a", "content_base64": ""}]},
    ],
)
async def test_a_form_without_a_file_is_the_callers_mistake(
    pegboard_app: AppFactory, form: dict[str, object]
) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        result = await app.call("files.upload", form_data=form)
    assert result.info.exec_code == 400
    assert "in the field `file`" in result.info.help_text


async def test_a_file_above_the_limit_is_refused(
    pegboard_app: AppFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LIMITS", Limits(file_bytes=10, files=1, total_bytes=10))
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        form = {"file": ("a", bytes(11))}
        response = await HttpClient(app).post("/api/files/upload", files=form)
        assert response.status == 413
        assert await listed(app) == []


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200)]
)
async def test_a_page_of_another_site_cannot_upload(
    pegboard_app: AppFactory, site: str, status: int
) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        client = HttpClient(app, headers={"sec-fetch-site": site})
        response = await client.post("/api/files/upload", files={"file": ("a", b"")})
        assert response.status == status
        assert await listed(app) == (["a"] if status == 200 else [])


async def test_a_link_cannot_delete(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        await stored(app, "a")
        response = await HttpClient(app).get("/api/files/delete", query={"name": "a"})
        assert response.status == 405
        assert await listed(app) == ["a"]
