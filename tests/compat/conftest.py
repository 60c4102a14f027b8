"""The documents' mods in an app with both transports."""

from pathlib import Path

import pytest

from pegboard import Session, hookimpl

MODS = Path(__file__).parent / "mods"


class Doorman:
    """Knows who asks by the headers `x-user` and `x-level`; nothing of it is for production."""

    @hookimpl
    def load_session(self, app, connection):
        user = connection.headers.get("x-user")
        return None if user is None else self._session(connection, user)

    async def _session(self, connection, user):
        return Session(
            SiID=f"0x{len(user):x}",
            user_name=user,
            user_id=user,
            level=int(connection.headers.get("x-level", "1")),
            validated=True,
            anonymous=False,
            extra_data={"custom_key": "custom"},
        )


@pytest.fixture
def documented(pegboard_app):
    """Return a factory of apps that serve mods of the documents over HTTP and WebSocket."""

    def make(*names, plugins=(), **options):
        plugins = ["transport_http", "transport_ws", Doorman(), *plugins]
        return pegboard_app(
            plugins=plugins, mods=[MODS / f"{name}.py" for name in names], **options
        )

    return make
