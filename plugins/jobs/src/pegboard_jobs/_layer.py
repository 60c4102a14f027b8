"""What `@export(job=True)` and `@export(background=True)` put around a call."""

from __future__ import annotations

from inspect import Parameter, isasyncgenfunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any

import msgspec

from pegboard import Result
from pegboard.contracts.call import Call, Stage
from pegboard.contracts.job import JobFailure, JobStatus
from pegboard.errors import ConfigError, InputError, PegboardError
from pegboard_jobs._engine import running_order
from pegboard_jobs._record import Job
from pegboard_jobs._tracking import failure_of

if TYPE_CHECKING:
    from pegboard import Export
    from pegboard_jobs._service import Jobs

__all__ = ["BackgroundLayer", "ToldJob", "TrackLayer", "told", "tracked_task"]


class ToldFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job did not succeed, without what is none of a client's.

    Attributes:
        reason: What kind of end it was, see `JobFailure`.
        type: Name of the exception's class, or of the signal.
    """

    reason: str
    type: str


ToldJob = msgspec.defstruct(
    "BackgroundJob",
    [
        *(
            (each.name, each.type)
            for each in msgspec.structs.fields(Job)
            if each.name not in {"failure", "order"}
        ),
        ("status_name", str),
        ("failure", ToldFailure | None),
        ("target", str),
        ("queue", str),
    ],
    kw_only=True,
)
"""What `told` says of a durable job, for the descriptions that clients are made from."""


class TrackLayer:
    """Tracks each call of an export as a job.

    Args:
        jobs: The jobs of the app.
        export: The export.

    Raises:
        ConfigError: If the export is a generator, whose work goes on after its call has ended.
    """

    def __init__(self, jobs: Jobs, export: Export) -> None:
        _refuse_generator(export)
        self.stage = Stage.JOB
        self._jobs = jobs
        self._address = export.address

    def __call__(self, call: Call) -> Call:
        """Return a call that is tracked."""
        jobs, address = self._jobs, self._address

        async def tracked(*args: Any, **kwargs: Any) -> Result[Any]:
            if running_order.get() is not None:  # the durable job is the record of this call
                return await _once(call, args, kwargs)
            try:
                async with jobs.track(address) as job:
                    result = await call(*args, **kwargs)
                    if result.is_error():
                        job.outcome = _outcome(result)
                    return result
            except PegboardError as error:  # cancelled on request
                return Result.from_error(error)

        return tracked


class BackgroundLayer:
    """Queues each call of an export as a durable job, and answers with the job.

    Args:
        jobs: The jobs of the app.
        export: The export.

    Raises:
        ConfigError: If a later call could not be given what the export takes, or if the export is
            a generator.
    """

    def __init__(self, jobs: Jobs, export: Export) -> None:
        _refuse_generator(export)
        self.stage = Stage.JOB
        self._jobs = jobs
        self._export = export
        self._rest = _rest_of(export)
        export.answer_type = ToldJob

    def __call__(self, call: Call) -> Call:
        """Return a call that is queued."""
        jobs, export, named = self._jobs, self._export, self._named

        async def queued(*args: Any, **kwargs: Any) -> Result[Any]:
            if running_order.get() is not None:
                return await _once(call, args, kwargs)
            try:
                job = await jobs.submit(export.address, arguments=named(*args, **kwargs))
            except PegboardError as error:
                return Result.from_error(error)
            where = "where the project is served, or in `pegboard worker`"
            return Result.ok(told(job), info=f"accepted as job {job.number}: it will run {where}")

        return queued

    def _named(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the arguments of a call by name.

        Raises:
            InputError: If they do not fit the export.
        """
        try:
            bound = self._export.binding.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise InputError(str(error)) from error
        named = dict(bound)
        named.update(named.pop(self._rest, {}))
        return named


async def _once(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result[Any]:
    """Call what the engine runs; what it calls in its turn is tracked and queued as usual."""
    token = running_order.set(None)
    try:
        return await call(*args, **kwargs)
    finally:
        running_order.reset(token)


def _refuse_generator(export: Export) -> None:
    """Refuse what would be recorded as finished before it begins.

    Raises:
        ConfigError: If the export is a generator.
    """
    if isgeneratorfunction(export.function) or isasyncgenfunction(export.function):
        msg = f"{export.address} is a generator: job=True cannot see its end; in it, write"
        raise ConfigError(f'{msg} `async with app.jobs.track("..."):`')


def _rest_of(export: Export) -> str:
    """Return the name of `**kwargs` of an export, nothing if it has none.

    Raises:
        ConfigError: If it takes `*args`, which have no names to be kept under.
    """
    parameters = export.binding.signature.parameters.values()
    kinds = {each.kind: each.name for each in parameters}
    if Parameter.VAR_POSITIONAL in kinds:
        msg = f"{export.address} takes *{kinds[Parameter.VAR_POSITIONAL]}: background=True cannot"
        raise ConfigError(f"{msg} keep them; name its parameters")
    return kinds.get(Parameter.VAR_KEYWORD, "")


def _outcome(result: Result[Any]) -> tuple[JobStatus, JobFailure | None]:
    error = result.__dict__.get("exception")
    if error is not None:
        return failure_of(error)
    return JobStatus.FAILED, JobFailure(reason="status", message=result.info.help_text or "")


def told(job: Job) -> dict[str, Any]:
    """Return a job as clients are told of it: without arguments and session of its order.

    The text of a failure may say what is none of theirs, and is left out as well.
    """
    plain: dict[str, Any] = msgspec.to_builtins(job)
    plain["status_name"] = job.status.name
    plain["failure"] = job.failure and {"reason": job.failure.reason, "type": job.failure.type}
    order = plain.pop("order", None)
    if order is not None:
        plain["target"], plain["queue"] = order["target"], order["queue"]
    return plain


async def tracked_task(jobs: Jobs, name: str, work: Any) -> None:
    """Run what `Result.task` was given as a job of kind `task`."""
    async with jobs.track(name, kind="task"):
        await work()
