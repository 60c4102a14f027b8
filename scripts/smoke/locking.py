"""`pegboard-locking` alone: a process holds a lock, is seen, is killed, and the lock is free."""

import subprocess
import sys
from pathlib import Path

import anyio

from pegboard import App
from pegboard.errors import ConflictError
from pegboard_locking import LockFolder

HOLD = """
import sys
from pegboard_locking import LockFolder
with LockFolder(sys.argv[1]).lock("door"):
    print("held", flush=True)
    sys.stdin.read()
"""

app = App("smoke", project=Path.cwd())


async def story() -> None:
    async with app, app.lock("mine"):
        folder = app.data / "locks"
        assert LockFolder(folder).is_locked("mine")
        command = [sys.executable, "-c", HOLD, str(folder)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:  # noqa: ASYNC220 - nobody else waits
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            assert [each.pid for each in LockFolder(folder).holders("door")] == [process.pid]
            refusal = ""
            try:
                async with app.lock("door", timeout=0.0):
                    pass
            except ConflictError as error:
                refusal = str(error)
            assert str(process.pid) in refusal, refusal
            process.kill()
            async with app.lock("door", timeout=10.0):
                pass


anyio.run(story)
