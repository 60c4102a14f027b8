"""Sign-ins that were tried, counted for all workers together.

A name that somebody else attacks stays usable: a device that has signed in before is counted for
itself, so that what strangers try uses up only what strangers may try.
"""

from __future__ import annotations

from hashlib import sha256

from pegboard_auth._peer import network_of
from pegboard_auth._policy import name_key
from pegboard_auth._rate import Rate
from pegboard_database import Changes

__all__ = ["subjects", "take"]


def subjects(
    name: str, client: str, device: str | None, *, per_client: Rate, per_account: Rate
) -> list[tuple[str, Rate]]:
    """Return what one sign-in is counted for.

    Args:
        name: As it was typed; only a hash of it is kept, since people type passwords there.
        client: Address of the client.
        device: Identity of a device that has signed in to this account before, else None.
        per_client: What one client may try.
        per_account: What strangers together, or one known device, may try for a name.
    """
    named = sha256(name_key(name).encode("utf-8", "replace")).hexdigest()
    target = f"name {named}" if device is None else f"device {device}"
    return [(f"client {network_of(client)}", per_client), (target, per_account)]


def take(transaction: Changes, counted: list[tuple[str, Rate]], now: float) -> float:
    """Count a sign-in; return the seconds to wait, 0 where it may go on.

    One that may not go on is not counted for those who had room for it.
    """
    waits: list[float] = []
    updates: list[tuple[str, float]] = []
    for subject, rate in counted:
        query = "select full_until from attempts where subject = ?"
        full_until, wait = rate.take(transaction.value(query, subject) or 0.0, now)
        waits.append(wait)
        updates.append((subject, full_until))
    if not any(waits):
        transaction.execute_many(
            "insert into attempts values (?, ?)"
            " on conflict (subject) do update set full_until = excluded.full_until",
            updates,
        )
    return max(waits)
