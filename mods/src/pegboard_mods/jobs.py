"""Jobs: what runs, what ran, how far it is, and what was made from what, live.

Insiders (callers in process, administrators, and everyone in development mode) see and stop all
jobs, anybody else their own.

Try it: `pegboard call jobs.list_jobs --json`.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import anyio
import msgspec

from pegboard import App, RequestData, Result, get_app
from pegboard.contracts.job import JobEvent, JobQuery, JobStatus
from pegboard.errors import ForbiddenError
from pegboard_jobs import Job
from pegboard_mods._look import style_sheet

export = get_app("jobs").tb

STEPS = 3  # nested jobs of a demonstration
TICKS = 20  # times that each of them tells its progress
NOBODY = "\x1f"  # no user is called so
LONGEST_NUMBER = 18  # digits of an event's number
MOST = 200  # jobs of one page

Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""What a database takes for a number."""

_PAGES = Path(__file__).with_name("pages")


@export(api=True, api_methods=["GET"])
async def list_jobs(  # noqa: PLR0917 - filters of a query, which come by name
    app: App,
    text: str = "",
    status: str = "",
    before: Number | None = None,
    limit: Number = 50,
    request: RequestData | None = None,
) -> dict[str, Any]:
    """List top jobs, the newest first, with how many have each status.

    Args:
        text: Only those with this in title or task.
        status: Only those with this status, such as `failed`.
        before: Go on after the job with this ordinal.
        limit: How many, at most 200.
    """
    statuses = [each for each in JobStatus if each.name.lower() == status.lower()]
    query = JobQuery(
        top=True,
        text=text or None,
        statuses=statuses,
        owner=_owner(app, request),
        before=before,
        limit=min(limit, MOST),
    )
    counts = await app.jobs.counts() if _is_insider(app, request) else {}
    return {
        "jobs": [_told(app, job, request) for job in await app.jobs.list(query)],
        "counts": {each.name: number for each, number in counts.items()},
        "last": await app.jobs.last_event(),
    }


@export(api=True, api_methods=["GET"])
async def show(app: App, job: UUID, request: RequestData | None = None) -> dict[str, Any]:
    """Tell all about a job: what is nested in it, its log, values and files."""
    await _seen(app, job, request)
    files = await app.jobs.files(job)
    return {
        "jobs": [_told(app, each, request) for each in await app.jobs.tree(job)],
        "values": await app.jobs.values(job),
        "files": [{"uuid": each.uuid, "name": each.name, "size": each.size} for each in files],
        "log": [_event(each) for each in await app.jobs.log(job)],
        "last": await app.jobs.last_event(),
    }


@export(api=True, api_methods=["GET"])
async def provenance(app: App, job: UUID, request: RequestData | None = None) -> Any:
    """Tell what a job was made from and what was made from it, as a graph of jobs and files."""
    await _seen(app, job, request)
    return await app.jobs.provenance(job=job, owner=_owner(app, request))


@export(api=True, api_methods=["GET"])
async def dot(app: App, job: UUID, request: RequestData | None = None) -> Result[Any]:
    """Return the same graph in the language of Graphviz."""
    await _seen(app, job, request)
    graph = await app.jobs.provenance(job=job, owner=_owner(app, request))
    return Result.text(graph.dot(), "text/vnd.graphviz")


@export(api=True, api_methods=["GET"])
async def follow(
    app: App,
    job: UUID | None = None,
    after: Number | None = None,
    last_event_id: str = "",
    request: RequestData | None = None,
) -> Result[Any]:
    """Stream what happens, to all jobs or to one with what is nested in it.

    Args:
        job: The job; all, for insiders, if there is none.
        after: Begin with the event after this one; with the next one if there is none.
        last_event_id: The same, as a browser says it that comes back; it goes before.
    """
    if job is not None:
        await _seen(app, job, request)
    elif not _is_insider(app, request):
        raise ForbiddenError("name a job of yours: all jobs are followed by administrators only")
    is_number = last_event_id.isdecimal() and len(last_event_id) <= LONGEST_NUMBER
    start = int(last_event_id) if is_number else after
    if start is None:
        start = await app.jobs.last_event()
    return Result.sse(_stream(app, job, start, is_insider=_is_insider(app, request)))


@export(api=True, api_methods=["POST"])
async def cancel(app: App, job: UUID, request: RequestData | None = None) -> dict[str, Any]:
    """Ask a job, and what is nested in it, to stop."""
    await _seen(app, job, request)
    return _told(app, await app.jobs.cancel(job), request)


@export(api=True, api_methods=["POST"])
async def retry(app: App, job: UUID, request: RequestData | None = None) -> dict[str, Any]:
    """Queue a durable job again that has ended without success."""
    await _seen(app, job, request)
    return _told(app, await app.jobs.retry(job), request)


@export(api=True, api_methods=["POST"])
async def start(app: App, pause: float = 0.2, request: RequestData | None = None) -> dict[str, Any]:
    """Start a demonstration: a job with some steps, each of which takes a while."""
    if not _is_insider(app, request):
        raise ForbiddenError("demonstrations are started by administrators, or in development")
    job = await app.jobs.submit("jobs.demonstrate", title="Demonstration", pause=min(pause, 5.0))
    return _told(app, job, request)


@export(test=False)
async def demonstrate(app: App, pause: float) -> int:
    """Do nothing, in steps that can be watched."""
    around = app.jobs.current
    made = None
    for step in range(1, STEPS + 1):
        async with app.jobs.track(f"Step {step}") as job:
            if made is not None:
                await job.input(made, "FROM")
            for tick in range(1, TICKS + 1):
                await anyio.sleep(pause / TICKS)
                await job.progress(done=tick, total=TICKS)
            await job.log(f"step {step} is done")
            path = anyio.Path(app.data / "jobs" / f"demonstration-{job.number}.txt")
            await path.write_text(f"made by job {job.number}\n", encoding="utf-8")
            made = await job.output(str(path), "OUT")
        await around.progress(done=step, total=STEPS, message=f"step {step} is done")
    return STEPS


@export(api=True, api_methods=["GET"], page="Jobs")
def page() -> Result[Any]:
    """Watch jobs: what runs, how far it is, and what came of it."""
    return Result.html((_PAGES / "jobs.html").read_text("utf-8"))


@export(api=True, api_methods=["GET"], listed=False)
def script() -> Result[str]:
    """Return what the page runs."""
    return Result.text((_PAGES / "jobs.js").read_text("utf-8"), "text/javascript")


@export(api=True, api_methods=["GET"], listed=False)
def style() -> Result[str]:
    """Return how the page looks."""
    return style_sheet()


async def _stream(
    app: App, job: UUID | None, after: int, *, is_insider: bool
) -> AsyncIterator[dict[str, Any]]:
    async with aclosing(app.jobs.follow(after, job=job)) as events:
        async for event in events:
            yield {"event": "job", "id": event.seq, "data": _event(event, is_insider=is_insider)}


def _event(event: JobEvent, *, is_insider: bool = True) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(event)
    if not is_insider:
        _hide(plain["data"].get("failure"))
    if "status" in event.data:
        plain["data"]["status_name"] = JobStatus(event.data["status"]).name
    return plain


def _hide(failure: dict[str, str] | None) -> None:
    """Take out of a failure what its exception said: that is for the log, and for insiders."""
    if failure is not None and failure["reason"] in {"exception", "deadline", "exit"}:
        failure["message"] = failure["traceback"] = ""


def _told(app: App, job: Job, request: RequestData | None) -> dict[str, Any]:
    """Return a job without the arguments and the session of its order."""
    plain: dict[str, Any] = msgspec.to_builtins(job)
    if not _is_insider(app, request):
        _hide(plain["failure"])
    plain["status_name"] = job.status.name
    plain["is_durable"] = plain.pop("order") is not None
    return plain


def _is_insider(app: App, request: RequestData | None) -> bool:
    return request is None or app.dev or request.session.is_admin


def _owner(app: App, request: RequestData | None) -> str | None:
    """Return whose jobs are shown, None for all."""
    if request is None or _is_insider(app, request):
        return None
    return request.session.user_id or NOBODY  # of nobody: who is not signed in has no jobs


async def _seen(app: App, job: UUID, request: RequestData | None) -> None:
    """Refuse who may not see the job.

    Raises:
        NotFoundError: If there is no such job.
        ForbiddenError: If it is somebody else's.
    """
    found = await app.jobs.get(job)
    owner = _owner(app, request)
    if owner is not None and found.owner != owner:
        raise ForbiddenError(f"job {found.number} is not yours")
