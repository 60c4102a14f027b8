"""Everything: `pegboard serve` on a free port answers over HTTP, and ends well when told to."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

COMMAND = Path(sys.executable).with_name("pegboard")
DEADLINE = time.monotonic() + 30
MOD = """
from pegboard import get_app

export = get_app("Hello").tb


@export(mod_name="hello", api=True)
def greet(name: str) -> str:
    return f"Hello {name}"
"""


def run(server: str) -> None:
    output = Path(f"{server}.log")
    arguments = ["serve", "--project", ".", "--port", "0", "--server", server]
    with output.open("wb") as log:
        process = subprocess.Popen([COMMAND, *arguments], stdout=log, stderr=subprocess.STDOUT)
    try:
        address = wait_for_address(process, output)
        assert ask(f"{address}/health")
        answer = json.loads(ask(f"{address}/api/hello/greet?name=you"))
        assert answer["result"]["data"] == "Hello you", answer
        assert b"hello" in ask(address + "/openapi.json")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, process.returncode
    except BaseException:
        print(output.read_text(errors="replace"))
        raise
    finally:
        process.kill()
        process.wait()


def wait_for_address(process: subprocess.Popen[bytes], output: Path) -> str:
    while time.monotonic() < DEADLINE and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:[1-9][0-9]*", output.read_text(errors="replace"))
        if found and is_answering(found[0]):
            return found[0]
        time.sleep(0.02)
    message = f"no answer from `pegboard serve` (status {process.returncode})"
    raise TimeoutError(message)


def is_answering(address: str) -> bool:
    try:
        return bool(ask(f"{address}/health"))
    except URLError:
        return False


def ask(url: str) -> bytes:
    with urlopen(url, timeout=10) as response:
        body: bytes = response.read()
        return body


Path("mods").mkdir()
Path("mods/hello.py").write_text(MOD)
for each in ("uvicorn", "hypercorn"):
    run(each)
