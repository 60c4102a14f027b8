"""The clock: no second is told twice, none is left out, whoever comes back."""

import time
from datetime import UTC, datetime
from types import ModuleType

import anyio
import pytest

from pegboard import RequestData
from pegboard.testing import AppFactory, EventStreamClient, HttpClient
from pegboard_mods import clock

pytestmark = pytest.mark.anyio
MODS: list[ModuleType] = [clock]


@pytest.mark.parametrize(
    ("last", "seconds"),
    [
        (None, [100]),
        (99, [100]),
        (97, [98, 99, 100]),
        (100, []),  # woken a little early
        (101, [100]),  # the clock was set back
        (10**12, [100]),  # made up
    ],
)
async def test_what_is_due_follows_what_was_seen(last: int | None, seconds: list[int]) -> None:
    assert list(clock.due(last, 100)) == seconds


async def test_one_who_was_away_for_long_is_told_the_last_minute() -> None:
    assert list(clock.due(1000, 9000)) == list(range(9000 - clock.REPLAY + 1, 9001))


async def test_ticks_stream_one_second_after_the_other(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=["transport_http"], mods=MODS) as app:
        with anyio.fail_after(10):
            async with EventStreamClient(app).connect("/sse/clock/ticks") as stream:
                ticks = [each async for each in first(stream, "tick", 2)]
    assert int(ticks[1].id) == int(ticks[0].id) + 1
    for tick in ticks:
        assert tick.json() == {"time": datetime.fromtimestamp(int(tick.id), UTC).isoformat()}


@pytest.mark.parametrize("how", ["header", "query"])
async def test_a_stream_resumes_where_it_broke(pegboard_app: AppFactory, how: str) -> None:
    seen = int(time.time()) - 5
    parts = {"last_event_id": str(seen)} if how == "header" else {"query": {"after": str(seen)}}
    async with pegboard_app(plugins=["transport_http"], mods=MODS) as app:
        with anyio.fail_after(10):
            async with EventStreamClient(app).connect("/sse/clock/ticks", **parts) as stream:
                ticks = [each async for each in first(stream, "tick", 7)]
    assert [int(each.id) for each in ticks] == list(range(seen + 1, seen + 8))


@pytest.mark.parametrize("seen", ["", "x", "-5", "1e3", "9" * 400, "٣"])
async def test_a_nonsensical_last_event_id_begins_now(pegboard_app: AppFactory, seen: str) -> None:
    request = RequestData.from_dict({"request": {"headers": {"Last-Event-ID": seen}}})
    result = await clock.ticks(request=request)
    stream = result.get("generator")
    before = int(time.time())
    tick = await anext(stream)
    await stream.aclose()
    assert before <= tick["id"] <= int(time.time())


async def test_the_time_in_a_zone_is_told(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=["transport_http"], mods=MODS) as app:
        answer = await app.call("clock.now", zone="Asia/Tokyo")
    assert answer.get("time").endswith("+09:00")


@pytest.mark.parametrize(
    "zone", ["Nowhere", "../../etc/passwd", "/etc/passwd", "Europe", "", "a\0"]
)
async def test_an_unknown_zone_is_the_callers_mistake(pegboard_app: AppFactory, zone: str) -> None:
    async with pegboard_app(plugins=["transport_http"], mods=MODS) as app:
        response = await HttpClient(app).get("/api/clock/now", query={"zone": zone})
    assert response.status == 400
    assert "there is no time zone" in response.result().info.help_text


async def first(stream, event: str, count: int):
    async for each in stream:
        if each.event == event:
            yield each
            count -= 1
        if not count:
            return
