"""Values that jobs have found: typed, one for each key of a job."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

import msgspec

from pegboard.errors import InputError
from pegboard_database import Changes, Rows
from pegboard_jobs import _event_table
from pegboard_jobs._job_table import check_fence, get
from pegboard_jobs._record import now

__all__ = ["described", "of_job", "save"]

LONGEST_KEY = 50
LONGEST_TEXT = 65_536


def kind_of(value: Any) -> str:
    """Return what kind of value it is: `bool`, `int`, `float`, `text` or `json`."""
    for kind, types in (("bool", bool), ("int", int), ("float", float), ("text", str)):
        if isinstance(value, types):
            return kind
    return "json"


def save(
    changes: Changes,
    job: UUID,
    key: str,
    value: Any,
    *,
    description: str | None = None,
    fence: int | None = None,
) -> None:
    """Keep a value, in place of one that the job has under the same key.

    Raises:
        InputError: If key or value cannot be kept.
        NotFoundError: If there is no such job.
        StaleError: If the fence is old.
    """
    if not key or len(key) > LONGEST_KEY:
        msg = f"the key of a value has 1 to {LONGEST_KEY} characters, not {len(key)}"
        raise InputError(msg)
    kind, text = kind_of(value), _text(key, value)
    owner = get(changes, job)
    check_fence(owner, fence)
    if description is not None:
        changes.execute(
            "INSERT INTO value_key (name, description) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET description = excluded.description",
            key,
            description,
        )
    changes.execute(
        "INSERT INTO value (job, key, kind, value) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (job, key) DO UPDATE SET kind = excluded.kind, value = excluded.value",
        str(job),
        key,
        kind,
        text,
    )
    place = (str(owner.project), str(job), owner.number)
    _event_table.note(changes, place, "value", {"key": key, "value": value}, time=now())


def _text(key: str, value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError) as error:
        msg = f"value {key} cannot be kept: {error}"
        raise InputError(msg) from error
    if len(text) > LONGEST_TEXT:
        msg = f"value {key} has {len(text)} characters; register it as a file"
        raise InputError(msg)
    return text


def of_job(rows: Rows, job: UUID) -> dict[str, Any]:
    """Return the values of a job by key, each of the type that it was kept as."""
    found = rows.all("SELECT key, kind, value FROM value WHERE job = ? ORDER BY key", str(job))
    return {key: _value(kind, text) for key, kind, text in found}


def _value(kind: str, text: str) -> Any:
    if kind == "float":
        return float(text)
    return msgspec.json.decode(text)


def described(rows: Rows) -> dict[str, str]:
    """Return what is said about keys."""
    found = rows.all("SELECT name, description FROM value_key ORDER BY name")
    return {row[0]: row[1] for row in found}
