"""`pegboard jobs` and `pegboard worker`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import click
import msgspec

from pegboard import App
from pegboard.contracts.job import JobQuery, JobStatus
from pegboard.errors import InputError, PegboardError
from pegboard_jobs._layer import told
from pegboard_jobs._picture import HEADS, event_line, facts, row_of, tree_lines
from pegboard_jobs._record import Job
from pegboard_jobs._service import Jobs
from pegboard_jobs._text import printable

__all__ = ["COMMANDS"]

Work = Callable[[Jobs], Awaitable[None]]

_project = click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    envvar="PEGBOARD_PROJECT",
    show_default="the current folder",
    help="Folder with pegboard.toml and mods/.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_job = click.argument("job", metavar="NUMBER|UUID")
_statuses = click.Choice([status.name.lower() for status in JobStatus])


@click.group()
def jobs() -> None:
    """List, watch, cancel and repeat jobs, while the app serves or not.

    A job is named by its number in the default project, or by its uuid.
    """


@jobs.command("list")
@click.option("--status", "statuses", type=_statuses, multiple=True, help="Only with this status.")
@click.option("--text", help="Only with this in title or task.")
@click.option("--tag", help="Only with this tag.")
@click.option("--all", "every", is_flag=True, help="Nested ones, too.")
@click.option("--limit", default=20, show_default=True, help="How many at most.")
@_json
@_project
def list_(
    *,
    statuses: tuple[str, ...],
    text: str | None,
    tag: str | None,
    every: bool,
    limit: int,
    as_json: bool,
    project: Path,
) -> None:
    """List jobs, the newest first."""
    query = JobQuery(
        statuses=[JobStatus[name.upper()] for name in statuses],
        text=text,
        tag=tag,
        top=not every,
        limit=limit,
    )

    async def work(service: Jobs) -> None:
        found = await service.list(query)
        if as_json:
            _print_json([told(job) for job in found])
        else:
            _print_table(HEADS, [row_of(job) for job in found])

    _with_jobs(project, work)


@jobs.command()
@_job
@_json
@_project
def show(*, job: str, as_json: bool, project: Path) -> None:
    """Show what is known of a job: its times, files, values and why it failed."""

    async def work(service: Jobs) -> None:
        found = await _found(service, job)
        values, files = await service.values(found.uuid), await service.files(found.uuid)
        if as_json:
            plain = msgspec.to_builtins({"values": values, "files": files})
            _print_json({**told(found), **plain})
            return
        for name, value in facts(found):
            click.echo(printable(f"{name:<10}{value}"))
        for file in files:
            click.echo(
                printable(f"{'file':<10}{file.job_param_name} {file.path} ({file.size} bytes)")
            )
        for key, value in values.items():
            click.echo(printable(f"{'value':<10}{key} = {value}"))
        if found.failure is not None and found.failure.traceback:
            click.echo(printable(f"\n{found.failure.traceback}"), nl=False)

    _with_jobs(project, work)


@jobs.command()
@_job
@_project
def tree(*, job: str, project: Path) -> None:
    """Draw a job with all that are nested in it."""

    async def work(service: Jobs) -> None:
        for line in tree_lines(await service.tree((await _found(service, job)).uuid)):
            click.echo(printable(line))

    _with_jobs(project, work)


@jobs.command()
@click.argument("job", metavar="[NUMBER|UUID]", required=False)
@click.option("--after", default=-1, help="Number of an event to go on after; now by default.")
@_project
def follow(*, job: str | None, after: int, project: Path) -> None:
    """Print what happens, as it happens; of one job until it has ended."""

    async def work(service: Jobs) -> None:
        wanted = None if job is None else await _found(service, job)
        start = after
        if start < 0:
            start = 0 if wanted else await service.last_event()
        async with aclosing(service.follow(start, job=wanted.uuid if wanted else None)) as events:
            async for event in events:
                click.echo(printable(event_line(event)))
                if wanted and event.job == wanted.uuid and _is_end(event.data):
                    return

    _with_jobs(project, work)


@jobs.command()
@_job
@_project
def cancel(*, job: str, project: Path) -> None:
    """Ask a job, and what is nested in it, to stop."""

    async def work(service: Jobs) -> None:
        found = await service.cancel((await _found(service, job)).uuid)
        asked = "is asked to stop" if found.status.is_active else f"is {found.status.name.lower()}"
        click.echo(f"job {found.number} {asked}")

    _with_jobs(project, work)


@jobs.command()
@_job
@_project
def retry(*, job: str, project: Path) -> None:
    """Queue a durable job again that has failed or was interrupted."""

    async def work(service: Jobs) -> None:
        found = await service.retry((await _found(service, job)).uuid)
        click.echo(f"job {found.number} is queued")

    _with_jobs(project, work)


@jobs.command()
@click.option("--days", type=float, required=True, help="What ended longer ago is deleted.")
@_project
def gc(*, days: float, project: Path) -> None:
    """Delete old jobs with what is nested in them; their files stay."""

    async def work(service: Jobs) -> None:
        click.echo(f"{await service.collect(days)} jobs deleted")

    _with_jobs(project, work)


@click.command()
@click.option("--workers", type=click.IntRange(1, 10_000), help="Jobs that run at once.")
@click.option("--queue", "queues", multiple=True, help="Serve this queue only; several times.")
@_project
def worker(*, workers: int | None, queues: tuple[str, ...], project: Path) -> None:
    """Run durable jobs of a project, beside the processes that serve it.

    It stops on SIGINT and SIGTERM; what it could not end is begun again by another one.
    """
    settings: dict[str, Any] = {"work": True}
    if workers is not None:
        settings["workers"] = workers
    if queues:
        settings["queues"] = list(queues)

    async def run() -> None:
        app = App("worker", project=project, config={"plugins": {"jobs": settings}})
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with app:
                click.echo(f"worker: ready, {len(app.registry.table)} exports", err=True)
                async for _ in signals:
                    break

    _run(run)


COMMANDS: Sequence[click.Command] = (jobs, worker)
"""What this plugin adds to the command line."""


async def _found(service: Jobs, name: str) -> Job:
    """Return the job of a number or uuid.

    Raises:
        NotFoundError: If there is none.
        InputError: If it is neither.
    """
    if name.replace(".", "").isdigit():
        return await service.find(name)
    try:
        return await service.get(UUID(name))
    except ValueError:
        msg = f"{name!r} is neither a number such as 1.2 nor a uuid"
        raise InputError(msg) from None


def _is_end(data: dict[str, Any]) -> bool:
    return "status" in data and JobStatus(data["status"]).is_terminal


def _with_jobs(project: Path, work: Work) -> None:
    config = {"plugins": {"jobs": {"work": False}}}

    async def run() -> None:
        async with App("jobs", project=project, plugins=["jobs"], mods=[], config=config) as app:
            await work(app.jobs)

    _run(run)


def _run(function: Callable[[], Awaitable[None]]) -> None:
    try:
        anyio.run(function)
    except PegboardError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise click.Abort from None


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows: aligned on a terminal, tab-separated in a pipe."""
    lines = [heads, *rows]
    if not sys.stdout.isatty():
        for line in lines:
            click.echo(printable("\t".join(" ".join(cell.split()) for cell in line)))
        return
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        pairs = zip(line, widths, strict=True)
        click.echo(printable("  ".join(cell.ljust(width) for cell, width in pairs).rstrip()))
