"""The page on which administrators look after all accounts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pegboard_auth._page import (
    Frame,
    button,
    choice,
    field,
    form,
    hidden,
    moment,
    page,
    section,
    table,
)
from pegboard_auth._policy import LEVELS
from pegboard_pages import Markup, element

if TYPE_CHECKING:
    from pegboard_auth._record import Account, AuditEvent


__all__ = ["draw_users"]


def draw_users(
    frame: Frame, found: Sequence[Account], events: Sequence[AuditEvent], own: str
) -> bytes:
    """Return the page on which administrators look after all accounts."""
    names = {each.uid: each.name for each in found}
    return page(
        frame,
        "Users",
        section("Users", _users(frame, found, own), _new_user(frame)),
        section("What happened", _events(events, names)),
    )


def _users(frame: Frame, found: Iterable[Account], own: str) -> Markup:
    rows = [
        (
            each.name,
            _state(each),
            _level_form(frame, each),
            moment(each.created_at),
            [
                button(
                    frame,
                    "/auth/users/enable" if each.disabled else "/auth/users/disable",
                    "Enable" if each.disabled else "Disable",
                    uid=each.uid,
                    what=each.name,
                ),
                button(frame, "/auth/users/reset", "Reset", uid=each.uid, what=each.name),
            ]
            if each.uid != own
            else "you",
        )
        for each in found
    ]
    heads = ("Name", "State", "Level", "Made", "")
    return element("div", table("Who may sign in", heads, rows), class_="card")


def _state(account: Account) -> str:
    if account.disabled:
        return "disabled"
    return "active" if account.has_password else "no password yet"


def _level_form(frame: Frame, account: Account) -> Markup:
    options = [(str(level), name) for level, name in LEVELS.items()]
    return form(
        frame,
        "/auth/users/level",
        hidden("uid", account.uid),
        choice(f"Level of {account.name}", "level", options, chosen=str(account.level), bare=True),
        element("button", "Set", class_="small", aria_label=f"Set the level of {account.name}"),
        class_="line",
    )


def _new_user(frame: Frame) -> Markup:
    drawn = form(
        frame,
        "/auth/users/add",
        field("Name", "name", autocomplete="off", frame=frame),
        choice("Level", "level", [(str(level), name) for level, name in LEVELS.items()]),
        field("Mail address", "mail", autocomplete="off", frame=frame, required=False),
        element("button", "Add, and make a link", class_="main"),
        class_="row",
    )
    return element("div", drawn, class_="card")


def _events(found: Iterable[AuditEvent], names: dict[str, str]) -> Markup:
    rows = [
        (
            moment(each.at),
            each.event.replace("_", " "),
            names.get(each.uid, each.uid),
            names.get(each.actor, each.actor) if each.actor != each.uid else "",
            each.client,
            each.detail,
        )
        for each in found
    ]
    heads = ("When", "What", "Account", "By", "From", "More")
    return element("div", table("The newest first", heads, rows), class_="card")
