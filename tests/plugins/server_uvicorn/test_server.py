"""uvicorn behind the contract of all servers."""

import pytest

from pegboard.testing.server_suite import ServerSuite
from pegboard_server_uvicorn import UvicornServer


class TestUvicornServer(ServerSuite):
    @pytest.fixture
    def server(self):
        return UvicornServer()
