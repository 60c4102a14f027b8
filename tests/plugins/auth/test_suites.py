"""What every plugin, and every plugin that knows who asks, has to do."""

from collections.abc import Mapping

from pegboard import App
from pegboard.testing.plugin_suite import PluginSuite
from pegboard.testing.session_suite import SessionSuite
from pegboard_auth import Accounts

CONFIG = {"plugins": {"auth": {"argon2_memory": 64, "argon2_time": 1}}}


class TestPlugin(PluginSuite):
    plugin = "auth"
    config = CONFIG


class TestSessionsByCookie(SessionSuite):
    plugin = "auth"
    config = CONFIG
    headers = ("authorization", "cookie", "x-api-key")

    async def credentials(self, app: App) -> Mapping[str, str]:
        accounts = app.service(Accounts)
        account = await accounts.add("ada", password="correct horse battery")
        return {"cookie": f"pegboard_session={await accounts.begin(account.uid)}"}


class TestSessionsByKey(TestSessionsByCookie):
    async def credentials(self, app: App) -> Mapping[str, str]:
        accounts = app.service(Accounts)
        account = await accounts.add("ada", password="correct horse battery")
        return {"x-api-key": await accounts.add_key(account.uid, title="robot")}
