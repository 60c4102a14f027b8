"""Jobs alone: blocks are tracked and nested, a durable call runs, the command line shows them."""

import subprocess
import sys
import tempfile
from pathlib import Path

import anyio

from pegboard import App
from pegboard_jobs import JobStatus


async def story(project: Path) -> None:
    app = App("Smoke", project=project, plugins=["jobs"], mods=[])

    @app.export(mod_name="Smoke")
    async def add(a: int, b: int) -> int:
        return a + b

    async with app:
        async with app.jobs.track("outer"), app.jobs.track("inner") as inner:
            await inner.progress(0.5, "half")
        assert inner.number == "1.1", inner.number
        job = await app.jobs.submit("Smoke.add", a=2, b=3)
        async for _ in app.jobs.follow(job=job.uuid):
            job = await app.jobs.get(job.uuid)
            if job.status.is_terminal:
                break
        assert (job.status, job.result) == (JobStatus.FINISHED, 5), job


with tempfile.TemporaryDirectory() as folder:
    anyio.run(story, Path(folder))
    command = Path(sys.executable).with_name("pegboard")
    if command.exists():
        done = subprocess.run(
            [command, "jobs", "tree", "1", "--project", folder],
            check=False,
            capture_output=True,
            text=True,
        )
        assert "└─ ✓ 1.1 inner" in done.stdout or "pegboard[cli]" in done.stderr, done
