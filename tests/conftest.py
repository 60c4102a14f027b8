"""What every test may use."""

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The loop of a test marked with `pytest.mark.anyio`: each such test runs on both."""
    return request.param
