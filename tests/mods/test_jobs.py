"""The mod that shows jobs: who sees what, and a stream that goes on where it broke."""

from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from pegboard import App, Session, hookimpl
from pegboard.testing import AppFactory, EventStreamClient, HttpClient
from pegboard_mods import jobs

pytestmark = pytest.mark.anyio
MODS: list[ModuleType] = [jobs]
PLUGINS = ["transport_http", "jobs"]


async def finished(app: App) -> dict[str, Any]:
    """Start the demonstration and wait for its end."""
    started = (await app.call("jobs.start", pause=0.0)).get()
    with anyio.fail_after(20):
        while (told := (await app.call("jobs.show", job=started["uuid"])).get()) is not None:
            if told["jobs"][0]["status_name"] == "FINISHED":
                return told
            await app.jobs.ledger.store.watch.wait(told["last"], timeout=0.5)
    return {}


async def test_a_demonstration_shows_all_there_is(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        told = await finished(app)
        assert [job["number"] for job in told["jobs"]] == ["1", "1.1", "1.2", "1.3"]
        assert [each["data"]["line"] for each in told["log"]] == [
            f"step {number} is done" for number in (1, 2, 3)
        ]
        uuid = told["jobs"][2]["uuid"]
        graph = (await app.call("jobs.provenance", job=uuid)).get()
        assert len(graph.nodes) == 6
        answer = (await app.call("jobs.list_jobs")).get()
        assert answer["counts"] == {"FINISHED": 4}
        assert "order" not in answer["jobs"][0]


async def test_who_is_not_signed_in_sees_no_job_of_others(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        told = await finished(app)
        client, uuid = HttpClient(app), told["jobs"][0]["uuid"]
        assert (await client.get("/api/jobs/list_jobs")).json()["result"]["data"]["jobs"] == []
        for path in ("show", "provenance", "dot"):
            assert (await client.get(f"/api/jobs/{path}", query={"job": uuid})).status == 403
        for path in ("cancel", "retry"):
            assert (await client.post(f"/api/jobs/{path}", json={"job": uuid})).status == 403
        assert (await client.post("/api/jobs/start", json={})).status == 403


async def test_a_stream_goes_on_after_the_last_event_that_was_seen(
    pegboard_app: AppFactory,
) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS, dev=True) as app:
        told = await finished(app)
        path = f"/sse/jobs/follow?job={told['jobs'][0]['uuid']}"
        everything = await app.jobs.events(job=told["jobs"][0]["uuid"], limit=1000)
        middle = everything[10].seq
        seen: list[int] = []
        with anyio.fail_after(10):
            async with EventStreamClient(app).connect(path, last_event_id=str(middle)) as stream:
                async for event in stream:
                    if event.id and event.event == "job":
                        seen.append(int(event.id))
                    if seen and seen[-1] == everything[-1].seq:
                        break
        assert seen == [event.seq for event in everything if event.seq > middle]


class Doors:
    """Says who asks by a header, as a plugin for accounts would."""

    @hookimpl
    def load_session(self, app: App, connection: Any) -> Any:
        async def load() -> Session:
            name = connection.headers.get("x-user") or ""
            return Session(user_id=name, user_name=name, level=1, validated=True, anonymous=False)

        return load()


LAB = """
from uuid import UUID

from pegboard import App, get_app

export = get_app("lab").tb


@export(api=True, job=True)
async def fail() -> None:
    raise ValueError("password hunter2")


@export(api=True)
async def make(app: App, path: str, used: str = "") -> str:
    async with app.jobs.track("a title of " + path[-5:]) as job:
        if used:
            await job.input(UUID(used), "IN")
        return str((await job.output(path, "OUT")).uuid)
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    place = tmp_path / "lab.py"
    place.write_text(LAB)
    return place


async def test_owners_are_told_how_their_jobs_failed_but_not_what_the_code_said(
    pegboard_app: AppFactory, lab: Path
) -> None:
    async with pegboard_app(plugins=[*PLUGINS, Doors()], mods=[jobs, lab]) as app:
        client, headers = HttpClient(app), {"x-user": "ada"}
        assert (await client.get("/api/lab/fail", headers=headers)).status == 500
        (job,) = await app.jobs.list()
        assert job.failure.message == "password hunter2"
        path = f"/api/jobs/show?job={job.uuid}"
        shown = await client.get(path, headers=headers)
        assert shown.status == 200
        assert b"hunter2" not in shown.body
        assert shown.json()["result"]["data"]["jobs"][0]["failure"]["type"] == "ValueError"
        assert (await client.get(path, headers={"x-user": "bob"})).status == 403


async def test_a_graph_shows_nothing_of_the_jobs_of_others(
    pegboard_app: AppFactory, lab: Path, tmp_path: Path
) -> None:
    async with pegboard_app(plugins=[*PLUGINS, Doors()], mods=[jobs, lab]) as app:
        client, made = HttpClient(app), ""
        for user in ("bob", "ada"):
            path = tmp_path / f"x.{user}"
            path.write_text(f"of {user}")
            query = {"path": str(path), "used": made}
            answer = await client.get("/api/lab/make", query=query, headers={"x-user": user})
            made = answer.json()["result"]["data"]
        job = (await app.jobs.list(owner="ada"))[0]
        query = {"job": str(job.uuid)}
        graph = await client.get("/api/jobs/provenance", query=query, headers={"x-user": "ada"})
        labels = {each["label"] for each in graph.json()["result"]["data"]["nodes"]}
        assert labels == {f"{job.number} {job.title}", "x.ada", "x.bob"}
        assert len((await app.jobs.provenance(job=job.uuid)).nodes) == 4


async def test_numbers_that_no_database_holds_are_refused(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS, dev=True) as app:
        client = HttpClient(app)
        for query in ({"before": "9" * 19}, {"before": "-1"}, {"limit": "9" * 30}):
            assert (await client.get("/api/jobs/list_jobs", query=query)).status == 400


async def test_the_log_shows_its_last_lines_however_much_else_was_said(
    pegboard_app: AppFactory,
) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        async with app.jobs.track("talks") as job:
            for number in range(1005):
                await job.value("n", number)
            await job.log("the last line")
        told = (await app.call("jobs.show", job=job.uuid)).get()
        assert [each["data"]["line"] for each in told["log"]] == ["the last line"]
