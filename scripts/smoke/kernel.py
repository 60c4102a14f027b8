"""`pegboard` alone: exports are called in process, and what is missing is named."""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import anyio

from pegboard import App

MAY_BE_THERE = {"anyio", "idna", "msgspec", "pegboard", "pluggy", "sniffio", "typing-extensions"}

app = App("smoke")


@app.export(mod_name="Smoke", api=True)
def add(a: int, b: int) -> int:
    return a + b


@app.export(mod_name="Smoke", api=True)
async def shout(text: str) -> str:
    return text.upper()


async def main() -> None:
    async with app:
        assert (await app.call("Smoke.add", a=2, b=3)).get() == 5
        assert (await app.call("Smoke.shout", text="here")).get() == "HERE"
        assert (await app.call("Smoke.nothing")).is_error()


installed = {distribution.name.lower().replace("_", "-") for distribution in distributions()}
assert installed <= MAY_BE_THERE, installed - MAY_BE_THERE
anyio.run(main)

command = Path(sys.executable).with_name("pegboard")
refused = subprocess.run([command, "serve"], check=False, capture_output=True, text=True)
assert refused.returncode != 0, refused
assert "pip install" in refused.stderr, refused
assert "pegboard[cli]" in refused.stderr, refused
assert "Traceback" not in refused.stderr, refused
