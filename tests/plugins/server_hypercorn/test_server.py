"""Hypercorn behind the contract of all servers."""

import pytest

from pegboard.testing.server_suite import ServerSuite
from pegboard_server_hypercorn import HypercornServer


class TestHypercornServer(ServerSuite):
    backends = ("asyncio", "uvloop", "trio")

    @pytest.fixture
    def server(self):
        return HypercornServer()
