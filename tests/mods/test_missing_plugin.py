"""Without a plugin that they need, mods are left out, say what to install, and disturb nobody."""

from pathlib import Path

import pytest

from pegboard import App
from pegboard.testing import watched

pytestmark = pytest.mark.anyio
MODS = ["chat", "clock", "files", "system"]


@pytest.mark.parametrize(
    ("plugins", "missing"),
    [
        (["transport_http", "transport_ws"], {}),
        (["transport_http"], {"chat": "pip install pegboard-transport-ws"}),
        ([], dict.fromkeys(MODS, "pip install pegboard-transport-")),
    ],
)
async def test_a_mod_without_its_plugin_names_it_and_the_others_go_on(
    tmp_path: Path, plugins: list[str], missing: dict[str, str]
) -> None:
    app = App("test", project=tmp_path, plugins=plugins, config={"mods": {"allow": MODS}})
    async with watched(app):
        for name in MODS:
            status = app.mods.status[name]
            assert status.state == ("failed" if name in missing else "active")
            assert missing.get(name, "") in status.reason
