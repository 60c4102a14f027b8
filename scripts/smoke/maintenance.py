"""`pegboard-maintenance` alone: its command switches a running app off and on again."""

import subprocess
import sys
from pathlib import Path

import anyio

from pegboard import App, RequestData
from pegboard.errors import UnavailableError

COMMAND = Path(sys.executable).with_name("pegboard")


def say(*words: str) -> str:
    done = subprocess.run([COMMAND, "maintenance", *words], capture_output=True, check=True)
    return done.stdout.decode()


async def refusal(app: App) -> str | None:
    try:
        await app.intercept(RequestData.moc())
    except UnavailableError as error:
        return str(error)
    return None


async def main() -> None:
    settings = {"plugins": {"maintenance": {"interval": 0}}}
    async with App("smoke", project=".", config=settings) as app:
        assert await refusal(app) is None
        assert "is on since" in say("on", "--message", "back at noon")
        assert await refusal(app) == "back at noon"
        assert say("off") == "maintenance is off\n"
        assert await refusal(app) is None


anyio.run(main)
