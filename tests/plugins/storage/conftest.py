"""Apps with storage, and who asks them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pegboard import App, RequestData, Session, entered, hookimpl
from pegboard._request import Request


def session_of(user: str, level: int = 1) -> Session:
    return Session(user_id=user, user_name=user, level=level, validated=True, anonymous=False)


@pytest.fixture(params=["local", "redis"])
def backend(request):
    """Files of this machine, and a service: what is above the stores meets no more kinds of them.

    Where each store matters, a test asks for all of `BACKENDS`; what a store has to do is said by
    its suite.
    """
    return request.getfixturevalue(f"{request.param}_backend")


@pytest.fixture
def storage_app(pegboard_app, backend):
    """Return a factory of apps that keep files in the backend."""
    plugins = list(dict.fromkeys(["storage", "storage_local", *backend.plugins]))
    return lambda *more, **options: pegboard_app(
        plugins=[*plugins, *more], config=backend.settings, **options
    )


@pytest.fixture
def as_user():
    """Return a context manager that runs its block as a call of an app, for a user or nobody."""

    @contextmanager
    def call(app: App, user: str = "", level: int = 1) -> Iterator[RequestData | None]:
        request = RequestData(Request(), session_of(user, level)) if user else None
        with entered(app, request):
            yield request

    return call


class Doorman:
    """Knows who asks by the headers `x-user` and `x-level`."""

    @hookimpl
    def load_session(self, app, connection):
        user = connection.headers.get("x-user")
        return None if user is None else self._session(connection, user)

    async def _session(self, connection, user):
        return session_of(user, int(connection.headers.get("x-level", "1")))


@pytest.fixture
def doorman():
    """A plugin that says who asks."""
    return Doorman()
