"""Jobs as text for a terminal: rows, trees, bars. Nothing here asks a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from pegboard.contracts.job import JobEvent, JobProgress, JobStatus
from pegboard_jobs._record import Job

__all__ = ["HEADS", "bar", "event_line", "facts", "row_of", "tree_lines"]

HEADS = ("number", "status", "title", "progress", "took", "created", "uuid")
WIDTH = 20  # characters of a bar

MARKS = {
    JobStatus.FINISHED: "✓",
    JobStatus.FAILED: "✗",
    JobStatus.UNSATISFACTORY: "✗",
    JobStatus.INTERRUPTED: "!",
    JobStatus.RUNNING: "▶",
    JobStatus.RUNNING_REMOTELY: "▶",
    JobStatus.QUEUED: "…",
    JobStatus.PENDING: "·",
}


def row_of(job: Job) -> tuple[str, ...]:
    """Return a job as a row below `HEADS`."""
    return (
        job.number,
        job.status.name.lower(),
        job.title,
        bar(job.progress) if job.progress else "",
        _took(job),
        job.creation_time.isoformat(sep=" ", timespec="seconds"),
        str(job.uuid),
    )


def bar(progress: JobProgress) -> str:
    """Return progress as a bar, with what is known besides."""
    parts = []
    if progress.fraction is not None:
        full = round(progress.fraction * WIDTH)
        parts.append(f"{'█' * full}{'░' * (WIDTH - full)} {progress.fraction:4.0%}")
    if progress.done is not None:
        parts.append(str(progress.done) + (f"/{progress.total}" if progress.total else ""))
    return " ".join([*parts, progress.message]).strip()


def tree_lines(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield a line for each job of a tree, the first one being its root."""
    children: dict[UUID | None, list[Job]] = {}
    for job in jobs[1:]:
        children.setdefault(job.parent, []).append(job)
    yield _line(jobs[0])
    yield from _branches(jobs[0], children, "")


def _branches(job: Job, children: dict[UUID | None, list[Job]], indent: str) -> Iterator[str]:
    nested = children.get(job.uuid, [])
    for each in nested:
        is_last = each is nested[-1]
        yield f"{indent}{'└─' if is_last else '├─'} {_line(each)}"
        yield from _branches(each, children, f"{indent}{'   ' if is_last else '│  '}")


def _line(job: Job) -> str:
    parts = [MARKS.get(job.status, "?"), job.number, job.title, f"({job.status.name.lower()}"]
    took = _took(job)
    text = " ".join(parts) + (f", {took})" if took else ")")
    return f"{text}: {job.failure.message}" if job.failure and job.failure.message else text


def facts(job: Job) -> Iterator[tuple[str, str]]:
    """Yield what is known of a job, name by name."""
    yield "uuid", str(job.uuid)
    yield "number", job.number
    yield "title", job.title
    yield "task", job.task_name
    yield "status", job.status.name.lower()
    yield "kind", job.kind
    for name, value in (
        ("created", job.creation_time),
        ("started", job.start_time),
        ("finished", job.finish_time),
    ):
        if value is not None:
            yield name, value.isoformat(sep=" ", timespec="milliseconds")
    if job.process_id is not None:
        yield "process", f"{job.process_id} on {job.host}, attempt {job.attempt}"
    if job.progress is not None:
        yield "progress", bar(job.progress)
    if job.failure is not None:
        yield "why", f"{job.failure.reason}: {job.failure.type} {job.failure.message}".strip()


def event_line(event: JobEvent) -> str:
    """Return an event as a line."""
    time = event.time.strftime("%H:%M:%S.%f")[:-3]
    return f"{time} {event.data.get('number', ''):<8} {_told(event.kind, event.data)}"


def _told(kind: str, data: dict[str, Any]) -> str:
    if kind == "log":
        return str(data["line"])
    if kind == "progress":
        known = {name: value for name, value in data.items() if name != "number"}
        return bar(msgspec.convert(known, JobProgress))
    if kind in {"created", "status"}:
        why = data.get("failure", {}).get("message", "")
        asked = "asked to stop" if data.get("cancelling") else ""
        parts = [JobStatus(data["status"]).name.lower(), data.get("title", ""), why, asked]
        return " ".join(part for part in parts if part)
    if kind == "file":
        return f"file {data['name']} ({data['param_name']})"
    if kind == "value":
        return f"{data['key']} = {data['value']}"
    return kind


def _took(job: Job) -> str:
    if job.start_time is None:
        return ""
    end = job.finish_time or datetime.now(UTC)
    seconds = (end - job.start_time).total_seconds()
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60:.0f} s" if minutes else f"{seconds:.3g} s"
