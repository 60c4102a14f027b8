"""A clock: each second as a server-sent event, with no gap after a reconnect.

Try it: `curl -N http://127.0.0.1:5000/sse/clock/ticks`.
"""

import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio

from pegboard import RequestData, Result, get_app
from pegboard.errors import InputError
from pegboard_mods._look import style_sheet

export = get_app("clock").tb

REPLAY = 60  # seconds that a client who comes back is told afterwards, at most

_SECOND = re.compile(r"[0-9]{1,12}")
_PAGES = Path(__file__).with_name("pages")


@export(api=True, api_methods=["GET"])
async def ticks(after: int | None = None, request: RequestData | None = None) -> Result[Any]:
    """Stream the seconds as they pass.

    Args:
        after: Begin with the second after this one, if that is not too long ago. A browser that
            comes back says so by itself, in the header Last-Event-ID, which goes before.
        request: The request, None for a call in process.
    """
    seen = (request and request.headers.get("last-event-id")) or ""
    return Result.sse(_stream(int(seen) if _SECOND.fullmatch(seen) else after))


@export(api=True, api_methods=["GET"], samples=[{"zone": "Europe/Berlin"}])
def now(zone: str = "UTC") -> dict[str, str]:
    """Tell the time in a zone such as Europe/Berlin."""
    try:
        place = ZoneInfo(zone)
    except (LookupError, ValueError, OSError):
        msg = f"there is no time zone {zone[:50]!r}; Europe/Berlin is one"
        raise InputError(msg) from None
    return {"zone": zone, "time": datetime.now(place).isoformat(timespec="seconds")}


@export(api=True, api_methods=["GET"], page="Clock")
def page() -> Result[Any]:
    """Watch the seconds pass, streamed from here."""
    return Result.html((_PAGES / "clock.html").read_text("utf-8"))


@export(api=True, api_methods=["GET"], listed=False)
def script() -> Result[str]:
    """Return what the page runs."""
    return Result.text((_PAGES / "clock.js").read_text("utf-8"), "text/javascript")


@export(api=True, api_methods=["GET"], listed=False)
def style() -> Result[str]:
    """Return how the page looks."""
    return style_sheet()


async def _stream(last: int | None) -> AsyncIterator[dict[str, Any]]:
    while True:
        for second in due(last, int(time.time())):
            # The id is what a browser sends back as Last-Event-ID after a broken connection.
            yield {"event": "tick", "id": second, "data": {"time": _text(second)}}
            last = second
        await anyio.sleep(1 - time.time() % 1)  # to the full second, so that no error adds up


def due(last: int | None, now: int) -> range:
    """Return the seconds to tell at `now` to a client that has seen `last`.

    A `last` that lies ahead, because the clock was set back or the client made it up, counts as
    none: the client would wait for it in silence.
    """
    if last is None or last > now:
        last = now - 1
    return range(max(last, now - REPLAY) + 1, now + 1)


def _text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()
