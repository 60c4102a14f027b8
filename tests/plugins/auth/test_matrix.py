"""Who may call what: every cell of the matrix, over HTTP, event streams and sockets.

What is expected is said here once more, in other words than in the code.
"""

from collections.abc import AsyncIterator
from itertools import product
from typing import NamedTuple

import pytest

from pegboard import App
from pegboard.testing import HttpClient, WebSocketClient, WebSocketRefused
from tests.plugins.auth.conftest import (
    HOST,
    PASSWORD,
    RunApp,
    accounts_of,
    anybody,
    jar,
    make,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Nothing here depends on the loop, and there are thousands of cells."""
    return "asyncio"


PEOPLE = {"nobody": 0, "user": 1, "moderator": 5, "admin": 10}
SHOWN = ("cookie", "bearer", "key", "key as bearer")
LEVELS = (None, -1, 0, 1, 5, 10)
MODS = ("Plain", "Opened", "Guarded")
METHODS = {"GET": ("GET",), "WRITE": ("PUT", "POST"), "AUTO": ("AUTO",)}
ACCESS = {"default_level": 5, "open_modules": ["Opened"], "protected_modules": ["Guarded"]}


class Cell(NamedTuple):
    mod: str
    level: int | None
    api: bool
    kind: str

    @property
    def name(self) -> str:
        level = "none" if self.level is None else str(self.level).replace("-", "minus")
        return f"open_{level}_{'api' if self.api else 'inner'}_{self.kind.lower()}"


CELLS = [Cell(*each) for each in product(MODS, LEVELS, (True, False), METHODS)]


NOBODY_HAS = 11


def needed(mod: str, level: int | None) -> int:
    if level is None:
        return {"Opened": 0, "Plain": 5, "Guarded": 5}[mod]
    return NOBODY_HAS if level == -1 else level


@pytest.fixture
async def app(run_app: RunApp) -> AsyncIterator[App]:
    async with run_app("transport_ws", access=ACCESS) as app:
        for cell in CELLS:
            level = {} if cell.level is None else {"level": cell.level}
            app.export(
                cell.name, mod_name=cell.mod, api=cell.api, api_methods=METHODS[cell.kind], **level
            )(lambda: "reached")
        for mod, level in product(MODS, LEVELS):
            keywords = {} if level is None else {"level": level}

            def handlers() -> dict:
                return {"on_message": print}

            app.export(
                f"room_{level}", mod_name=mod, websocket_handler=f"room_{level}", **keywords
            )(handlers)
        yield app


async def clients(app: App) -> dict[tuple[str, str], dict[str, str]]:
    """Return the headers of everybody, by who they are and what they show."""
    found: dict[tuple[str, str], dict[str, str]] = {("nobody", "nothing"): {}}
    for name, level in list(PEOPLE.items())[1:]:
        account = await make(app, name, level)
        fields = {"name": name, "password": PASSWORD}
        cookie = jar(await anybody(app).post("/auth/sign-in", json=fields))
        tokens = await accounts_of(app).issue(account.uid)
        key = await accounts_of(app).add_key(account.uid, title="all")
        shown = (
            {"cookie": cookie},
            {"authorization": f"Bearer {tokens.access_token}"},
            {"x-api-key": key},
            {"authorization": f"Bearer {key}"},
        )
        found.update({(name, each): headers for each, headers in zip(SHOWN, shown, strict=True)})
    return found


def expected(cell: Cell, has: int, method: str) -> int:
    if not cell.api:
        return 404
    allowed = {"GET": {"GET"}, "WRITE": {"PUT", "POST"}, "AUTO": {"GET", "POST"}}[cell.kind]
    if method not in allowed:
        return 405
    if has >= needed(cell.mod, cell.level):
        return 200
    return 401 if has == 0 and cell.level != -1 else 403


async def test_every_cell_holds_over_http_and_event_streams(app):
    wrong = []
    for (who, shows), headers in (await clients(app)).items():
        client = HttpClient(app, headers={**HOST, **headers})
        for cell, method, door in product(CELLS, ("GET", "POST", "PUT"), ("api", "sse")):
            answer = await client.request(method, f"/{door}/{cell.mod}/{cell.name}")
            if answer.status != expected(cell, PEOPLE[who], method):
                wrong.append((who, shows, door, method, cell, answer.status))
            if answer.status != 200 and b"reached" in answer.body:
                wrong.append((who, shows, door, method, cell, answer.body))
    assert not wrong


async def test_every_cell_holds_for_sockets(app):
    wrong = []
    for (who, shows), headers in (await clients(app)).items():
        for mod, level in product(MODS, LEVELS):
            path = f"/ws/{mod}/room_{level}"
            try:
                async with WebSocketClient(app).connect(path, headers={**HOST, **headers}):
                    status = 101
            except WebSocketRefused as refused:
                status = refused.status
            may = PEOPLE[who] >= needed(mod, level)
            could = who == "nobody" and level != -1  # signing in would help
            if status != (101 if may else 401 if could else 403):
                wrong.append((who, shows, path, status))
    assert not wrong


async def test_what_is_open_to_everyone_is_listed(app):
    from pegboard._serving.banner import banner
    from pegboard._serving.style import Style

    text = banner(app, ["http://127.0.0.1:5000"], "test", style=Style(is_on=False))
    listed = text.partition("open to everyone")[2].partition("from level")[0]
    for cell in CELLS:
        is_open = cell.api and needed(cell.mod, cell.level) == 0
        assert (cell.name in listed) >= is_open
    assert "minus1_api" not in listed
    assert "Guarded.{open_0_api_auto" in " ".join(listed.split())
    assert "Plain.{open_0_api_auto" in " ".join(listed.split())
