"""`@export(rate_limit=...)`."""

import pytest

from pegboard import App
from pegboard.errors import PegboardError
from pegboard.testing import HttpClient
from tests.plugins.auth.conftest import HOST, RunApp, anybody, make, signed_in

pytestmark = pytest.mark.anyio


def add_exports(app: App) -> None:
    @app.export(mod_name="Slow", api=True, level=0, rate_limit="2/h")
    def down() -> str:
        return "down"

    @app.export(mod_name="Slow", api=True, level=0)
    async def around(app: App) -> int:
        return (await app.call("Slow.down")).info.exec_code


async def test_a_caller_that_asks_too_often_is_told_when_to_come_back(run_app: RunApp):
    async with run_app() as app:
        add_exports(app)
        await make(app, "ada")
        client = anybody(app)
        answers = [await client.get("/api/Slow/down") for _ in range(3)]
        assert [each.status for each in answers] == [200, 200, 429]
        assert 0 < int(answers[2].headers.retry_after or 0) <= 1800
        assert answers[2].json()["result"]["data_info"] == "too_many_requests"
        other = HttpClient(app, headers=HOST, address=("198.51.100.7", 1))
        assert (await other.get("/api/Slow/down")).status == 200
        assert (await client.get("/api/Slow/around")).json()["result"]["data"] == 429
        user = await signed_in(app, "ada")
        assert [(await user.get("/api/Slow/down")).status for _ in range(3)] == [200, 200, 429]
        elsewhere = HttpClient(app, headers=user._headers, address=("198.51.100.8", 1))
        assert (await elsewhere.get("/api/Slow/down")).status == 429


async def test_calls_in_process_are_not_counted(run_app: RunApp):
    async with run_app() as app:
        add_exports(app)
        assert [(await app.call("Slow.down")).get() for _ in range(5)] == ["down"] * 5


async def test_a_rate_that_is_none_is_refused_with_its_place(run_app: RunApp):
    async with run_app() as app:
        with pytest.raises(PegboardError, match=r"Slow\.wrong.*10/s"):

            @app.export(mod_name="Slow", rate_limit="often")
            def wrong() -> None: ...
