"""What every test may use."""

import pytest

from tests.backend import BACKENDS, Backend


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The loop of a test marked with `pytest.mark.anyio`: each such test runs on both."""
    return request.param


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend that files can be kept in, one after the other."""
    return request.getfixturevalue(f"{request.param}_backend")


@pytest.fixture
def local_backend() -> Backend:
    """Files of this machine."""
    return Backend(name="local", mode="LC", plugins=("storage_local",))
