"""Who may do what: the table of document 000, cell by cell, in process and over HTTP."""

from collections.abc import Mapping
from functools import partial

import anyio
import pytest
from anyio import to_thread

from pegboard import App, Session, current_session
from pegboard.contracts.storage import FileKey
from pegboard.errors import AccessError, NotFoundError, UnauthorizedError
from pegboard.testing import HttpClient
from pegboard_storage import (
    FileHandlerV2,
    StorageScope,
    UserContext,
    alist_files,
    list_files,
    set_current_context,
)
from pegboard_storage._access import check_access, is_allowed
from pegboard_storage._user import user_of
from tests.backend import BACKENDS

ASKERS = {
    "owner": UserContext(user_id="alice", is_authenticated=True),
    "other": UserContext(user_id="bob", is_authenticated=True),
    "anonymous": UserContext.anonymous(),
    "admin": UserContext(user_id="root", is_authenticated=True, is_admin=True),
    "server": UserContext.system(),
}
ALL, NONE = "owner other anonymous admin server", ""
PRIVILEGED = "admin server"
OWNER = f"owner {PRIVILEGED}"
TABLE = {  # scope: who may read and list, who may write and delete
    StorageScope.CONFIG: (ALL, ALL),
    StorageScope.USER_PRIVATE: (OWNER, OWNER),
    StorageScope.USER_PUBLIC: (ALL, OWNER),
    StorageScope.PUBLIC_READ: (ALL, PRIVILEGED),
    StorageScope.PUBLIC_RW: (ALL, ALL),
    StorageScope.SERVER_SCOPE: (PRIVILEGED, PRIVILEGED),
    StorageScope.MOD_DATA: (ALL, ALL),
}
CELLS = [
    pytest.param(scope, asker, id=f"{scope.value}-{asker}") for scope in TABLE for asker in ASKERS
]
HAS_OWNER = {StorageScope.USER_PRIVATE, StorageScope.USER_PUBLIC}
each_cell = pytest.mark.parametrize(("scope", "asker"), CELLS)
on_each_backend = pytest.mark.parametrize(
    ("backend", "anyio_backend"),
    [("local", "trio"), *((backend, "asyncio") for backend in BACKENDS)],
    indirect=["backend"],
)
"""The loop plays no part in a service: it is asked in threads."""


def file_of(scope, app, user):
    suffix = "config" if scope is StorageScope.CONFIG else "data"
    return FileHandlerV2(
        f"file.{suffix}",
        name="M",
        scope=scope,
        user_context=user,
        owner="alice" if scope in HAS_OWNER else None,
        app=app,
    )


@on_each_backend
@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.anyio
async def test_the_table_holds_in_process(storage_app, exists):
    async with storage_app() as app:
        await to_thread.run_sync(check_table, app, exists)


def check_table(app, exists):
    for scope, (readers, writers) in TABLE.items():
        for name, user in ASKERS.items():
            before = file_of(scope, app, ASKERS["server"])
            if exists:
                before.set("a", 1)
                before.save()
            else:
                before.delete_file()
            for action, act in actions(scope, app, user).items():
                allowed = readers if action in {"read", "list"} else writers
                assert attempt(act) == (name in allowed.split()), (scope, name, action)


def actions(scope, app, user):
    owner = "alice" if scope in HAS_OWNER else ""
    fh = file_of(scope, app, user)
    listing = partial(list_files, "M", scope, owner=owner, request=user, app=app)
    return {
        "read": fh.load,
        "list": listing,
        "write": fh.save,
        "update": partial(fh.update, dict),
        "restore": fh.restore,
        "delete": fh.delete_file,
    }


def attempt(act):
    try:
        act()
    except AccessError:
        return False
    except NotFoundError:
        pass  # there is nothing to restore, which was found out
    return True


@each_cell
def test_files_of_a_user_in_the_data_of_a_mod_are_read_by_who_is_signed_in(scope, asker):
    if scope is not StorageScope.MOD_DATA:
        readers, writers = TABLE[scope]
    else:
        readers, writers = f"{OWNER} other", OWNER
    for access, allowed in (("read", readers), ("write", writers)):
        found = is_allowed(ASKERS[asker], key_of(scope, "alice"), access)
        assert found == (asker in allowed.split())


def key_of(scope: StorageScope, owner: str = "") -> FileKey:
    return FileKey(scope=scope.value, owner=owner, mod="M", name="n.data")


def test_a_refusal_is_the_same_whether_there_is_a_file_or_not():
    key = key_of(StorageScope.USER_PRIVATE, "alice")
    with pytest.raises(UnauthorizedError, match="nobody signed in may not read"):
        check_access(UserContext.anonymous(), key, "read")
    with pytest.raises(AccessError, match="user 'bob' may not write"):
        check_access(ASKERS["other"], key, "write")


@pytest.mark.parametrize("user", ["alice", "system", "root", ""])
def test_no_session_of_a_user_makes_it_the_server_and_no_context_is_one_by_default(user):
    session = Session(user_id=user, level=1, validated=True, anonymous=False)
    context = UserContext.from_session(session)
    assert not context.is_server
    servers, private = key_of(StorageScope.SERVER_SCOPE), key_of(StorageScope.USER_PRIVATE, "alice")
    assert not is_allowed(context, servers, "read")
    assert not is_allowed(UserContext(), servers, "read")
    assert not is_allowed(UserContext(user_id="alice"), private, "read")
    assert user_of(session) == context


def test_a_level_alone_makes_nobody_known():
    session = Session(user_id="alice", level=1, anonymous=False)
    assert UserContext.from_session(session) == UserContext.anonymous()


def serve_acts(app: App, owner: str) -> None:
    """Export what does something with a file of each scope, for who asks or for the server."""

    @app.export(mod_name="M", api=True)
    async def act(action: str, scope: str, *, for_itself: bool = False) -> str:
        if for_itself:
            set_current_context(UserContext.system())
        whose = owner if scope.startswith("user_") else None
        suffix = "config" if scope == "config" else "data"
        fh = FileHandlerV2(f"web.{suffix}", name="M", scope=scope, owner=whose)
        found = await {
            "read": fh.aload,
            "list": partial(alist_files, "M", scope, owner=whose),
            "write": fh.asave,
            "delete": fh.adelete_file,
        }[action]()
        if action == "list":
            assert found == [fh.filename]
        return current_session().user_id


@on_each_backend
@pytest.mark.anyio
async def test_the_table_holds_over_http(storage_app, doorman):
    async with storage_app("transport_http", doorman) as app:
        serve_acts(app, "alice")
        await check_over_http(
            {asker: HttpClient(app, headers=each) for asker, each in HEADERS.items()}
        )


async def check_over_http(clients: Mapping[str, HttpClient]) -> None:
    """Let everybody try everything."""
    for scope, (readers, writers) in TABLE.items():
        for action in ("write", "read", "list", "delete"):
            may = (readers if action in {"read", "list"} else writers).split()
            for asker, client in clients.items():
                if action == "delete":  # there is something, whoever could not write it
                    await ask(clients["server"], "write", scope, for_itself=True)
                status = await ask(client, action, scope, for_itself=asker == "server")
                refusal = 401 if asker == "anonymous" else 403
                known = "other" if asker == "pretender" else asker
                assert status == (200 if known in may else refusal), (scope, asker, action)


async def ask(client: HttpClient, action: str, scope: StorageScope, *, for_itself: bool) -> int:
    what = {"action": action, "scope": scope.value, "for_itself": for_itself}
    return (await client.post("/api/M/act", json=what)).status


HEADERS = {
    "server": {},  # what an export does for itself, whoever calls it
    "owner": {"x-user": "alice"},
    "other": {"x-user": "bob"},
    "pretender": {"x-user": "system"},  # a user who has the server's name
    "anonymous": {"x-level": "10"},
    "admin": {"x-user": "root", "x-level": "10"},
}


@pytest.mark.anyio
async def test_two_users_at_once_never_are_one_another(storage_app, doorman):
    async with storage_app("transport_http", doorman) as app:

        @app.export(mod_name="M", api=True, request_as_kwarg=True)
        async def remember(request, word: str) -> str:
            set_current_context(request)
            fh = FileHandlerV2("private.data", name="M")
            await fh.aset("word", word)
            await anyio.lowlevel.checkpoint()
            await fh.asave()
            again = await FileHandlerV2("private.data", name="M").aload()
            return f"{app.get_ctx().user_id} {again.key.owner} {again['word']}"

        client = HttpClient(app)

        async def ask(user: str) -> None:
            for _ in range(5):
                answer = await client.post(
                    "/api/M/remember", json={"word": user * 2}, headers={"x-user": user}
                )
                assert answer.result().get() == f"{user} {user} {user * 2}"

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(ask, f"user{number}")


@pytest.mark.anyio
async def test_what_an_export_sets_ends_with_its_call(storage_app, as_user):
    async with storage_app() as app:

        @app.export(mod_name="M")
        async def become() -> str:
            set_current_context(UserContext.system())
            return app.get_ctx().user_id

        assert (await app.call("M.become")).get() == "system"
        assert app.get_ctx() == UserContext.anonymous()
        with as_user(app, "alice"):
            assert app.get_ctx().user_id == "alice"
            set_current_context(UserContext(user_id="bob", is_authenticated=True))
            assert app.get_ctx().user_id == "bob"
            set_current_context(None)
            assert app.get_ctx().user_id == "alice"
