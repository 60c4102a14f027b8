"""For the tests of mods and plugins: an app of one's own, and clients that need no socket.

The pytest fixture `pegboard_app` comes with the installation of Pegboard; see
`pegboard.testing.plugin`. The conformance suites, one for each contract, are modules of their own
that end with `_suite`, such as `pegboard.testing.plugin_suite`.
"""

from pegboard.testing._bus import MemoryBus
from pegboard.testing._http import ClientGone, HttpClient, HttpResponse, StreamedResponse
from pegboard.testing._sse import EventParser, EventStream, EventStreamClient, ServerSentEvent
from pegboard.testing._websocket import (
    WebSocketClient,
    WebSocketClosed,
    WebSocketConnection,
    WebSocketRefused,
)
from pegboard.testing.harness import AppFactory, LeakError, retired, watched

__all__ = [
    "AppFactory",
    "ClientGone",
    "EventParser",
    "EventStream",
    "EventStreamClient",
    "HttpClient",
    "HttpResponse",
    "LeakError",
    "MemoryBus",
    "ServerSentEvent",
    "StreamedResponse",
    "WebSocketClient",
    "WebSocketClosed",
    "WebSocketConnection",
    "WebSocketRefused",
    "retired",
    "watched",
]
