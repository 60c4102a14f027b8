"""What our pages and their JSON twins do. Each action answers with an `Outcome`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from pegboard import ANONYMOUS, Session
from pegboard.errors import ForbiddenError, InputError, NotFoundError, UnauthorizedError
from pegboard_auth._accounts import Accounts
from pegboard_auth._address import LINK_PATH, link_url, local_path
from pegboard_auth._admission import Tokens
from pegboard_auth._cookie import DEVICE_LIFETIME
from pegboard_auth._credential import Credential, Source, cookie_value, known_fields
from pegboard_auth._opaque import Opaque
from pegboard_auth._provider import Trip

if TYPE_CHECKING:
    from pegboard_auth._exchange import Exchange
    from pegboard_auth._provider import Provider
    from pegboard_auth._reception import Reception
    from pegboard_auth._record import Account

__all__ = ["Action", "Actions", "Outcome", "Visit"]

ADMIN = 10
DAY = 86_400.0
TRIP_LIFETIME = 600.0  # seconds that somebody may be at a provider
CALLBACK = "/auth/callback"
HOME = "/auth/account"
SIGN_IN = "/auth/sign-in"
USERS = "/auth/users"

SIGN_IN_FIRST = "sign in first"


class Visit(msgspec.Struct):
    """One request, as actions see it.

    Attributes:
        exchange: The request.
        session: Who asks.
        fields: What was sent.
    """

    exchange: Exchange
    session: Session = ANONYMOUS
    fields: Mapping[str, Any] = {}

    def text(self, name: str, default: str | None = None) -> str:
        """Return a field.

        Raises:
            InputError: If it is missing and has no default, or is no text.
        """
        value = self.fields.get(name, default)
        if not isinstance(value, str):
            msg = f"{name} is missing" if value is None else f"{name} has to be a text"
            raise InputError(msg)
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """Return a field that is a number.

        Raises:
            InputError: If it is missing and has no default, or is no whole number.
        """
        value = self.fields.get(name, default)
        try:
            return msgspec.convert(value, int, strict=False)
        except msgspec.ValidationError as error:
            msg = f"{name} has to be a whole number"
            raise InputError(msg) from error


class Outcome(msgspec.Struct, kw_only=True):
    """What an action has done.

    Attributes:
        data: What a program is told.
        onward: Where a browser goes.
        leave: Address of somebody else where it goes in place of that.
        told: What a person is told on the page that they came from, in place of going on.
        secret: What they are shown there this once.
        cookies: Values of Set-Cookie headers.
    """

    data: Any = None
    onward: str = HOME
    leave: str = ""
    told: str = ""
    secret: str = ""
    cookies: list[bytes] = []


Action = Callable[[Visit], Awaitable[Outcome]]


class Actions:
    """All actions of one app.

    Args:
        reception: Who knows everybody.
    """

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._accounts: Accounts = reception.accounts
        self._config = reception.config
        self.table: dict[str, Action] = {
            "/auth/sign-in": self.sign_in,
            "/auth/sign-up": self.sign_up,
            "/auth/sign-out": self.sign_out,
            "/auth/token": self.token,
            "/auth/provider": self.go_to_provider,
            "/auth/send-link": self.send_link,
            "/auth/link": self.link,
            "/auth/account/password": self.change_password,
            "/auth/account/mail": self.change_mail,
            "/auth/account/connect": self.connect,
            "/auth/account/end-session": self.end_session,
            "/auth/account/end-others": self.end_others,
            "/auth/account/add-key": self.add_key,
            "/auth/account/end-key": self.end_key,
            "/auth/users/add": self.add_user,
            "/auth/users/level": self.set_level,
            "/auth/users/disable": self.disable,
            "/auth/users/enable": self.enable,
            "/auth/users/reset": self.reset,
            "/validateSession": self.validate,
            "/web/logoutS": self.sign_out,
        }

    async def sign_in(self, visit: Visit) -> Outcome:
        """Begin a session of a browser."""
        exchange = visit.exchange
        account = await self._accounts.sign_in(
            visit.text("name"),
            visit.text("password"),
            device=self._device(exchange),
            actor=exchange.actor(),
        )
        onward = local_path(visit.text("next", ""), HOME)
        return await self._welcome(visit, account, onward)

    async def sign_up(self, visit: Visit) -> Outcome:
        """Make an account for whoever asks, where that is allowed."""
        if not self._config.sign_up:
            msg = "accounts are made by an administrator here"
            raise ForbiddenError(msg)
        account = await self._accounts.sign_up(
            visit.text("name"), visit.text("password"), actor=visit.exchange.actor()
        )
        return await self._welcome(visit, account, HOME)

    async def sign_out(self, visit: Visit) -> Outcome:
        """End the session, and take its cookie away."""
        session = visit.session
        if not session.anonymous and not _is_key(session):
            actor = visit.exchange.actor(session.user_id)
            await self._accounts.end(session.user_id, session.session_id, actor=actor)
        scope, jar = visit.exchange.scope, self._reception.cookies
        gone = jar.write(scope, jar.name(scope), "", max_age=0)
        return Outcome(data={"valid": False}, onward=SIGN_IN, cookies=[gone])

    async def token(self, visit: Visit) -> Outcome:
        """Give tokens to a program: for a name and password, or a refresh token."""
        actor = visit.exchange.actor()
        refresh = visit.text("refresh_token", "")
        if refresh:
            tokens = await self._accounts.refresh(refresh, actor=actor)
        else:
            name, password = visit.text("name"), visit.text("password")
            account = await self._accounts.sign_in(
                name, password, device=self._device(visit.exchange), actor=actor
            )
            tokens = await self._accounts.issue(account.uid, actor=actor)
        return Outcome(data=_public(tokens))

    async def link(self, visit: Visit) -> Outcome:
        """Use a one-time link."""
        code = visit.text("code")
        purpose = (await self._accounts.look_at_link(code)).purpose
        account = await self._accounts.use_link(
            code,
            name=visit.text("name", ""),
            password=visit.text("password", ""),
            actor=visit.exchange.actor(),
        )
        if purpose != "mail":
            return await self._welcome(visit, account, HOME)
        onward = SIGN_IN if visit.session.anonymous else HOME
        return Outcome(data={"mail": account.mail}, onward=onward, told="The address is yours.")

    async def send_link(self, visit: Visit) -> Outcome:
        """Send a link to whoever has forgotten something; tell nobody whether there was one."""
        self._reception.post.check()
        name, actor = visit.text("name"), visit.exchange.actor()
        made = await self._accounts.ask_for_link(name, actor=actor)
        if made is not None:
            account, code = made
            self._reception.post.send(account.mail or "", "sign_in", code)
        told = "If that is an account with a mail address, a link is on its way there."
        return Outcome(onward=SIGN_IN, told=told)

    async def validate(self, visit: Visit) -> Outcome:
        """Begin a session of a browser for whoever shows a good token."""
        session, claimed = visit.session, visit.text("Jwt_claim", "")
        if claimed:
            shown = Credential(Source.BEARER, claimed.encode("utf-8", "replace"))
            known = await self._reception.identity.look_up(shown)
            session = ANONYMOUS if known is None else known.session
        if session.anonymous or _is_key(session):
            raise UnauthorizedError("show a token that is good")
        if visit.text("Username", session.user_name) != session.user_name:
            raise UnauthorizedError("the token is that of somebody else")
        sid, uid = session.session_id, session.user_id
        value = await self._accounts.cookie(sid, uid)  # of the same session, with which it ends
        return Outcome(data=_shown(session), cookies=[self._session_cookie(visit, value)])

    async def go_to_provider(self, visit: Visit) -> Outcome:
        """Send somebody to sign in elsewhere."""
        return await self._leave(visit, local_path(visit.text("next", ""), HOME))

    async def connect(self, visit: Visit) -> Outcome:
        """Send somebody elsewhere, to sign in with that account from now on."""
        return await self._leave(visit, HOME, uid=_signed_in(visit).user_id)

    async def come_back(self, visit: Visit) -> Outcome:
        """Let somebody in who comes back from a provider."""
        exchange, jar = visit.exchange, self._reception.cookies
        name = jar.trip_name(exchange.scope)
        kept = await self._accounts.unseal(_cookie(exchange, name) or "")
        trip = msgspec.convert(kept, Trip)
        provider = self._provider(trip.provider)
        profile = await provider.profile(trip, exchange.query, self._redirect_uri())
        if trip.uid:
            await self._accounts.connect(trip.uid, profile, actor=exchange.actor(trip.uid))
            outcome = Outcome()
        else:
            config = self._config.providers[trip.provider]
            account = await self._accounts.sign_in_by(
                profile, sign_up=config.sign_up, by_mail=config.by_mail, actor=exchange.actor()
            )
            outcome = await self._welcome(visit, account, trip.onward)
        outcome.cookies.append(jar.write(exchange.scope, name, "", max_age=0, comes_back=True))
        return outcome

    async def _leave(self, visit: Visit, onward: str, *, uid: str = "") -> Outcome:
        scope, jar = visit.exchange.scope, self._reception.cookies
        trip = Trip.begin(visit.text("provider"), onward, uid)
        address = await self._provider(trip.provider).address(trip, self._redirect_uri())
        value = await self._accounts.seal(msgspec.structs.asdict(trip), TRIP_LIFETIME)
        name = jar.trip_name(scope)
        cookie = jar.write(scope, name, value, max_age=TRIP_LIFETIME, comes_back=True)
        return Outcome(data={"url": address}, leave=address, cookies=[cookie])

    def _provider(self, name: str) -> Provider:
        known = self._reception.providers.get(name)
        if known is None:
            msg = "there is no such provider here"
            raise NotFoundError(msg)
        return known

    def _redirect_uri(self) -> str:
        return self._config.public_url.rstrip("/") + CALLBACK

    async def change_password(self, visit: Visit) -> Outcome:
        """Set another password."""
        session = _signed_in(visit)
        await self._accounts.change_password(
            session.user_id,
            visit.text("current"),
            visit.text("password"),
            sid=session.session_id,
            actor=visit.exchange.actor(session.user_id),
        )
        return Outcome(told="The password was changed, and all other sessions have ended.")

    async def change_mail(self, visit: Visit) -> Outcome:
        """Send a link to a mail address, to see whose it is."""
        session, mail = _signed_in(visit), visit.text("mail")
        self._reception.post.check()
        actor = visit.exchange.actor(session.user_id)
        await self._accounts.confirm(session.user_id, visit.text("current", ""), actor=actor)
        code = await self._accounts.link_to_mail(session.user_id, mail, actor=actor)
        self._reception.post.send(mail.strip(), "mail", code)
        return Outcome(told="A link is on its way there. Open it to confirm the address.")

    async def end_session(self, visit: Visit) -> Outcome:
        """End one of one's own sessions."""
        session = _signed_in(visit)
        actor = visit.exchange.actor(session.user_id)
        if not await self._accounts.end(session.user_id, visit.text("sid"), actor=actor):
            raise NotFoundError("there is no such session")
        return Outcome(told="The session has ended.")

    async def end_others(self, visit: Visit) -> Outcome:
        """End all of one's own sessions but this one."""
        session = _signed_in(visit)
        actor = visit.exchange.actor(session.user_id)
        count = await self._accounts.end_others(session.user_id, session.session_id, actor=actor)
        return Outcome(data={"ended": count}, told=f"{count} other sessions have ended.")

    async def add_key(self, visit: Visit) -> Outcome:
        """Make an API key."""
        session = _signed_in(visit)
        scopes = visit.fields.get("scopes", "")
        named = scopes.split() if isinstance(scopes, str) else _texts("scopes", scopes)
        days = visit.number("days", 90)
        key = await self._accounts.add_key(
            session.user_id,
            title=visit.text("title"),
            level=visit.number("level", session.level),
            scopes=named,
            lifetime=days * DAY,
            actor=visit.exchange.actor(session.user_id),
        )
        told = "This is the key. It is shown this once; keep it where others cannot read it:"
        data = {"key": key, **await self._granted(session.user_id, key)}
        return Outcome(data=data, told=told, secret=key)

    async def _granted(self, uid: str, key: str) -> dict[str, Any]:
        """Return what a new key gives, which may be less than was asked for."""
        made = Opaque.parse(key, "pbk")
        for each in await self._accounts.keys(uid):
            if made is not None and each.id == made.id:
                ends = each.expires_at and datetime.fromtimestamp(each.expires_at, UTC)
                return {"id": each.id, "level": each.level, "scopes": each.scopes, "ends": ends}
        return {}

    async def end_key(self, visit: Visit) -> Outcome:
        """Delete one of one's own API keys."""
        session = _signed_in(visit)
        actor = visit.exchange.actor(session.user_id)
        if not await self._accounts.end_key(session.user_id, visit.text("id"), actor=actor):
            raise NotFoundError("there is no such API key")
        return Outcome(told="The key was deleted.")

    async def add_user(self, visit: Visit) -> Outcome:
        """Make an account, and a link with which its owner sets the password."""
        actor = visit.exchange.actor(_admin(visit).user_id)
        name, level = visit.text("name"), visit.number("level", 1)
        mail = visit.text("mail", "") or None
        account = await self._accounts.add(name, level=level, mail=mail, actor=actor)
        code = await self._accounts.link("password", account.uid, actor=actor)
        if mail is not None and self._reception.post.is_open:
            self._reception.post.send(mail, "password", code)
        return self._with_link(visit, account, code)

    async def set_level(self, visit: Visit) -> Outcome:
        """Change the level of an account."""
        actor = visit.exchange.actor(_admin(visit).user_id)
        uid, level = visit.text("uid"), visit.number("level")
        account = await self._accounts.set_level(uid, level, actor=actor)
        return _about(account, f"{account.name} has level {account.level} now.")

    async def disable(self, visit: Visit) -> Outcome:
        """Keep an account out."""
        actor = visit.exchange.actor(_admin(visit).user_id)
        account = await self._accounts.disable(visit.text("uid"), actor=actor)
        return _about(account, f"{account.name} is kept out.")

    async def enable(self, visit: Visit) -> Outcome:
        """Let an account in again."""
        actor = visit.exchange.actor(_admin(visit).user_id)
        account = await self._accounts.enable(visit.text("uid"), actor=actor)
        return _about(account, f"{account.name} may sign in again.")

    async def reset(self, visit: Visit) -> Outcome:
        """End what an account has open, and make a link to set a new password."""
        actor = visit.exchange.actor(_admin(visit).user_id)
        account = await self._accounts.get(visit.text("uid"))
        code = await self._accounts.reset(account.uid, actor=actor)
        return self._with_link(visit, account, code)

    async def _welcome(self, visit: Visit, account: Account, onward: str) -> Outcome:
        """Begin a session in this browser; one that it had ends, so that none can be foisted."""
        exchange, jar = visit.exchange, self._reception.cookies
        before = visit.session
        is_browser = not before.anonymous and before.get("source") == "cookie"
        value = await self._accounts.begin(
            account.uid,
            instead=before.session_id if is_browser else "",
            actor=exchange.actor(account.uid),
        )
        scope = exchange.scope
        device = await self._accounts.device_token(account.uid, self._device(exchange))
        cookies = [
            self._session_cookie(visit, value),
            jar.write(scope, jar.device_name(scope), device, max_age=DEVICE_LIFETIME),
        ]
        data = {"user_name": account.name, "level": account.level, "user_id": account.uid}
        return Outcome(data=data, onward=onward, cookies=cookies)

    def _session_cookie(self, visit: Visit, value: str) -> bytes:
        scope, jar = visit.exchange.scope, self._reception.cookies
        return jar.write(scope, jar.name(scope), value, max_age=self._config.session_idle)

    def _device(self, exchange: Exchange) -> str | None:
        return _cookie(exchange, self._reception.cookies.device_name(exchange.scope))

    def _with_link(self, visit: Visit, account: Account, code: str) -> Outcome:
        scope = visit.exchange.scope
        host = visit.exchange.connection.headers.host or "localhost"
        here = f"{scope.get('scheme', 'http')}://{host}{visit.exchange.root}"
        where = link_url(self._config.public_url or here, code)
        told = f"Give this link to {account.name}; it is good once, and shown this once:"
        data = {"uid": account.uid, "link": where, "path": f"{LINK_PATH}#{code}"}
        return Outcome(data=data, onward=USERS, told=told, secret=where)


def _signed_in(visit: Visit) -> Session:
    session = visit.session
    if session.anonymous:
        raise UnauthorizedError(SIGN_IN_FIRST)
    if _is_key(session):
        raise ForbiddenError("an API key cannot change the account that it belongs to")
    return session


def _admin(visit: Visit) -> Session:
    session = _signed_in(visit)
    if session.level < ADMIN:
        raise ForbiddenError("only administrators may do this")
    return session


def _is_key(session: Session) -> bool:
    return bool(session.get("source") == "key")


def _cookie(exchange: Exchange, name: bytes) -> str | None:
    value = cookie_value(known_fields(exchange.scope["headers"]).get(b"cookie", b""), name)
    return None if value is None else value.decode("latin-1")


def _texts(name: str, value: Any) -> list[str]:
    try:
        return msgspec.convert(value, list[str])
    except msgspec.ValidationError as error:
        msg = f"{name} has to be a list of texts, or one text"
        raise InputError(msg) from error


def _shown(session: Session) -> dict[str, Any]:
    return {"user_name": session.user_name, "level": session.level, "user_id": session.user_id}


def _about(account: Account, told: str) -> Outcome:
    return Outcome(data=msgspec.to_builtins(account), onward=USERS, told=told)


def _public(tokens: Tokens) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(tokens)
    return fields
