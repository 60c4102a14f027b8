"""The last states of files that this process has seen, without their content."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import msgspec

from pegboard_storage_cloud._frame import Frame

__all__ = ["Held", "Memory"]


class Held(msgspec.Struct, frozen=True):
    """A state, and the entity tag of the object that holds it; None where the service gave none."""

    frame: Frame
    tag: str | None


class Memory:
    """Saves a writer the question for the entity tag that it has to name.

    Args:
        limit: Files that are remembered; the ones used longest ago go first.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._lock = Lock()

    def get(self, path: str) -> Held | None:
        """Return what was seen last, None if that is forgotten."""
        with self._lock:
            held = self._held.get(path)
            if held is not None:
                self._held.move_to_end(path)
            return held

    def put(self, path: str, held: Held) -> None:
        """Remember a state."""
        frame = held.frame
        if frame.data:
            frame = msgspec.structs.replace(frame, data=b"")
        with self._lock:
            self._held[path] = Held(frame, held.tag)
            self._held.move_to_end(path)
            while len(self._held) > self._limit:
                self._held.popitem(last=False)

    def drop(self, path: str) -> None:
        """Forget a file."""
        with self._lock:
            self._held.pop(path, None)
