"""The page of one's own account."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from pegboard_auth._page import (
    Frame,
    button,
    card,
    choice,
    field,
    form,
    hint_of,
    moment,
    page,
    password_field,
    section,
    table,
)
from pegboard_auth._policy import LEVELS
from pegboard_pages import Markup, element

if TYPE_CHECKING:
    from pegboard_auth._record import Account, KeyRecord, SessionRecord


__all__ = ["draw_account"]


def draw_account(
    frame: Frame,
    account: Account,
    *,
    sessions: Sequence[SessionRecord],
    keys: Sequence[KeyRecord],
    sid: str,
    least: int,
    mail: bool,
    providers: Sequence[tuple[str, str]],
    connected: Collection[str],
) -> bytes:
    """Return the page of one's own account.

    Args:
        frame: What is around it.
        account: The account.
        sessions: Its sessions.
        keys: Its API keys.
        sid: The session of who looks.
        least: Fewest characters of a password.
        mail: Whether links can be sent by mail.
        providers: Where else people may sign in: names in the settings, and what people read.
        connected: Names of those by which this account is known.
    """
    return page(
        frame,
        "Account",
        card(
            account.name,
            element("p", f"{LEVELS.get(account.level, 'level')}, level {account.level}"),
        ),
        section("Sessions", _sessions(frame, sessions, sid)),
        section("API keys", _keys(frame, keys), _new_key(frame, account)),
        section("Mail", _mail(frame, account)) if mail else None,
        section("Elsewhere", _elsewhere(frame, providers, connected)) if providers else None,
        section("Password", _new_password(frame, account, least)) if account.has_password else None,
    )


def _sessions(frame: Frame, sessions: Iterable[SessionRecord], sid: str) -> Markup:
    rows = [
        (
            "this one" if each.sid == sid else "",
            "browser" if each.kind == "cookie" else "program",
            each.agent or "unknown",
            each.client,
            moment(each.created_at),
            moment(each.seen_at),
            button(frame, "/auth/account/end-session", "End", sid=each.sid, what=each.agent),
        )
        for each in sessions
    ]
    heads = ("", "Kind", "Client", "Address", "Began", "Renewed", "")
    others = button(frame, "/auth/account/end-others", "End all others")
    return element("div", table("Where you are signed in", heads, rows), others, class_="card")


def _keys(frame: Frame, keys: Sequence[KeyRecord]) -> Markup:
    rows = [
        (
            each.title,
            element("code", f"pbk_{each.id}_…"),
            str(each.level),
            ", ".join(each.scopes) or "everything",
            "never" if each.expires_at is None else moment(each.expires_at),
            button(frame, "/auth/account/end-key", "Delete", id=each.id, what=each.title),
        )
        for each in keys
    ]
    if not rows:
        return element("p", "You have none. A key lets a program act for you.")
    heads = ("Title", "Key", "Level", "May call", "Ends", "")
    return element("div", table("Keys that act for you", heads, rows), class_="card")


def _new_key(frame: Frame, account: Account) -> Markup:
    levels = [level for level in LEVELS if level <= account.level]
    drawn = form(
        frame,
        "/auth/account/add-key",
        field("Title", "title", autocomplete="off", frame=frame),
        field("Days", "days", type_="number", value="90", autocomplete="off", frame=frame),
        choice("Level", "level", [(str(each), LEVELS[each]) for each in levels]),
        field(
            "May call",
            "scopes",
            autocomplete="off",
            frame=frame,
            required=False,
            hint="Such as Board.read Board.*",
        ),
        element("button", "Make a key", class_="main"),
        class_="row",
    )
    return element("div", drawn, class_="card")


def _mail(frame: Frame, account: Account) -> Markup:
    drawn = form(
        frame,
        "/auth/account/mail",
        field("Mail address", "mail", value=account.mail or "", autocomplete="email", frame=frame),
        _current(frame) if account.has_password else None,
        element("button", "Send a link there to confirm it", class_="main"),
    )
    return element("div", drawn, class_="card")


def _elsewhere(
    frame: Frame, providers: Iterable[tuple[str, str]], connected: Collection[str]
) -> Markup:
    rows = [
        (
            title,
            "you may sign in with it"
            if name in connected
            else button(frame, "/auth/account/connect", "Connect", provider=name, what=title),
        )
        for name, title in providers
    ]
    return element("div", table("Accounts elsewhere", ("Where", ""), rows), class_="card")


def _current(frame: Frame) -> Markup:
    return password_field("Current password", "current", "current-password", frame=frame)


def _new_password(frame: Frame, account: Account, least: int) -> Markup:
    drawn = form(
        frame,
        "/auth/account/password",
        element(
            "input",
            type="text",
            name="username",
            value=account.name,
            autocomplete="username",
            hidden=True,
        ),
        _current(frame),
        password_field(
            "New password", "password", "new-password", frame=frame, hint=hint_of(least)
        ),
        element("button", "Change it, and end all other sessions", class_="main"),
    )
    return element("div", drawn, class_="card")
