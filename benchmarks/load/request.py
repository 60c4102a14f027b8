"""The two requests as HTTP/1.1, and one exchange to check the answer."""

from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from benchmarks.exchange import check_answer
from benchmarks.payload import GET_DATA, GET_PATH, GET_QUERY, POST_BODY, POST_DATA, POST_PATH


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, and the ``data`` that its answer must bring back."""

    method: str
    target: str
    body: bytes
    data: dict[str, Any]

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: 127.0.0.1"]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body

    def check(self, port: int) -> None:
        """Send it once to loopback.

        Raises:
            AssertionError: when the answer is not as agreed.
            OSError: when nobody answers.
        """
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            headers = {"Content-Type": "application/json"} if self.body else {}
            connection.request(self.method, self.target, self.body or None, headers)
            answer = connection.getresponse()
            seen = {name.lower().encode(): value.encode() for name, value in answer.getheaders()}
            check_answer(answer.status, seen, answer.read(), self.data)
        finally:
            connection.close()


REQUESTS = {
    "GET": Request(
        method="GET", target=f"{GET_PATH}?{GET_QUERY.decode()}", body=b"", data=GET_DATA
    ),
    "POST": Request(method="POST", target=POST_PATH, body=POST_BODY, data=POST_DATA),
}
