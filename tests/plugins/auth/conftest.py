"""An app with accounts, and clients that are somebody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from pegboard import App
from pegboard.testing import HttpClient, HttpResponse
from pegboard_auth import Account, Accounts
from pegboard_auth._reception import Reception

CHEAP = {
    "argon2_memory": 64,
    "argon2_time": 1,
    "attempts_per_client": "100000/s",
    "attempts_per_account": "100000/s",
}
"""Settings with which a password costs a test nothing."""

PASSWORD = "correct horse battery"
HOST = {"host": "app.example"}


class RunApp(Protocol):
    def __call__(
        self, *plugins: Any, access: Mapping[str, Any] = ..., **settings: Any
    ) -> AbstractAsyncContextManager[App]: ...


@pytest.fixture
def run_app(tmp_path: Path) -> RunApp:
    """Start an app in the folder of the test, with given settings of the plugin."""

    @asynccontextmanager
    async def run(
        *plugins: Any, access: Mapping[str, Any] | None = None, **settings: Any
    ) -> AsyncIterator[App]:
        config = {"plugins": {"auth": {**CHEAP, **settings}}, "access": dict(access or {})}
        wanted = ["auth", "transport_http", *plugins]
        async with App("board", project=tmp_path, plugins=wanted, mods=[], config=config) as app:
            yield app

    return run


def accounts_of(app: App) -> Accounts:
    return app.service(Accounts)


def reception_of(app: App) -> Reception:
    return app.plugins.active["auth"].plugin._receptions[app]


async def make(app: App, name: str, level: int = 1) -> Account:
    return await accounts_of(app).add(name, level=level, password=PASSWORD)


def anybody(app: App, **headers: str) -> HttpClient:
    return HttpClient(app, headers={**HOST, **headers})


def browser_of(app: App, **headers: str) -> HttpClient:
    """Return somebody whose forms are answered with pages."""
    return anybody(app, accept="text/html,*/*;q=0.8", **headers)


def set_cookies(response: HttpResponse) -> dict[str, str]:
    """Return what an answer sets, by name, with its attributes."""
    found = [value for name, value in response.raw_headers if name == "set-cookie"]
    return {value.partition("=")[0]: value.partition("=")[2] for value in found}


def jar(response: HttpResponse) -> str:
    """Return the Cookie header of a browser that got this answer."""
    return "; ".join(
        f"{name}={value.split(';')[0]}" for name, value in set_cookies(response).items()
    )


async def signed_in(app: App, name: str, **headers: str) -> HttpClient:
    """Return a browser that is signed in."""
    fields = {"name": name, "password": PASSWORD}
    response = await anybody(app, **headers).post("/auth/sign-in", json=fields)
    assert response.status == 200, response
    return anybody(app, cookie=jar(response), **headers)


async def tokens(app: App, name: str) -> dict[str, Any]:
    response = await anybody(app).post("/auth/token", json={"name": name, "password": PASSWORD})
    assert response.status == 200, response
    return response.json()["result"]["data"]


def bearer(app: App, token: str, **headers: str) -> HttpClient:
    return anybody(app, authorization=f"Bearer {token}", **headers)
