"""Drive a host that mounts an app, as a server does: lifespan with a state, and one request."""

import runpy
import sys
from typing import Any

import anyio

from pegboard.testing import HttpClient


async def main(host: Any) -> None:
    """Start the host, ask the app that it mounts, and stop it.

    Raises:
        AssertionError: If it does not start, answer or stop as it should.
    """
    to_host, from_server = anyio.create_memory_object_stream[dict[str, Any]](2)
    to_server, from_host = anyio.create_memory_object_stream[dict[str, Any]](2)
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    with to_host, from_server, to_server, from_host, anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(host, scope, from_server.receive, to_server.send)
            await to_host.send({"type": "lifespan.startup"})
            started = await from_host.receive()
            assert started["type"] == "lifespan.startup.complete", started
            response = await HttpClient(host).get("/board/api/hello/greet?name=Ada")
            assert response.result().get() == "Hello, Ada!", response
            await to_host.send({"type": "lifespan.shutdown"})
            stopped = await from_host.receive()
            assert stopped["type"] == "lifespan.shutdown.complete", stopped


anyio.run(main, runpy.run_path(sys.argv[1])["host"])
