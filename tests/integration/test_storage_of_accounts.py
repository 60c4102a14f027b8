"""Who may do what with files, where accounts say who asks."""

import pytest

from pegboard import App
from tests.plugins.auth.conftest import CHEAP, anybody, bearer, make, signed_in, tokens
from tests.plugins.storage.test_isolation import check_over_http, serve_acts

CONFIG = {"plugins": {"auth": CHEAP}}


async def token_of(app: App, name: str) -> str:
    found = await tokens(app, name)
    return str(found["access_token"])


@pytest.mark.anyio
async def test_the_table_of_scopes_holds_for_accounts(pegboard_app) -> None:
    plugins = ["auth", "transport_http", "storage", "storage_local"]
    async with pegboard_app(plugins=plugins, config=CONFIG) as app:
        alice = await make(app, "alice")
        for name, level in (("bob", 1), ("system", 1), ("root", 10)):
            await make(app, name, level=level)
        serve_acts(app, alice.uid)
        await check_over_http(
            {
                "server": anybody(app),
                "owner": await signed_in(app, "alice"),
                "other": bearer(app, await token_of(app, "bob")),
                "pretender": await signed_in(app, "system"),
                "anonymous": anybody(app),
                "admin": bearer(app, await token_of(app, "root")),
            }
        )
