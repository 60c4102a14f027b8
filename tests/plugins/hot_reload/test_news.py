"""What a page in development hears of changes."""

import json

import anyio
import pytest

from pegboard.testing import HttpClient

pytestmark = pytest.mark.anyio

ANSWER = "@export()\ndef f(): return {}"
HERE = {"host": "localhost:8000"}


async def test_a_page_hears_of_mistakes_and_of_their_end(project):
    path = project.write("a.py", ANSWER.format(1))
    async with project.app() as app:
        client = HttpClient(app, headers=HERE)
        async with client.stream("GET", "/reload/events") as stream:
            chunks = aiter(stream)
            assert await anext(chunks) == b": hello\n\n"
            path.write_text("def f(:")
            with anyio.fail_after(10):
                event = await anext(chunks)
                assert event.startswith(b"event: reloaded\ndata: ")
                told = json.loads(event.partition(b"data: ")[2])
                assert (told["name"], told["outcome"]) == ("a", "rejected")
                assert "a.py:1: SyntaxError" in told["reason"]
                async with client.stream("GET", "/reload/events") as later:
                    hello = await anext(aiter(later))
                    assert hello == b": hello\n\n" + event
                project.write("a.py", ANSWER.format(2))
                while json.loads(event.partition(b"data: ")[2])["outcome"] == "rejected":
                    event = await anext(chunks)


async def test_a_page_of_another_host_hears_nothing(project):
    async with project.app() as app:
        for host in ("evil.example:80", "evil.example", "localhost.evil.example"):
            for path in ("events", "client.js"):
                answer = await HttpClient(app, headers={"host": host}).get(f"/reload/{path}")
                assert answer.status == 403
        script = await HttpClient(app, headers=HERE).get("/reload/client.js")
        assert b"EventSource" in script.body
        assert (await HttpClient(app, headers=HERE).get("/reload/other")).status == 404


async def test_nothing_is_served_where_nothing_is_watched(project):
    async with project.app(watch=False) as app:
        assert app.plugins.active["hot_reload"].plugin.asgi_routes(app=app) == ()
