"""Identities of jobs and files: UUIDs that grow with time, so that an index stays compact.

Source: RFC 9562, version 7.
"""

from __future__ import annotations

import os
import time
from uuid import UUID

__all__ = ["new_uuid"]

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_A = 0xFFF << 64
_RANDOM_B = (1 << 62) - 1


def new_uuid() -> UUID:
    """Return a UUID that nobody has, larger than those made milliseconds before."""
    chance = int.from_bytes(os.urandom(10))
    moment = (time.time_ns() // 1_000_000) << 80
    return UUID(int=moment | _VERSION | (chance & _RANDOM_A) | _VARIANT | (chance & _RANDOM_B))
