"""A repository of files that people check out, work on, and check in.

Everyone may look; whoever is signed in (level 1) adds, checks out and checks in; moderators (level
5) break and take over the check-outs of others, and everybody sees that they did. A WebSocket at
`/ws/repository/live` tells who has what, from the moment it changes, whatever process changed it:

| event | carries |
|---|---|
| `held` | `data.checkouts`, all there are; `done`, what has been done since the last time |

Try it: `curl http://127.0.0.1:5000/api/repository/list`.
"""

from pathlib import Path
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import msgspec
from anyio import to_thread

from pegboard import App, RequestData, Result, current_session, get_app
from pegboard.errors import ForbiddenError, InputError, TooLargeError, UnavailableError
from pegboard_locking import AuditEntry, Checkout, Version
from pegboard_mods._desk import Desk
from pegboard_mods._filename import safe_name
from pegboard_mods._look import style_sheet

export = get_app("repository").tb

CHANNEL = "repository/live"
LEASE = 900.0  # seconds; the page renews its own
MAX_FILE = 20 * 1024 * 1024  # bytes: contents pass through memory
ANY_TYPE = "application/octet-stream"  # whatever it claims to be

SIGNED_IN, MODERATOR = 1, 5  # levels

_PAGES = Path(__file__).with_name("pages")
_desks: WeakKeyDictionary[App, Desk] = WeakKeyDictionary()

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Comment = Annotated[str, msgspec.Meta(max_length=500)]


class Me(msgspec.Struct):
    """Who looks at the page.

    Attributes:
        user: Their name; empty for nobody in particular.
        may_work: Whether they may check out.
        may_override: Whether they may end the check-outs of others.
    """

    user: str
    may_work: bool
    may_override: bool


class RepositoryFile(msgspec.Struct):
    """A file as it is listed.

    Attributes:
        name: Its name.
        size: Bytes.
        modified: When, in seconds since 1970.
        checkout: Who has it; None for nobody.
    """

    name: str
    size: int
    modified: float
    checkout: Checkout | None


@export(initial=True)
async def open_repository(app: App) -> None:
    """Open the files, and begin to watch them."""
    desk = _desks[app] = Desk(app, app.data / "repository", channel=CHANNEL, lease=LEASE)
    app.spawn(desk.watch, name="repository: watch")


@export(exit_f=True)
async def close_repository(app: App) -> None:
    """Close the files."""
    desk = _desks.pop(app, None)
    if desk is not None:
        await desk.close()


# -- looking -----------------------------------------------------------------------------------


@export(name="list", api=True, api_methods=["GET"])
async def list_files(app: App) -> dict[str, Any]:
    """List the files, who has them, and what the caller may do."""
    desk = _desk(app)
    found = await desk.ask(desk.service.repository.list_files, "")
    held = {each.path: each for each in (await desk.held()).checkouts}
    files = [
        RepositoryFile(each["name"], each["size_bytes"], each["modified"], held.get(each["name"]))
        for each in found
    ]
    return {"files": files, "me": _me(), "lease": LEASE, "max_file": MAX_FILE}


@export(api=True, api_methods=["GET"])
async def download(app: App, name: str, version: int | None = None) -> Result[Any]:
    """Send a file, as it is or as it was: always as a download, never as a page of this site."""
    service = _desk(app).service
    content = await _desk(app).ask(service.read_file, name, version)
    last = safe_name(name) or "file"
    return Result.binary(content, content_type=ANY_TYPE, download_name=last)


@export(api=True, api_methods=["GET"])
async def history(app: App, name: str, before: int | None = None) -> list[Version]:
    """List the versions of a file, the newest first, a hundred at a time."""
    return await _desk(app).ask(_desk(app).service.history, name, before=before)


@export(api=True, api_methods=["GET"])
async def audit(app: App, name: str | None = None, before: int = 2**53) -> list[AuditEntry]:
    """List what was done, the newest first, a hundred entries at a time."""
    manager = _desk(app).service.lock_manager
    return await _desk(app).ask(manager.audit, name, before=before)


# -- working -----------------------------------------------------------------------------------


@export(api=True, api_methods=["POST"], level=SIGNED_IN)
async def add(app: App, form_data: dict[str, Any], request: RequestData | None = None) -> Version:
    """Add a file, sent as the field `file` of a form; the answer tells its name."""
    _refuse_other_sites(request)
    given, content = await _sent(form_data)
    name = safe_name(given)
    if name is None:
        msg = "a file needs a name"
        raise InputError(msg)
    service, said = _desk(app).service, str(form_data.get("comment", ""))[:500]
    return await _desk(app).run(service.add_file, name, _user(), content, said)


@export(api=True, api_methods=["POST"], level=SIGNED_IN)
async def checkout(app: App, name: str, message: Comment = "") -> Checkout:
    """Check a file out; the answer has the token that the check-in shows."""
    return await _desk(app).run(_desk(app).service.checkout_file, name, _user(), message)


@export(api=True, api_methods=["POST"], level=SIGNED_IN)
async def checkin(
    app: App, form_data: dict[str, Any], request: RequestData | None = None
) -> Version | None:
    """Check a new content in: `file`, `name`, `fence`, and where known `token` and `comment`.

    The answer is the new version, or null if the content is the old one.
    """
    _refuse_other_sites(request)
    _, content = await _sent(form_data)
    try:
        name, fence = str(form_data["name"]), int(form_data["fence"])
    except (KeyError, ValueError):
        msg = "send a form with `file`, `name` and `fence`"
        raise InputError(msg) from None
    said = {"comment": str(form_data.get("comment", ""))[:500], "fence": fence}
    token = str(form_data["token"]) if form_data.get("token") else None
    service = _desk(app).service
    return await _desk(app).run(service.checkin_file, name, _user(), content, token=token, **said)


@export(api=True, api_methods=["POST"], level=SIGNED_IN)
async def release(app: App, name: str) -> None:
    """Give a file back without a new version."""
    manager = _desk(app).service.lock_manager
    await _desk(app).run(manager.release_lock, name, _user())


@export(api=True, api_methods=["POST"], level=SIGNED_IN)
async def renew(app: App, name: str, fence: int) -> Checkout:
    """Keep a file for another lease, counted from now."""
    manager = _desk(app).service.lock_manager
    return await _desk(app).run(manager.renew, name, _user(), fence=fence)


@export(api=True, api_methods=["POST"], level=MODERATOR)
async def break_lock(app: App, name: str, reason: Reason) -> Checkout:
    """End the check-out of somebody else, who cannot check in any more."""
    manager = _desk(app).service.lock_manager
    return await _desk(app).run(manager.break_lock, name, _user(), reason)


@export(api=True, api_methods=["POST"], level=MODERATOR)
async def steal(app: App, name: str, reason: Reason) -> Checkout:
    """Take over the check-out of somebody else, who cannot check in any more."""
    manager = _desk(app).service.lock_manager
    return await _desk(app).run(manager.steal_lock, name, _user(), reason)


# -- live --------------------------------------------------------------------------------------


@export(websocket_handler="live")
def live() -> dict[str, Any]:
    """Say who handles the events of those who look."""
    return {"on_connect": on_connect}


async def on_connect(app: App, conn_id: str) -> None:
    """Tell a newcomer who has what."""
    event = {"event": "held", "data": await _desk(app).held(), "done": []}
    await app.ws_send(conn_id, event)


# -- the page ----------------------------------------------------------------------------------


@export(api=True, api_methods=["GET"], page="Repository")
def page() -> Result[Any]:
    """Check files out, work on them, check them in."""
    return Result.html((_PAGES / "repository.html").read_text("utf-8"))


@export(api=True, api_methods=["GET"], listed=False)
def script() -> Result[str]:
    """Return what the page runs."""
    return Result.text((_PAGES / "repository.js").read_text("utf-8"), "text/javascript")


@export(api=True, api_methods=["GET"], listed=False)
def style() -> Result[str]:
    """Return how the page looks."""
    return style_sheet()


def _desk(app: App) -> Desk:
    desk = _desks.get(app)
    if desk is None:
        msg = "the repository is closed"
        raise UnavailableError(msg)
    return desk


def _user() -> str:
    session = current_session()
    return session.user_name if session.user_name != "anonymous" else session.user_id


def _me() -> Me:
    level = current_session().level
    user = _user() if level >= SIGNED_IN else ""
    return Me(user=user, may_work=level >= SIGNED_IN, may_override=level >= MODERATOR)


async def _sent(form_data: dict[str, Any]) -> tuple[str, bytes]:
    """Return the name and the content of the file in a form."""
    file: Any = form_data.get("file")
    stream = getattr(file, "file", None)
    if stream is None:
        msg = "send a form with one file, in the field `file`"
        raise InputError(msg)
    content: bytes = await to_thread.run_sync(stream.read, MAX_FILE + 1)
    if len(content) > MAX_FILE:
        msg = f"a file of the repository has at most {MAX_FILE} bytes"
        raise TooLargeError(msg)
    return str(file["filename"]), content


def _refuse_other_sites(request: RequestData | None) -> None:
    """Refuse a form that a page of another site sends from the browser of somebody who is here."""
    site = request.headers.sec_fetch_site if request else None
    if site not in (None, "same-origin", "none"):
        msg = "only pages of this site may send files"
        raise ForbiddenError(msg)
