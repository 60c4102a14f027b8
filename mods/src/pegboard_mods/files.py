"""Shared files: upload, list, download, delete.

They lie in the data folder of the project, under `files`.

Try it: `curl -F file=@photo.jpg http://127.0.0.1:5000/api/files/upload`.
"""

from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from pegboard import App, RequestData, Result, get_app
from pegboard.errors import ForbiddenError, InputError
from pegboard_mods._look import style_sheet
from pegboard_mods._shelf import Limits, Shelf, StoredFile

export = get_app("files").tb

MIB = 1024 * 1024
ANY_TYPE = "application/octet-stream"  # whatever it claims to be
LIMITS = Limits(file_bytes=100 * MIB, files=1_000, total_bytes=10_240 * MIB)

_PAGES = Path(__file__).with_name("pages")


@export(initial=True)
def sweep(app: App) -> None:
    """Remove what a crash may have left of uploads."""
    _shelf(app).sweep()


@export(name="list", api=True, api_methods=["GET"])
def list_files(app: App) -> dict[str, Any]:
    """List the files, the newest first, and how much is taken."""
    return {"files": _shelf(app).files(), "limits": LIMITS}


@export(api=True, api_methods=["POST"])
def upload(app: App, form_data: dict[str, Any], request: RequestData | None = None) -> StoredFile:
    """Store a file.

    A form brings it in the field `file`. It gets a name that is safe and free, which the answer
    tells; nothing is overwritten.
    """
    _refuse_other_sites(request)
    file: Any = form_data.get("file")
    try:
        name, content = str(file["filename"]), _content(file)
    except (TypeError, KeyError, ValueError):
        msg = "send a form with one file, in the field `file`"
        raise InputError(msg) from None
    return _shelf(app).save(name, content)


@export(api=True, api_methods=["GET"])
def download(app: App, name: str) -> Result[Any]:
    """Send a file, or the ranges of it that are asked for.

    Always as a download: a page that a stranger has uploaded must not run as one of this site.
    """
    return Result.file_path(_shelf(app).path(name), filename=name, content_type=ANY_TYPE)


@export(api=True, api_methods=["DELETE"])
def delete(app: App, name: str) -> None:
    """Delete a file."""
    _shelf(app).delete(name)


@export(api=True, api_methods=["GET"], page="Files")
def page() -> Result[Any]:
    """Share files: drop them here, take them there."""
    return Result.html((_PAGES / "files.html").read_text("utf-8"))


@export(api=True, api_methods=["GET"], listed=False)
def script() -> Result[str]:
    """Return what the page runs."""
    return Result.text((_PAGES / "files.js").read_text("utf-8"), "text/javascript")


@export(api=True, api_methods=["GET"], listed=False)
def style() -> Result[str]:
    """Return how the page looks."""
    return style_sheet()


def _shelf(app: App) -> Shelf:
    return Shelf(app.data / "files", LIMITS)


def _content(file: Any) -> IO[bytes]:
    """Return what to read: an upload is a file; a call in process brings the documented mapping."""
    content: IO[bytes] | None = getattr(file, "file", None)
    return content or BytesIO(b64decode(file["content_base64"], validate=True))


def _refuse_other_sites(request: RequestData | None) -> None:
    """Refuse a form that a page of another site sends from the browser of somebody who is here."""
    site = request.headers.sec_fetch_site if request else None
    if site not in (None, "same-origin", "none"):
        msg = "only pages of this site may upload"
        raise ForbiddenError(msg)
