"""An S3 server in a process of its own: moto, which honours the conditions of requests.

With a recording it can be killed and started again on the same port with what it held: every
change is written down before it is made. It can be told to ignore conditions, as some
services do.
"""

import argparse
import logging
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Self
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

ROOT = Path(__file__).parents[2]
TIMEOUT = 10.0
CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")


class S3Server:
    """One server with one bucket.

    Args:
        recording: File for what a restart plays again; None keeps nothing.
        honours_conditions: Whether a conditional request that does not apply is refused.
    """

    bucket = "pegboard"
    access_key_id = "sample"
    secret_access_key = "sample"

    def __init__(self, *, recording: Path | None = None, honours_conditions: bool = True) -> None:
        self.port = free_port()
        self._recording = recording
        self._honours = honours_conditions
        self._process: subprocess.Popen[str] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, or start again with all that was written before."""
        is_new = self._recording is None or not self._recording.exists()
        command = [sys.executable, "-m", "tests.servers.s3", str(self.port)]
        if self._recording is not None:
            command += ["--recording", str(self._recording)]
        if not self._honours:
            command.append("--ignore-conditions")
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        if is_new:
            self._request("PUT", self.bucket)

    def kill(self) -> None:
        """End it as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _request(self, method: str, path: str) -> None:
        request = urllib.request.Request(f"{self.endpoint}/{path}", method=method)
        with urllib.request.urlopen(request, timeout=TIMEOUT):
            pass

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def ignoring_conditions(application: WSGIApplication) -> WSGIApplication:
    """Wrap an application so that it never sees a condition."""

    def ignoring(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        for name in CONDITIONS:
            environ.pop(name, None)
        return application(environ, start_response)

    return ignoring


def atomic(application: WSGIApplication) -> WSGIApplication:
    """Wrap an application so that it makes one change at a time.

    moto looks at a condition first and at its objects again later, and another request may come
    in between: of 6,000 writes on conditions by four processes it accepted two on a state that was
    replaced already. A real service looks once.
    """
    lock = Lock()

    def changing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in {"GET", "HEAD"}:
            return application(environ, start_response)
        with lock:
            return application(environ, start_response)

    return changing


def recorded(application: WSGIApplication) -> WSGIApplication:
    """Wrap an application so that changes, and nothing else, are recorded."""
    from moto.moto_api import recorder

    def recording(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in {"GET", "HEAD"}:
            return application(environ, start_response)
        recorder.start_recording()
        try:
            return application(environ, start_response)
        finally:
            recorder.stop_recording()

    return recording


def serve(port: int, *, recording: Path | None, ignore_conditions: bool) -> None:
    """Play the recording, if there is one, then serve until the process is killed."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    logging.getLogger("werkzeug").disabled = True
    application: WSGIApplication = DomainDispatcherApplication(create_backend_app)
    if ignore_conditions:
        application = ignoring_conditions(application)
    if recording is not None:
        play(application, recording)
        application = recorded(application)
    application = atomic(application)
    server = listen(application, port)
    print("ready", flush=True)
    server.serve_forever()


def play(application: WSGIApplication, recording: Path) -> None:
    """Ask again for all that is recorded, on a port that nobody else knows."""
    from moto.moto_api import recorder

    if not recording.exists():
        return
    server = listen(application, 0)
    Thread(target=server.serve_forever, daemon=True).start()
    recorder.replay_recording(target_host=f"http://127.0.0.1:{server.port}")
    server.shutdown()


def listen(application: WSGIApplication, port: int) -> "BaseWSGIServer":
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    return make_server(
        "127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--ignore-conditions", action="store_true")
    options = parser.parse_args()
    if options.recording is not None:
        os.environ["MOTO_RECORDER_FILEPATH"] = str(options.recording)
    serve(
        options.port,
        recording=options.recording,
        ignore_conditions=options.ignore_conditions,
    )


if __name__ == "__main__":
    main()
