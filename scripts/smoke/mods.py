"""`pegboard-mods` with what it declares: the mods are found, load and stay loaded."""

import anyio

from pegboard import App


async def main() -> None:
    async with App("smoke") as app:
        failed = {name: each.reason for name, each in app.mods.status.items() if each.reason}
        names = {"chat", "clock", "files", "jobs", "repository", "system", "user_data"}
        assert names <= set(app.mods.status), app.mods.status
        assert not failed, failed
        assert app.registry.table


anyio.run(main)
