"""Data of users over HTTP: own files, what mods keep for them, who may see it, who has seen it.

Try it: sign in, then `POST /api/user_data/set_data` with `{"path": "notes/today", "data": [1]}`.
What a mod keeps for a user another mod gets only with the user's permission. Each access to it is
noted, and the user can read the notes.
"""

from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec
from anyio import to_thread

from pegboard import RequestData, get_app
from pegboard.errors import (
    ConflictError,
    ForbiddenError,
    InputError,
    NotFoundError,
    TooLargeError,
    UnauthorizedError,
)
from pegboard_mods._user_policy import (
    Grant,
    Right,
    allowed,
    expiry,
    merged,
    scope_named,
    usable_path,
)
from pegboard_storage import FileHandler, list_files

MOD = "user_data"
LOG_LENGTH = 100
LONGEST_NOTE = 500  # characters of the keys in an entry of it
MOST_GRANTS = 500  # of a user
MOST_FILES = 1000  # of a user in one scope, or of everyone in one that is nobody's
MOST_BYTES = 1 << 20  # of one file, as JSON
KEPT = "user_data/kept"  # no path of a client leads there
PERMISSIONS_FILE = "private.permissions.data"
LOG_FILE = "private.access-log.data"
export = get_app(MOD).tb


@export(api=True, api_methods=["POST"], request_as_kwarg=True)
async def get_data(
    request: RequestData,
    path: str,
    scope: str = "private",
    mod_name: str | None = None,
    owner_id: str | None = None,
) -> Any:
    """Return what is at a path; 404 if nothing is."""
    fh = await _file(request, path, scope, mod_name, owner_id).aload()
    if "data" not in fh:
        msg = f"there is nothing at {path!r}"
        raise NotFoundError(msg)
    return fh["data"]


@export(api=True, api_methods=["POST"], request_as_kwarg=True)
async def set_data(
    request: RequestData,
    path: str = "",
    data: Any = None,
    scope: str = "private",
    *,
    mod_name: str | None = None,
    content_type: str = "application/json",
    owner_id: str | None = None,
) -> dict[str, Any]:
    """Put something at a path; 413 if it is too long, or one file too many.

    Over HTTP the path and the rest stand in the query and the body is what is put there, or the
    body has them all as its members.
    """
    if not path:
        sent = _sent(data)
        path, data, scope, owner_id = sent.path, sent.data, sent.scope, sent.owner_id
        mod_name, content_type = sent.mod_name, sent.content_type
    _user(request)
    encoded = msgspec.json.encode(data)
    if len(encoded) > MOST_BYTES:
        msg = f"{len(encoded)} bytes are more than the {MOST_BYTES} that a file may have"
        raise TooLargeError(msg)
    async with _file(request, path, scope, mod_name, owner_id) as fh:  # also in an outage
        if not fh.version:
            await _check_count(request, scope, mod_name, owner_id)
        fh.update(data=data, content_type=content_type)
    return {
        "path": path,
        "size": len(encoded),
        "checksum": blake2b(encoded, digest_size=16).hexdigest(),
        "encrypted": fh.is_encrypted,
    }


@export(api=True, api_methods=["POST", "DELETE"], request_as_kwarg=True)
async def delete_data(
    request: RequestData,
    path: str,
    scope: str = "private",
    mod_name: str | None = None,
    owner_id: str | None = None,
) -> bool:
    """Remove what is at a path; whether anything was there."""
    _user(request)
    return await _file(request, path, scope, mod_name, owner_id).adelete_file()


@export(api=True, api_methods=["POST", "GET"], request_as_kwarg=True)
async def list_data(
    request: RequestData,
    prefix: str = "",
    scope: str = "private",
    mod_name: str | None = None,
    owner_id: str | None = None,
) -> list[str]:
    """Return the paths that begin with a prefix."""
    owner = _owner(request, scope, owner_id)
    find = partial(list_files, _home(scope, mod_name), scope_named(scope), owner=owner or "")
    names = await to_thread.run_sync(partial(find, prefix=prefix.lstrip("/"), request=request))
    return [name.removesuffix(".data") for name in names]


@export(api=True, api_methods=["POST"], level=1, request_as_kwarg=True)
async def sync(request: RequestData) -> dict[str, Any]:
    """Send what waits of the files of the user who calls; say what still does.

    What waits is also sent by itself. Whoever changes the machine wants to know that it was.
    """
    pending: list[str] = []
    count = 0
    for scope in ("private", "shared", "mod"):
        for path in await list_data(request, scope=scope):
            fh = await _file(request, path, scope, None, None).aload()  # sends what waits for it
            pending += [] if fh.stale_since is None else [path]
            count += 1
    return {"synced": count - len(pending), "pending": pending}


@export(request_as_kwarg=True)
async def get_mod_data(
    request: RequestData, source_mod: str, target_mod: str | None = None, key: str | None = None
) -> Any:
    """Return what a mod keeps for the user, for the mod that asks; of all keys those it may see.

    It is for mods, which call it in process and say who they are: no client can say that.
    """
    target = target_mod or source_mod
    may_read = partial(allowed, await _grants(request), source_mod, target, "read")
    if key is not None:
        await _note(request, source_mod, target, "read", key, is_allowed=may_read(key))
        return await _mod_file(request, target).aget(key)
    data = (await _mod_file(request, target).aload()).to_dict()
    seen = {each: value for each, value in data.items() if may_read(each)}
    names = ", ".join(seen)[:LONGEST_NOTE] or "*"
    await _log(request, source_mod, target, "read", names, is_allowed=bool(seen))
    return seen


@export(request_as_kwarg=True)
async def set_mod_data(
    request: RequestData,
    source_mod: str,
    data: Any,
    target_mod: str | None = None,
    key: str | None = None,
    *,
    merge: bool = True,
) -> bool:
    """Set what a mod keeps for the user: the value of a key, or without a key several values."""
    target = target_mod or source_mod
    if key is None and not isinstance(data, dict):
        msg = "without a key the data have to be an object"
        raise InputError(msg)
    values = data if key is None else {key: data}
    if key is None and not merge and source_mod != target:
        msg = "only a mod itself may replace everything that it keeps"
        raise ForbiddenError(msg)
    grants = await _grants(request)
    for each in values:
        is_allowed = allowed(grants, source_mod, target, "write", each)
        await _note(request, source_mod, target, "write", each, is_allowed=is_allowed)

    def changed(old: dict[str, Any]) -> dict[str, Any]:
        if key is None and not merge:
            return dict(values)
        return old | {k: merged(old.get(k), v, is_merge=merge) for k, v in values.items()}

    await _mod_file(request, target).aupdate(changed)
    return True


@export(request_as_kwarg=True)
async def request_permission(
    request: RequestData,
    source_mod: str,
    target_mod: str,
    permission_type: str = "read",
    *,
    keys: list[str] | None = None,
    expires_hours: float | None = None,
) -> bool:
    """Ask the user, for a mod, for a permission; it counts when the user has granted it."""
    await _put(request, _grant(source_mod, target_mod, permission_type, keys, expires_hours))
    return True


@export(api=True, api_methods=["POST"], level=1, request_as_kwarg=True)
async def grant_permission(
    request: RequestData,
    source_mod: str,
    target_mod: str,
    permission_type: str = "read",
    *,
    keys: list[str] | None = None,
    expires_hours: float | None = None,
) -> bool:
    """Let a mod use what another keeps for the user who calls, beside what it may already."""
    grant = _grant(source_mod, target_mod, permission_type, keys, expires_hours)
    await _put(request, msgspec.structs.replace(grant, granted=True))
    return True


@export(api=True, api_methods=["POST"], level=1, request_as_kwarg=True)
async def revoke_permission(
    request: RequestData, source_mod: str, target_mod: str, permission_type: str | None = None
) -> int:
    """Take permissions back, of one type or of all; return how many."""
    removed = 0

    def without(data: dict[str, Any]) -> dict[str, Any]:
        nonlocal removed
        grants = _read_grants(data)
        kept = [
            each
            for each in grants
            if (each.source, each.target) != (source_mod, target_mod)
            or permission_type not in {None, each.type}
        ]
        removed = len(grants) - len(kept)
        return {"grants": msgspec.to_builtins(kept)}

    await _own_file(request, PERMISSIONS_FILE).aupdate(without)
    return removed


@export(api=True, api_methods=["GET"], level=1, request_as_kwarg=True)
async def list_permissions(request: RequestData) -> list[dict[str, Any]]:
    """Return the permissions of the user who calls, requests and expired ones included."""
    grants: list[dict[str, Any]] = msgspec.to_builtins(await _grants(request))
    return grants


@export(api=True, api_methods=["GET"], level=1, request_as_kwarg=True)
async def get_access_log(request: RequestData, limit: int = 50) -> list[dict[str, Any]]:
    """Return which mods have used what is kept for the user who calls, the last access first."""
    entries = (await _own_file(request, LOG_FILE).aload()).get("entries", type=list[dict[str, Any]])
    return (entries or [])[: -1 - max(0, min(limit, LOG_LENGTH)) : -1]


class _Sent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `set_data` as the members of a body, which is `data` as a whole."""

    path: str
    data: Any
    scope: str = "private"
    mod_name: str | None = None
    content_type: str = "application/json"
    owner_id: str | None = None


def _sent(body: Any) -> _Sent:
    try:
        return msgspec.convert(body, _Sent)
    except msgspec.ValidationError as error:
        msg = f"say where to put it, as path= in the query or as a member beside data: {error}"
        raise InputError(msg) from error


def _file(
    request: RequestData, path: str, scope: str, mod_name: str | None, owner_id: str | None
) -> FileHandler:
    return FileHandler(
        usable_path(path),
        name=_home(scope, mod_name),
        scope=scope_named(scope),
        owner=_owner(request, scope, owner_id),
        request=request,
    )


async def _check_count(
    request: RequestData, scope: str, mod_name: str | None, owner_id: str | None
) -> None:
    there = await list_data(request, scope=scope, mod_name=mod_name, owner_id=owner_id)
    if len(there) >= MOST_FILES:
        msg = f"there are {len(there)} files already, which is the most: delete some"
        raise TooLargeError(msg)


def _home(scope: str, mod_name: str | None) -> str:
    """Return the mod that files are kept under: never that of a mod that has files of its own."""
    return f"{MOD}/{mod_name}" if mod_name and scope_named(scope) == "mod_data" else MOD


def _owner(request: RequestData, scope: str, owner_id: str | None) -> str | None:
    """Return whose files are meant: in the data of mods each user has some as well."""
    if scope_named(scope) not in {"user_private", "user_public", "mod_data"}:
        return None
    return owner_id or _user(request)


def _user(request: RequestData) -> str:
    session = request.session
    user: str = session.user_id or session.cloudm_user_id
    if session.anonymous or not user:
        msg = "data of a user need a signed-in caller"
        raise UnauthorizedError(msg)
    return user


def _own_file(request: RequestData, name: str) -> FileHandler:
    return FileHandler(name, name=KEPT, owner=_user(request), request=request)


def _mod_file(request: RequestData, mod: str) -> FileHandler:
    """Return what a mod keeps for the user; only the user, and mods for the user, get at it."""
    return _own_file(request, f"private.of-{mod}.data")


def _grant(
    source: str, target: str, kind: str, keys: list[str] | None, hours: float | None
) -> Grant:
    names = tuple(keys) if keys else ("*",)
    return Grant(source=source, target=target, type=kind, keys=names, until=expiry(hours))


async def _grants(request: RequestData) -> list[Grant]:
    return _read_grants((await _own_file(request, PERMISSIONS_FILE).aload()).to_dict())


def _read_grants(data: dict[str, Any]) -> list[Grant]:
    return msgspec.convert(data.get("grants", []), list[Grant])


async def _put(request: RequestData, grant: Grant) -> None:
    """Add a permission, in place of one for the same; what still counts needs no request."""

    def added(data: dict[str, Any]) -> dict[str, Any]:
        grants = _read_grants(data)
        same = [each for each in grants if each.is_for_the_same(grant)]
        if not grant.granted and any(each.is_current() for each in same):
            return data
        kept = [each for each in grants if each not in same]
        if len(kept) >= MOST_GRANTS:
            msg = f"there are {len(kept)} permissions and requests already: revoke some"
            raise ConflictError(msg)
        return {"grants": msgspec.to_builtins([*kept, grant])}

    await _own_file(request, PERMISSIONS_FILE).aupdate(added)


async def _note(
    request: RequestData, source: str, target: str, right: Right, key: str, *, is_allowed: bool
) -> None:
    """Write down that a mod uses what another keeps for the user, or tries to, and refuse that."""
    await _log(request, source, target, right, key, is_allowed=is_allowed)
    if not is_allowed:
        msg = (
            f"the user has not allowed {source} to {right} {key!r} of {target}: request_permission"
        )
        raise ForbiddenError(msg)


async def _log(
    request: RequestData, source: str, target: str, right: Right, key: str, *, is_allowed: bool
) -> None:
    if source == target:
        return
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "source_mod": source,
        "target_mod": target,
        "action": right,
        "key": key,
        "allowed": is_allowed,
    }

    def noted(data: dict[str, Any]) -> dict[str, Any]:
        return {"entries": [*data.get("entries", []), entry][-LOG_LENGTH:]}

    await _own_file(request, LOG_FILE).aupdate(noted)
