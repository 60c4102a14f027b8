"""The pages below `/auth`, and the documented addresses of sessions."""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from math import ceil
from typing import TYPE_CHECKING, Any

import msgspec

from pegboard import ANONYMOUS, Result, Session
from pegboard.errors import (
    ForbiddenError,
    MethodNotAllowedError,
    NotFoundError,
    PegboardError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from pegboard_auth._account_page import draw_account
from pegboard_auth._action import ADMIN, CALLBACK, HOME, USERS, Actions, Outcome, Visit
from pegboard_auth._address import local_path
from pegboard_auth._asset import assets
from pegboard_auth._cookie import is_secure
from pegboard_auth._credential import known_fields
from pegboard_auth._door_page import (
    draw_link,
    draw_message,
    draw_onward,
    draw_sign_in,
    draw_sign_up,
)
from pegboard_auth._exchange import Exchange, Response
from pegboard_auth._origin import judge
from pegboard_auth._page import Frame
from pegboard_auth._user_page import draw_users
from pegboard_pages import Child, element

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pegboard.contracts.asgi import Receive, Scope, Send
    from pegboard_auth._reception import Reception

__all__ = ["PREFIXES", "Site"]

PREFIXES = ("/auth", "/validateSession", "/IsValidSession", "/web", "/api_user_data")
EVENTS = 100  # of the audit trail, on the page of the administrators
FOREVER = (b"cache-control", b"public, max-age=31536000, immutable")
FIRST_SERVER_ERROR = 500
OPEN_TO_STALE = frozenset(
    {"/auth/sign-in", "/auth/sign-up", "/auth/sign-out", "/auth/token", "/auth/link"}
    | {"/auth/send-link", "/auth/provider", "/validateSession", "/web/logoutS"}
)
"""What whoever has a token or key that is good no more may do: sign in anew, or out."""

_logger = logging.getLogger("pegboard.auth")


class Site:
    """Answers requests to our own addresses.

    Args:
        reception: Who knows everybody.
    """

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._accounts = reception.accounts
        self._config = reception.config
        actions = Actions(reception)
        self._actions, self._come_back = actions.table, actions.come_back
        self._pages: dict[str, Callable[[Visit, str, Child], Awaitable[bytes]]] = {
            "/auth": self._account,
            "/auth/sign-in": self._sign_in,
            "/auth/sign-up": self._sign_up,
            "/auth/link": self._link,
            "/auth/account": self._account,
            "/auth/users": self._users,
        }
        self._queries: dict[str, Callable[[Visit], Awaitable[Any]]] = {
            "/IsValidSession": self._is_valid,
            "/api_user_data": self._user_data,
            "/auth/session": self._user_data,
            "/auth/audit": self._audit,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        visit = Visit(exchange)
        try:
            response = await self._answer(visit)
        except Exception as error:  # noqa: BLE001 - becomes the answer
            response = await self._refusal(visit, error)
        await exchange.respond(response)

    async def _answer(self, visit: Visit) -> Response:
        exchange = visit.exchange
        asset = assets().by_path.get(exchange.path)
        if asset is not None and exchange.method in {"GET", "HEAD"}:
            return Response(200, [(b"content-type", asset[0]), FOREVER], asset[1])
        if exchange.path == CALLBACK and exchange.method == "GET":
            return await self._returned(visit)
        methods = self._methods(exchange.path)
        if not methods:
            raise NotFoundError("there is nothing at this address")
        if exchange.method not in methods:
            raise MethodNotAllowedError(exchange.method, methods)
        if exchange.method != "POST":
            visit.session = await self._session(visit)
            return await self._look(visit)
        self._check_origin(exchange)
        visit.fields = await exchange.fields()
        visit.session = await self._session_for_action(visit)
        return await self._done(visit, await self._actions[exchange.path](visit))

    def _methods(self, path: str) -> tuple[str, ...]:
        looks = ("GET", "HEAD") if path in self._pages or path in self._queries else ()
        return (*looks, *(("POST",) if path in self._actions else ()))

    async def _look(self, visit: Visit) -> Response:
        query = self._queries.get(visit.exchange.path)
        if query is not None:
            return Response.json(Result.ok(await query(visit)))
        return Response.html(await self._pages[visit.exchange.path](visit, "", None))

    async def _session(self, visit: Visit) -> Session:
        answer = self._reception.identity.identify(visit.exchange.connection)
        return ANONYMOUS if answer is None else (await answer or ANONYMOUS)

    async def _session_for_action(self, visit: Visit) -> Session:
        """Return who asks; where that is of no matter, a token that has ended is nobody's."""
        try:
            return await self._session(visit)
        except UnauthorizedError:
            if visit.exchange.path not in OPEN_TO_STALE:
                raise
            return ANONYMOUS

    async def _returned(self, visit: Visit) -> Response:
        """Answer who comes back from a provider: with a page that goes on, since that is ours."""
        outcome = await self._come_back(visit)
        address = visit.exchange.root + outcome.onward
        response = Response.html(draw_onward(self._frame(visit, "", None), address))
        response.headers.extend((b"set-cookie", each) for each in outcome.cookies)
        return response

    def _check_origin(self, exchange: Exchange) -> None:
        """Let no other site send our forms, signed in or not: it could sign a user in as itself.

        Raises:
            ForbiddenError: If it tries.
        """
        fields = known_fields(exchange.scope["headers"])
        trusted, secure = self._config.trusted_origins, is_secure(exchange.scope)
        if judge(fields, exchange.method, is_secure=secure, trusted=trusted) == "forbidden":
            msg = "a page of another site may not act here; see the setting trusted_origins"
            raise ForbiddenError(msg)

    async def _done(self, visit: Visit, outcome: Outcome) -> Response:
        exchange = visit.exchange
        if not exchange.is_form:
            response = Response.json(Result.ok(outcome.data))
        elif outcome.leave:
            response = Response.html(draw_onward(self._frame(visit, "", None), outcome.leave))
        elif outcome.told:
            done = [outcome.told, " ", element("code", outcome.secret)] if outcome.secret else None
            page = self._pages[outcome.onward]
            response = Response.html(await page(visit, "", done or outcome.told))
        else:
            response = Response.see(exchange.root + outcome.onward)
        response.headers.extend((b"set-cookie", each) for each in outcome.cookies)
        return response

    async def _refusal(self, visit: Visit, error: Exception) -> Response:
        result = _failure(error, visit.exchange.path)
        status, text = result.info.exec_code, result.info.help_text
        status = status if 400 <= status < 600 else FIRST_SERVER_ERROR
        response = await self._refusing_page(visit, status, text)
        if response is None:
            response = Response.json(result, status)
        response.headers.extend(_headers(error))
        return response

    async def _refusing_page(self, visit: Visit, status: int, text: str) -> Response | None:
        """Return the page that says what went wrong, None where JSON says it."""
        exchange = visit.exchange
        is_page = exchange.method == "GET" and exchange.wants_page
        if not is_page and not exchange.is_form:
            return None
        if is_page and status == 401 and exchange.path != CALLBACK:
            onward = local_path(exchange.path, HOME)
            return Response.see(f"{exchange.root}/auth/sign-in?next={onward}")
        draw = self._page_of_form(visit) if exchange.is_form else None
        if draw is not None and status < FIRST_SERVER_ERROR:
            with suppress(PegboardError):  # who may not see the page is told so on a plain one
                return Response.html(await draw(visit, text, None), status)
        frame = self._frame(visit, "", None)
        return Response.html(draw_message(frame, "This did not work", text), status)

    def _page_of_form(self, visit: Visit) -> Callable[[Visit, str, Child], Awaitable[bytes]] | None:
        """Return the page that has the form which was sent, where who asks may see it."""
        path, session = visit.exchange.path, visit.session
        own = self._pages.get(path)
        if own is not None and path not in {HOME, USERS}:
            return own
        if path.startswith(f"{HOME}/") and not session.anonymous:
            return self._account
        if path.startswith(f"{USERS}/") and session.level >= ADMIN:
            return self._users
        return None

    def _frame(self, visit: Visit, problem: str, done: Child) -> Frame:
        session = visit.session
        return Frame(
            app=self._reception.app.name,
            root=visit.exchange.root,
            user="" if session.anonymous else session.user_name,
            is_admin=session.level >= ADMIN,
            problem=problem,
            done=done,
        )

    async def _sign_in(self, visit: Visit, problem: str, done: Child) -> bytes:
        typed = visit.fields.get("name")
        onward = visit.fields.get("next") or visit.exchange.query.get("next")
        return draw_sign_in(
            self._frame(visit, problem, done),
            name=typed if isinstance(typed, str) else "",
            onward=local_path(onward if isinstance(onward, str) else None, HOME),
            sign_up=self._config.sign_up,
            mail=self._reception.post.is_open,
            providers=self._reception.provider_titles,
        )

    async def _sign_up(self, visit: Visit, problem: str, done: Child) -> bytes:
        if not self._config.sign_up:
            raise NotFoundError("accounts are made by an administrator here")
        typed = visit.fields.get("name")
        return draw_sign_up(
            self._frame(visit, problem, done),
            name=typed if isinstance(typed, str) else "",
            least=self._config.password_min,
        )

    async def _link(self, visit: Visit, problem: str, done: Child) -> bytes:
        typed = visit.fields.get("name")
        return draw_link(
            self._frame(visit, problem, done),
            least=self._config.password_min,
            name=typed if isinstance(typed, str) else "",
            code=visit.text("code", "") if problem else "",
        )

    async def _account(self, visit: Visit, problem: str, done: Child) -> bytes:
        session = _person(visit)
        uid = session.user_id
        return draw_account(
            self._frame(visit, problem, done),
            await self._accounts.get(uid),
            sessions=await self._accounts.sessions(uid),
            keys=await self._accounts.keys(uid),
            sid=session.session_id,
            least=self._config.password_min,
            mail=self._reception.post.is_open,
            providers=self._reception.provider_titles,
            connected=await self._accounts.providers(uid),
        )

    async def _users(self, visit: Visit, problem: str, done: Child) -> bytes:
        session = _person(visit)
        if session.level < ADMIN:
            raise ForbiddenError("only administrators may see this")
        return draw_users(
            self._frame(visit, problem, done),
            await self._accounts.all(),
            await self._accounts.audit(EVENTS),
            session.user_id,
        )

    async def _is_valid(self, visit: Visit) -> dict[str, Any]:
        if visit.session.anonymous:
            raise UnauthorizedError("nobody is signed in")
        return {"valid": True, "user_name": visit.session.user_name}

    async def _user_data(self, visit: Visit) -> dict[str, Any]:
        session = visit.session
        if session.anonymous:
            raise UnauthorizedError("nobody is signed in")
        return session.to_dict()

    async def _audit(self, visit: Visit) -> list[Any]:
        if _person(visit).level < ADMIN:
            raise ForbiddenError("only administrators may see this")
        query = visit.exchange.query
        before = query.get("before")
        found = await self._accounts.audit(
            EVENTS, int(before) if before and before.isdecimal() and len(before) < 19 else None
        )
        return [msgspec.to_builtins(each) for each in found]


def _person(visit: Visit) -> Session:
    """Return who asks, if that is somebody who is signed in, and no API key of theirs."""
    if visit.session.anonymous:
        raise UnauthorizedError("sign in first")
    if visit.session.get("source") == "key":
        raise ForbiddenError("an API key cannot look at the account that it belongs to")
    return visit.session


def _failure(error: Exception, path: str) -> Result[Any]:
    """Return the result that tells of an error; what is not the client's fault is logged."""
    if isinstance(error, PegboardError) and error.status < FIRST_SERVER_ERROR:
        return Result.from_error(error)
    error_id = secrets.token_hex(4)
    _logger.error("%s failed, error id %s", path, error_id, exc_info=error)
    if isinstance(error, UnavailableError):
        return Result.from_error(error)
    return Result.unexpected(f"internal error, id {error_id}", {"error_id": error_id})


def _headers(error: Exception) -> list[tuple[bytes, bytes]]:
    if isinstance(error, (TooManyRequestsError, UnavailableError)) and error.retry_after:
        return [(b"retry-after", b"%d" % ceil(error.retry_after))]
    if isinstance(error, MethodNotAllowedError):
        return [(b"allow", ", ".join(error.allowed).encode("ascii"))]
    if isinstance(error, UnauthorizedError):
        return [(b"www-authenticate", b'Bearer realm="pegboard"')]
    return []
