"""The repository: who may do what, over HTTP; what everyone sees at once, over a WebSocket."""

from types import ModuleType
from typing import Any

import anyio
import pytest
from anyio import to_thread

from pegboard import App, Session, hookimpl
from pegboard.testing import AppFactory, HttpClient, WebSocketClient
from pegboard_locking import FileService
from pegboard_mods import repository

pytestmark = pytest.mark.anyio
MODS: list[ModuleType] = [repository]
LEVELS = {"ada": 1, "ben": 1, "mod": 5}


class Accounts:
    """Whoever says who they are is believed."""

    @hookimpl
    def load_session(self, app: App, connection: Any):
        async def load() -> Session | None:
            name = connection.headers.get("x-user")
            if name is None:
                return None
            return Session(
                user_name=name, user_id=name, level=LEVELS[name], validated=True, anonymous=False
            )

        return load()


PLUGINS = ["transport_http", "transport_ws", "locking", Accounts()]


class Visitor:
    """Somebody with a browser."""

    def __init__(self, app: App, name: str | None = None) -> None:
        self.client = HttpClient(app)
        self.headers = {} if name is None else {"x-user": name}

    async def get(self, path: str, /, **query: str) -> Any:
        response = await self.client.get(
            f"/api/repository/{path}", query=query, headers=self.headers
        )
        return _answer(response)

    async def post(self, path: str, /, **body: Any) -> Any:
        response = await self.client.post(
            f"/api/repository/{path}", json=body, headers=self.headers
        )
        return _answer(response)

    async def send(self, path: str, filename: str, content: bytes, /, **form: str) -> Any:
        response = await self.client.post(
            f"/api/repository/{path}",
            files={"file": (filename, content)},
            form=form,
            headers=self.headers,
        )
        return _answer(response)

    async def read(self, name: str, /, **query: str) -> bytes:
        response = await self.client.get(
            "/api/repository/download", query={"name": name, **query}, headers=self.headers
        )
        assert response.status == 200
        assert "attachment" in (response.headers.content_disposition or "")
        return response.body


def _answer(response: Any) -> Any:
    """Return the data, or the status of a refusal."""
    return response.json()["result"]["data"] if response.status == 200 else response.status


async def test_a_file_is_added_checked_out_and_checked_in(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        ada, guest = Visitor(app, "ada"), Visitor(app)
        added = await ada.send("add", "../Übung.txt", b"one")
        assert (added["path"], added["number"]) == ("Übung.txt", 1)
        held = await ada.post("checkout", name="Übung.txt", message="mend it")
        (listed,) = (await guest.get("list"))["files"]
        assert (listed["checkout"]["owner"], listed["checkout"]["token"]) == ("ada", "")
        version = await ada.send(
            "checkin",
            "whatever.txt",
            b"two",
            name="Übung.txt",
            fence=str(held["fence"]),
            token=held["token"],
            comment="mended",
        )
        assert (version["number"], version["author"], version["comment"]) == (2, "ada", "mended")
        assert [each["number"] for each in await guest.get("history", name="Übung.txt")] == [2, 1]
        assert await guest.read("Übung.txt") == b"two"
        assert await guest.read("Übung.txt", version="1") == b"one"
        assert [each["action"] for each in await guest.get("audit")] == ["checkin", "take", "add"]


async def test_levels_are_enforced(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        ada, ben, mod, guest = (Visitor(app, name) for name in ("ada", "ben", "mod", None))
        await ada.send("add", "a.txt", b"one")
        assert await guest.post("checkout", name="a.txt") == 401
        assert await guest.send("add", "b.txt", b"one") == 401
        held = await ada.post("checkout", name="a.txt")
        assert await ben.post("checkout", name="a.txt") == 409
        assert await ben.post("release", name="a.txt") == 403
        assert await ben.post("renew", name="a.txt", fence=held["fence"]) == 403
        assert await ben.post("steal", name="a.txt", reason="mine") == 403
        assert await ben.post("break_lock", name="a.txt", reason="mine") == 403
        assert await mod.post("steal", name="a.txt", reason="") == 400
        stolen = await mod.post("steal", name="a.txt", reason="ada is away")
        assert stolen["owner"] == "mod"
        late = await ada.send("checkin", "a.txt", b"late", name="a.txt", fence=str(held["fence"]))
        assert late == 409
        assert (await mod.post("break_lock", name="a.txt", reason="done"))["token"] == ""
        actions = [(each["action"], each["who"]) for each in await guest.get("audit")]
        assert actions == [
            ("break", "mod"),
            ("take", "mod"),
            ("steal", "mod"),
            ("take", "ada"),
            ("add", "ada"),
        ]


async def test_a_check_out_is_renewed_and_given_back(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        ada = Visitor(app, "ada")
        await ada.send("add", "a.txt", b"one")
        held = await ada.post("checkout", name="a.txt")
        renewed = await ada.post("renew", name="a.txt", fence=held["fence"])
        assert renewed["expires_at"] > held["expires_at"]
        assert await ada.post("release", name="a.txt") is None
        assert (await ada.get("list"))["files"][0]["checkout"] is None
        assert await ada.post("release", name="a.txt") == 409


async def test_everyone_sees_at_once_who_has_what(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        ada = Visitor(app, "ada")
        await ada.send("add", "a.txt", b"one")
        async with WebSocketClient(app).connect("/ws/repository/live") as socket:
            with anyio.fail_after(10):
                assert (await socket.receive_json())["data"]["checkouts"] == []
                await _told(app)
                await ada.post("checkout", name="a.txt", message="m")
                event = await socket.receive_json()
                assert [each["owner"] for each in event["data"]["checkouts"]] == ["ada"]
                assert [each["action"] for each in event["done"]] == ["take"]
                assert "token" not in event["data"]["checkouts"][0] or (
                    event["data"]["checkouts"][0]["token"] == ""
                )


async def test_what_another_process_does_is_seen_too(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        await Visitor(app, "ada").send("add", "a.txt", b"one")
        folder = app.data / "repository"
        async with WebSocketClient(app).connect("/ws/repository/live") as socket:
            with anyio.fail_after(10):
                await socket.receive_json()
                await _told(app)
                other = FileService(folder / "files", folder / "locks.db")
                await to_thread.run_sync(other.checkout_file, "a.txt", "elsewhere")
                event = await socket.receive_json()
                assert [each["who"] for each in event["done"]] == ["elsewhere"]
                other.close()


async def _told(app: App) -> None:
    """Wait until the watch has looked once since somebody came."""
    desk = repository._desks[app]
    before = desk._bell
    while desk._bell is before:
        desk._bell.set()
        await anyio.lowlevel.checkpoint()


async def test_names_that_lead_out_are_refused(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        ada = Visitor(app, "ada")
        for name in ("../locks.db", "/etc/passwd", ""):
            assert await ada.get("download", name=name) == 400
            assert await ada.post("checkout", name=name) == 400
        assert await ada.get("download", name="nothing") == 404


async def test_a_form_of_another_site_changes_nothing(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        ada = Visitor(app, "ada")
        ada.headers["sec-fetch-site"] = "cross-site"
        assert await ada.send("add", "a.txt", b"one") == 403
        assert (await ada.get("list"))["files"] == []


async def test_a_file_that_is_too_large_is_refused(
    pegboard_app: AppFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "MAX_FILE", 10)
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        assert await Visitor(app, "ada").send("add", "a.txt", b"x" * 11) == 413


async def test_the_page_loads_nothing_from_elsewhere(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        client = HttpClient(app)
        for path, kind in (
            ("page", "text/html"),
            ("script", "text/javascript"),
            ("style", "text/css"),
        ):
            response = await client.get(f"/api/repository/{path}")
            assert response.status == 200
            assert (response.headers.content_type or "").startswith(kind)
            assert b"http://" not in response.body
            assert b"https://" not in response.body
