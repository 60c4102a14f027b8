"""Which job made a file, and what was made from it: a graph of jobs and files."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import msgspec

from pegboard.errors import InputError
from pegboard_database import Rows
from pegboard_jobs import _file_table, _job_query, _job_table
from pegboard_jobs._file_table import Role, Use
from pegboard_jobs._record import Job

__all__ = ["Edge", "Node", "Provenance", "graph_of"]

LIMIT = 2_000  # nodes of one graph

COLORS = {"FINISHED": "#5fd39a", "FAILED": "#ff8466", "INTERRUPTED": "#f2b134"}


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A job or a file.

    Attributes:
        id: Its identity.
        kind: `job` or `file`.
        label: What people call it.
        status: Status of a job, type of a file.
    """

    id: str
    kind: str
    label: str
    status: str = ""


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """From a job to a file that it made, or from a file to a job that used it.

    Attributes:
        source: Where it begins.
        target: Where it ends.
        label: Which parameter of the job it was.
    """

    source: str
    target: str
    label: str = ""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """A graph of jobs and files.

    Attributes:
        nodes: Jobs and files.
        edges: What made and used what.
        is_whole: Whether nothing was left out.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    is_whole: bool = True

    def dot(self) -> str:
        """Return the graph in the language of Graphviz."""
        lines = ["digraph provenance {", "  rankdir=LR;", '  node [style=filled, fontname="sans"];']
        for node in self.nodes:
            shape = "box" if node.kind == "job" else "note"
            color = COLORS.get(node.status, "#dcd5c4")
            label = _quoted(node.label)
            lines.append(
                f'  {_quoted(node.id)} [label={label}, shape={shape}, fillcolor="{color}"];'
            )
        for edge in self.edges:
            ends = f"{_quoted(edge.source)} -> {_quoted(edge.target)}"
            lines.append(f"  {ends} [label={_quoted(edge.label)}];")
        return "\n".join([*lines, "}", ""])


def graph_of(
    rows: Rows, *, job: UUID | None = None, file: UUID | None = None, owner: str | None = None
) -> Provenance:
    """Walk from a job, with what is nested in it, or a file to what it came from, and back.

    Args:
        rows: The transaction.
        job: Where to begin.
        file: The same.
        owner: Show jobs of this user only, and the files that these made or used.

    Raises:
        InputError: If neither is given.
        NotFoundError: If there is no such job or file.
    """
    jobs: set[UUID] = set()
    files: set[UUID] = set()
    if job is not None:
        jobs = {each.uuid for each in _job_query.tree(rows, job)}
    elif file is not None:
        files = {_file_table.get(rows, file).uuid}
    else:
        msg = "name a job or a file"
        raise InputError(msg)
    uses: dict[Use, None] = {}
    for is_upwards in (True, False):
        _walk(rows, jobs, files, uses, is_upwards=is_upwards)
    jobs |= {each.job for each in uses}
    found = [_job_table.get(rows, uuid) for uuid in jobs]
    if owner is not None:
        found = [each for each in found if each.owner == owner]
        shown = {each.uuid for each in found}
        uses = {each: None for each in uses if each.job in shown}
    files |= {each.file for each in uses}
    return Provenance(
        nodes=(*_job_nodes(found), *_file_nodes(rows, files)),
        edges=tuple(_edge(each) for each in uses),
        is_whole=len(jobs) + len(files) < LIMIT,
    )


def _walk(
    rows: Rows,
    jobs: set[UUID],
    files: set[UUID],
    uses: dict[Use, None],
    *,
    is_upwards: bool,
) -> None:
    """Follow uses in one direction: a node is visited once, so that no circle holds us."""
    seen_jobs, seen_files = set(jobs), set(files)
    while (jobs or files) and len(seen_jobs) + len(seen_files) < LIMIT:
        found = _file_table.uses(rows, files=list(files), jobs=list(jobs))
        to_job, to_file = (Role.OUT, Role.IN) if is_upwards else (Role.IN, Role.OUT)
        from_files = [each for each in found if each.file in files and each.role is to_job]
        from_jobs = [each for each in found if each.job in jobs and each.role is to_file]
        uses.update(dict.fromkeys([*from_files, *from_jobs]))
        jobs = {each.job for each in from_files} - seen_jobs
        files = {each.file for each in from_jobs} - seen_files
        seen_jobs |= jobs
        seen_files |= files


def _job_nodes(found: Iterable[Job]) -> list[Node]:
    return [
        Node(
            id=str(job.uuid),
            kind="job",
            label=f"{job.number} {job.title}",
            status=job.status.name,
        )
        for job in sorted(found, key=lambda job: job.ordinal)
    ]


def _file_nodes(rows: Rows, files: Iterable[UUID]) -> list[Node]:
    found = [_file_table.get(rows, uuid) for uuid in files]
    return [
        Node(id=str(file.uuid), kind="file", label=file.name, status=file.type)
        for file in sorted(found, key=lambda file: file.creation_time)
    ]


def _edge(use: Use) -> Edge:
    job, file = str(use.job), str(use.file)
    source, target = (job, file) if use.role is Role.OUT else (file, job)
    return Edge(source=source, target=target, label=use.job_param_name)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
