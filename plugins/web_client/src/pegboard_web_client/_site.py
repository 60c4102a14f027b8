"""Serves the files of the client."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from pegboard import Headers
from pegboard_web_client._asset import PREFIX, Asset, assets

if TYPE_CHECKING:
    from pegboard import App
    from pegboard.contracts.asgi import Receive, Scope, Send

__all__ = ["serve_client"]

FOREVER = b"public, max-age=31536000, immutable"
ASK_AGAIN = b"public, no-cache"

_Head = list[tuple[bytes, bytes]]


async def serve_client(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request for a file of the client: under its hash for ever, else with a validator.

    While files are watched, what has a validator shows on pages of this machine what became of a
    change.
    """
    del receive  # nothing that is served here takes a body
    asset, keep = _find(scope["path"], app.reloader.page_script)
    if asset is None:
        await _answer(send, HTTPStatus.NOT_FOUND, [], b"there is no such file\n")
    elif scope["method"] not in {"GET", "HEAD"}:
        allow = [(b"allow", b"GET, HEAD")]
        await _answer(send, HTTPStatus.METHOD_NOT_ALLOWED, allow, b"only GET and HEAD\n")
    else:
        await _send_asset(scope, send, asset, keep)


def _find(path: str, page_script: str) -> tuple[Asset | None, bytes]:
    found = assets()
    if path.startswith(f"{found.folder}/"):
        return found.by_name.get(path[len(found.folder) + 1 :]), FOREVER
    return assets(page_script).by_name.get(path.removeprefix(f"{PREFIX}/")), ASK_AGAIN


async def _send_asset(scope: Scope, send: Send, asset: Asset, keep: bytes) -> None:
    headers = Headers.from_scope(scope)
    is_packed = "gzip" in (headers.accept_encoding or "")
    tag = f'"{asset.digest[:32]}{"-gz" if is_packed else ""}"'
    head: _Head = [
        (b"cache-control", keep),
        (b"etag", tag.encode()),
        (b"vary", b"accept-encoding"),
    ]
    if tag in (headers.if_none_match or ""):
        await _answer(send, HTTPStatus.NOT_MODIFIED, head, None)
        return
    if is_packed:
        head.append((b"content-encoding", b"gzip"))
    body = asset.packed if is_packed else asset.body
    is_head = scope["method"] == "HEAD"
    await _answer(send, HTTPStatus.OK, head, body, kind=asset.content_type, is_head=is_head)


async def _answer(
    send: Send,
    status: HTTPStatus,
    head: _Head,
    body: bytes | None,
    *,
    kind: bytes = b"text/plain; charset=utf-8",
    is_head: bool = False,
) -> None:
    headers = [*head, (b"x-content-type-options", b"nosniff")]
    if body is not None:
        headers += [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else body or b""})
