"""One HTTP request given to an ASGI callable without a server."""

from dataclasses import dataclass
from typing import Any

import msgspec

from benchmarks.asgi_type import ASGIApp, Message, Receive, Scope
from benchmarks.payload import GET_DATA, GET_PATH, GET_QUERY, POST_BODY, POST_DATA, POST_PATH


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request as a server presents it, and the ``data`` that the envelope must bring back."""

    scope: dict[str, Any]
    body: bytes
    data: dict[str, Any]

    def receive(self) -> Receive:
        """Return a ``receive`` that gives the whole body at once, each time it is called."""
        message: Message = {"type": "http.request", "body": self.body, "more_body": False}

        async def receive() -> Message:
            return message

        return receive

    async def check(self, app: ASGIApp) -> bytes:
        """Send the request once and return the body of the answer.

        Raises:
            AssertionError: when status, content type, length or envelope are not as agreed.
        """
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await app(dict(self.scope), self.receive(), send)
        start, *rest = sent
        body = b"".join(message.get("body", b"") for message in rest)
        check_answer(start["status"], dict(start["headers"]), body, self.data)
        return body

    async def run(self, app: ASGIApp, count: int) -> None:
        """Send the request ``count`` times, each with a fresh scope, and drop the answers."""
        scope: Scope = self.scope
        receive = self.receive()

        async def send(message: Message) -> None:
            pass

        for _ in range(count):
            await app({**scope}, receive, send)


def check_answer(
    status: int, headers: dict[bytes, bytes], body: bytes, data: dict[str, Any]
) -> None:
    """Compare an answer with what was agreed.

    Raises:
        AssertionError: when it differs; the message shows the answer.
    """
    seen = f"status {status}, headers {headers}, body {body[:300]!r}"
    assert status == 200, seen
    assert headers[b"content-type"].startswith(b"application/json"), seen
    assert int(headers[b"content-length"]) == len(body), seen
    envelope = msgspec.json.decode(body)
    assert envelope["error"] == "none", seen
    assert envelope["result"]["data"] == data, seen
    assert envelope["info"] == {"exec_code": 0, "help_text": "OK"}, seen


def _scope(method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]]) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 5000),
        "client": ("127.0.0.1", 40000),
        "scheme": "http",
        "method": method,
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [
            (b"host", b"127.0.0.1:5000"),
            (b"user-agent", b"benchmarks"),
            (b"accept", b"*/*"),
            *headers,
        ],
        "state": {},
    }


EXCHANGES = {
    "GET": Exchange(
        scope=dict(_scope("GET", GET_PATH, GET_QUERY, [])),
        body=b"",
        data=GET_DATA,
    ),
    "POST": Exchange(
        scope=dict(
            _scope(
                "POST",
                POST_PATH,
                b"",
                [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(POST_BODY)).encode()),
                ],
            )
        ),
        body=POST_BODY,
        data=POST_DATA,
    ),
}
