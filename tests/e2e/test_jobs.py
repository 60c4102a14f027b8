"""The page of the jobs, in a real browser on a real server."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus
from anyio.from_thread import start_blocking_portal

from pegboard import App
from pegboard.contracts.server import ServeSettings
from pegboard_server_uvicorn import UvicornServer
from tests.e2e.browser import Browser

PLUGINS = ["transport_http", "jobs"]


@contextmanager
def served(project: Path) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, start_blocking_portal() as portal:
        running, stop = portal.start_task(_serve, project, listener.fileno())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        finally:
            portal.call(stop)
            running.result(20)


async def _serve(project: Path, descriptor: int, *, task_status: TaskStatus[Any]) -> None:
    end = anyio.Event()
    async with App("e2e", project=project, plugins=PLUGINS, mods=["jobs"], dev=True) as app:

        def stop() -> None:
            app.stopping.set()
            end.set()

        await UvicornServer().serve(
            app.asgi(),
            ServeSettings(shutdown_timeout=2),
            sockets=[descriptor],
            started=lambda: task_status.started(stop),
            stop=end,
        )


@pytest.fixture
def api(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path) as address:
        yield address


def test_jobs_are_watched_live_from_start_to_end(browser: Browser, api: str) -> None:
    with browser.page() as page:
        page.goto(f"{api}/jobs/page")
        page.wait_for("document.querySelector('#status').textContent === 'Live'")
        page.click("#start")
        page.wait_for("document.querySelectorAll('#tree progress').length > 0")
        page.wait_for("document.querySelector('#log').innerText.includes('step 3 is done')")
        page.wait_for("document.querySelectorAll('#tree .badge.good').length === 4")
        page.wait_for("document.querySelector('#jobs .badge.good') !== null")
        page.wait_for("document.querySelectorAll('#tree li').length === 4")
        page.wait_for("document.querySelector('#cancel').disabled")


def test_a_running_job_is_cancelled_and_tried_again(browser: Browser, api: str) -> None:
    with browser.page() as page:
        page.goto(f"{api}/jobs/page")
        page.wait_for("document.querySelector('#status').textContent === 'Live'")
        page.evaluate(
            "fetch('start', {method: 'POST', headers: {'Content-Type': 'application/json'},"
            " body: JSON.stringify({pause: 5})})"
        )
        page.wait_for("document.querySelector('#jobs button.link') !== null")
        page.click("#jobs button.link")
        page.wait_for("document.querySelectorAll('#tree progress').length > 0")
        page.click("#cancel")
        page.wait_for("document.querySelector('#tree .badge.bad') !== null")
        page.wait_for("!document.querySelector('#retry').disabled")
        page.click("#retry")
        page.wait_for("document.querySelector('#jobs').innerText.includes('Running')")
        page.click("#cancel")


def test_the_picture_shows_where_files_came_from(browser: Browser, api: str) -> None:
    with browser.page() as page:
        page.goto(f"{api}/jobs/page")
        page.wait_for("document.querySelector('#status').textContent === 'Live'")
        page.click("#start")
        page.wait_for("document.querySelectorAll('#tree .badge.good').length === 4")
        page.wait_for("document.querySelectorAll('#graph .node.job').length === 4")
        page.wait_for("document.querySelectorAll('#graph .node.file').length === 3")
        assert page.evaluate("document.querySelectorAll('#graph .edge').length") == 5
