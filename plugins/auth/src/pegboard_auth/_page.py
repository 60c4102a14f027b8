"""The pages: sign-in, account, users. They work without a script and with a keyboard alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pegboard_auth._asset import assets
from pegboard_auth._markup import Child, Markup, element
from pegboard_auth._policy import LEVELS

if TYPE_CHECKING:
    from pegboard_auth._record import Account, AuditEvent, KeyRecord, SessionRecord

__all__ = [
    "Frame",
    "draw_account",
    "draw_link",
    "draw_message",
    "draw_sign_in",
    "draw_sign_up",
    "draw_users",
]


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What all pages have around them.

    Attributes:
        app: Name of the app.
        root: Path that it is mounted at.
        user: Name of who is signed in, empty for nobody.
        is_admin: Whether they administer.
        problem: What went wrong with what was just sent.
        done: What was just done.
    """

    app: str
    root: str
    user: str = ""
    is_admin: bool = False
    problem: str = ""
    done: Child = None


def draw_sign_in(frame: Frame, *, name: str, onward: str, sign_up: bool) -> bytes:
    """Return the page to sign in.

    Args:
        frame: What is around it.
        name: What was typed as the name before.
        onward: Where to go then.
        sign_up: Whether anybody may make an account.
    """
    more = element("a", "Make an account", href=f"{frame.root}/auth/sign-up") if sign_up else None
    form = _form(
        frame,
        "/auth/sign-in",
        _hidden("next", onward),
        _field("Name", "name", value=name, autocomplete="username", frame=frame),
        _password("Password", "password", "current-password", frame=frame),
        element("button", "Sign in", class_="main"),
        element("p", more) if more else None,
    )
    return _page(frame, "Sign in", _card("Sign in", form), narrow=True)


def draw_sign_up(frame: Frame, *, name: str, least: int) -> bytes:
    """Return the page to make an account."""
    form = _form(
        frame,
        "/auth/sign-up",
        _field("Name", "name", value=name, autocomplete="username", frame=frame),
        _password("Password", "password", "new-password", frame=frame, hint=_hint(least)),
        element("button", "Make the account", class_="main"),
        element("p", element("a", "I have one", href=f"{frame.root}/auth/sign-in")),
    )
    return _page(frame, "Make an account", _card("Make an account", form), narrow=True)


def draw_link(frame: Frame, *, least: int, name: str, code: str) -> bytes:
    """Return the page that a one-time link leads to, with what was sent from it before."""
    shown = _field("Code of the link", "code", value=code, autocomplete="off", frame=frame)
    form = _form(
        frame,
        "/auth/link",
        shown,
        _field(
            "Name",
            "name",
            value=name,
            autocomplete="username",
            frame=frame,
            required=False,
            hint="Only for the first administrator, who chooses it here.",
        ),
        _password(
            "New password",
            "password",
            "new-password",
            frame=frame,
            required=False,
            hint=f"{_hint(least)} Leave it empty where the link only signs you in.",
        ),
        element("button", "Go on", class_="main"),
    )
    return _page(frame, "One-time link", _card("You were given a link", form), narrow=True)


def draw_message(frame: Frame, title: str, text: str) -> bytes:
    """Return a page that says something."""
    links = element("p", element("a", "Account", href=f"{frame.root}/auth/account"))
    return _page(frame, title, _card(title, element("p", text), links), narrow=True)


def draw_account(
    frame: Frame,
    account: Account,
    *,
    sessions: Sequence[SessionRecord],
    keys: Sequence[KeyRecord],
    sid: str,
    least: int,
) -> bytes:
    """Return the page of one's own account."""
    return _page(
        frame,
        "Account",
        _card(
            account.name,
            element("p", f"{LEVELS.get(account.level, 'level')}, level {account.level}"),
        ),
        _section("Sessions", _sessions(frame, sessions, sid)),
        _section("API keys", _keys(frame, keys), _new_key(frame, account)),
        _section("Password", _new_password(frame, account, least)),
    )


def draw_users(
    frame: Frame, found: Sequence[Account], events: Sequence[AuditEvent], own: str
) -> bytes:
    """Return the page on which administrators look after all accounts."""
    names = {each.uid: each.name for each in found}
    return _page(
        frame,
        "Users",
        _section("Users", _users(frame, found, own), _new_user(frame)),
        _section("What happened", _events(events, names)),
    )


# -- parts ---------------------------------------------------------------------------------


def _sessions(frame: Frame, sessions: Iterable[SessionRecord], sid: str) -> Markup:
    rows = [
        (
            "this one" if each.sid == sid else "",
            "browser" if each.kind == "cookie" else "program",
            each.agent or "unknown",
            each.client,
            _time(each.created_at),
            _time(each.seen_at),
            _button(frame, "/auth/account/end-session", "End", sid=each.sid, what=each.agent),
        )
        for each in sessions
    ]
    heads = ("", "Kind", "Client", "Address", "Began", "Renewed", "")
    others = _button(frame, "/auth/account/end-others", "End all others")
    return element("div", _table("Where you are signed in", heads, rows), others, class_="card")


def _keys(frame: Frame, keys: Sequence[KeyRecord]) -> Markup:
    rows = [
        (
            each.title,
            element("code", f"pbk_{each.id}_…"),
            str(each.level),
            ", ".join(each.scopes) or "everything",
            "never" if each.expires_at is None else _time(each.expires_at),
            _button(frame, "/auth/account/end-key", "Delete", id=each.id, what=each.title),
        )
        for each in keys
    ]
    if not rows:
        return element("p", "You have none. A key lets a program act for you.")
    heads = ("Title", "Key", "Level", "May call", "Ends", "")
    return element("div", _table("Keys that act for you", heads, rows), class_="card")


def _new_key(frame: Frame, account: Account) -> Markup:
    levels = [level for level in LEVELS if level <= account.level]
    form = _form(
        frame,
        "/auth/account/add-key",
        _field("Title", "title", autocomplete="off", frame=frame),
        _field("Days", "days", type_="number", value="90", autocomplete="off", frame=frame),
        _choice("Level", "level", [(str(each), LEVELS[each]) for each in levels]),
        _field(
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
    return element("div", form, class_="card")


def _new_password(frame: Frame, account: Account, least: int) -> Markup:
    form = _form(
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
        _password("Current password", "current", "current-password", frame=frame),
        _password("New password", "password", "new-password", frame=frame, hint=_hint(least)),
        element("button", "Change it, and end all other sessions", class_="main"),
    )
    return element("div", form, class_="card")


def _users(frame: Frame, found: Iterable[Account], own: str) -> Markup:
    rows = [
        (
            each.name,
            _state(each),
            _level_form(frame, each),
            _time(each.created_at),
            [
                _button(
                    frame,
                    "/auth/users/enable" if each.disabled else "/auth/users/disable",
                    "Enable" if each.disabled else "Disable",
                    uid=each.uid,
                    what=each.name,
                ),
                _button(frame, "/auth/users/reset", "Reset", uid=each.uid, what=each.name),
            ]
            if each.uid != own
            else "you",
        )
        for each in found
    ]
    heads = ("Name", "State", "Level", "Made", "")
    return element("div", _table("Who may sign in", heads, rows), class_="card")


def _state(account: Account) -> str:
    if account.disabled:
        return "disabled"
    return "active" if account.has_password else "no password yet"


def _level_form(frame: Frame, account: Account) -> Markup:
    options = [(str(level), name) for level, name in LEVELS.items()]
    return _form(
        frame,
        "/auth/users/level",
        _hidden("uid", account.uid),
        _choice(f"Level of {account.name}", "level", options, chosen=str(account.level), bare=True),
        element("button", "Set", class_="small", aria_label=f"Set the level of {account.name}"),
        class_="line",
    )


def _new_user(frame: Frame) -> Markup:
    form = _form(
        frame,
        "/auth/users/add",
        _field("Name", "name", autocomplete="off", frame=frame),
        _choice("Level", "level", [(str(level), name) for level, name in LEVELS.items()]),
        element("button", "Add, and make a link", class_="main"),
        class_="row",
    )
    return element("div", form, class_="card")


def _events(found: Iterable[AuditEvent], names: dict[str, str]) -> Markup:
    rows = [
        (
            _time(each.at),
            each.event.replace("_", " "),
            names.get(each.uid, each.uid),
            names.get(each.actor, each.actor) if each.actor != each.uid else "",
            each.client,
            each.detail,
        )
        for each in found
    ]
    heads = ("When", "What", "Account", "By", "From", "More")
    return element("div", _table("The newest first", heads, rows), class_="card")


def _page(frame: Frame, title: str, *children: Child, narrow: bool = False) -> bytes:
    folder = frame.root + assets().folder
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} - {frame.app}"),
        element("link", rel="icon", type="image/svg+xml", href=f"{folder}/icon.svg"),
        element("link", rel="stylesheet", href=f"{folder}/style.css"),
        element("script", src=f"{folder}/auth.js", type="module"),
    )
    problem = (
        element("p", frame.problem, class_="alert", role="alert", tabindex="-1", id="problem")
        if frame.problem
        else None
    )
    done = element("p", frame.done, class_="done", role="status") if frame.done else None
    main = element("main", problem, done, children, id="main", class_="narrow" if narrow else None)
    skip = element("a", "Skip to the content", class_="skip", href="#main")
    body = element("body", skip, _header(frame, folder), main)
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n".encode()


def _header(frame: Frame, folder: str) -> Markup:
    root = frame.root
    links: list[Child] = []
    if frame.user:
        links.append(element("a", frame.user, href=f"{root}/auth/account"))
        if frame.is_admin:
            links.append(element("a", "Users", href=f"{root}/auth/users"))
        links.append(_button(frame, "/auth/sign-out", "Sign out"))
    return element(
        "header",
        element("img", src=f"{folder}/icon.svg", alt="", width="36", height="36"),
        element("p", element("a", frame.app, href=f"{root}/")),
        element("nav", links, aria_label="Account") if links else None,
        class_="board",
    )


def _section(title: str, *children: Child) -> Markup:
    name = f"section-{title.lower().replace(' ', '-')}"
    return element("section", element("h2", title, id=name), children, aria_labelledby=name)


def _card(title: str, *children: Child) -> Markup:
    return element("section", element("h1", title), children, class_="card")


def _form(frame: Frame, path: str, *children: Child, class_: str | None = None) -> Markup:
    return element("form", children, method="post", action=frame.root + path, class_=class_)


def _button(frame: Frame, path: str, text: str, *, what: str = "", **values: str) -> Markup:
    """Return a form that is one button."""
    hidden = [_hidden(name, value) for name, value in values.items()]
    label = f"{text}: {what}" if what else None
    return _form(
        frame,
        path,
        hidden,
        element("button", text, class_="small", aria_label=label),
        class_="line",
    )


def _hidden(name: str, value: str) -> Markup:
    return element("input", type="hidden", name=name, value=value)


def _field(
    label: str,
    name: str,
    *,
    frame: Frame,
    autocomplete: str,
    value: str = "",
    type_: str = "text",
    hint: str = "",
    required: bool = True,
) -> Markup:
    control = element(
        "input",
        type=type_,
        name=name,
        value=value or None,
        autocomplete=autocomplete,
        autocapitalize="none",
        spellcheck="false",
        required=required,
        aria_describedby="problem" if frame.problem else None,
    )
    return element("label", label, control, element("span", hint, class_="hint") if hint else None)


def _password(
    label: str,
    name: str,
    autocomplete: str,
    *,
    frame: Frame,
    hint: str = "",
    required: bool = True,
) -> Markup:
    return _field(
        label,
        name,
        frame=frame,
        autocomplete=autocomplete,
        type_="password",
        hint=hint,
        required=required,
    )


def _choice(
    label: str,
    name: str,
    options: Iterable[tuple[str, str]],
    *,
    chosen: str = "",
    bare: bool = False,
) -> Markup:
    control = element(
        "select",
        [element("option", text, value=value, selected=value == chosen) for value, text in options],
        name=name,
        aria_label=label if bare else None,
    )
    return control if bare else element("label", label, control)


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Child]]) -> Markup:
    head = element("tr", [element("th", each, scope="col") for each in heads])
    body = [element("tr", [element("td", cell) for cell in row]) for row in rows]
    table = element(
        "table", element("caption", caption), element("thead", head), element("tbody", body)
    )
    return element("div", table, class_="wide", tabindex="0", role="region", aria_label=caption)


def _time(moment: float) -> Markup:
    at = datetime.fromtimestamp(moment, UTC)
    return element("time", f"{at:%Y-%m-%d %H:%M} UTC", datetime=f"{at:%Y-%m-%dT%H:%M:%SZ}")


def _hint(least: int) -> str:
    return f"At least {least} characters; a few words are good."
