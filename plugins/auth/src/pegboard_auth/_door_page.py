"""The pages for those who come: sign-in, sign-up, one-time links, messages."""

from __future__ import annotations

from collections.abc import Sequence

from pegboard_auth._page import (
    Frame,
    button,
    card,
    field,
    form,
    hidden,
    hint_of,
    page,
    password_field,
    section,
)
from pegboard_pages import Markup, element

__all__ = ["draw_link", "draw_message", "draw_onward", "draw_sign_in", "draw_sign_up"]


def draw_sign_in(
    frame: Frame,
    *,
    name: str,
    onward: str,
    sign_up: bool,
    mail: bool,
    providers: Sequence[tuple[str, str]],
) -> bytes:
    """Return the page to sign in.

    Args:
        frame: What is around it.
        name: What was typed as the name before.
        onward: Where to go then.
        sign_up: Whether anybody may make an account.
        mail: Whether links can be sent by mail.
        providers: Where else people may sign in: names in the settings, and what people read.
    """
    more = element("a", "Make an account", href=f"{frame.root}/auth/sign-up") if sign_up else None
    drawn = form(
        frame,
        "/auth/sign-in",
        hidden("next", onward),
        field("Name", "name", value=name, autocomplete="username", frame=frame),
        password_field("Password", "password", "current-password", frame=frame),
        element("button", "Sign in", class_="main"),
        element("p", more) if more else None,
    )
    elsewhere = [
        button(frame, "/auth/provider", f"Sign in with {title}", provider=each, next=onward)
        for each, title in providers
    ]
    return page(
        frame,
        "Sign in",
        card("Sign in", drawn),
        section("Elsewhere", element("div", elsewhere, class_="card")) if elsewhere else None,
        section("Forgotten", element("div", _forgotten(frame), class_="card")) if mail else None,
        narrow=True,
    )


def draw_onward(frame: Frame, address: str) -> bytes:
    """Return a page that goes on by itself.

    A redirect would not do: to another site, the policy of the form forbids it, and one that
    another site began shows us no strict cookie.
    """
    link = element("p", element("a", "Go on", href=address))
    return page(frame, "Going on", card("Going on", link), narrow=True, onward=address)


def draw_sign_up(frame: Frame, *, name: str, least: int) -> bytes:
    """Return the page to make an account."""
    drawn = form(
        frame,
        "/auth/sign-up",
        field("Name", "name", value=name, autocomplete="username", frame=frame),
        password_field("Password", "password", "new-password", frame=frame, hint=hint_of(least)),
        element("button", "Make the account", class_="main"),
        element("p", element("a", "I have one", href=f"{frame.root}/auth/sign-in")),
    )
    return page(frame, "Make an account", card("Make an account", drawn), narrow=True)


def draw_link(frame: Frame, *, least: int, name: str, code: str) -> bytes:
    """Return the page that a one-time link leads to, with what was sent from it before."""
    shown = field("Code of the link", "code", value=code, autocomplete="off", frame=frame)
    drawn = form(
        frame,
        "/auth/link",
        shown,
        field(
            "Name",
            "name",
            value=name,
            autocomplete="username",
            frame=frame,
            required=False,
            hint="Only for the first administrator, who chooses it here.",
        ),
        password_field(
            "New password",
            "password",
            "new-password",
            frame=frame,
            required=False,
            hint=f"{hint_of(least)} Leave it empty where the link only signs you in.",
        ),
        element("button", "Go on", class_="main"),
    )
    return page(frame, "One-time link", card("You were given a link", drawn), narrow=True)


def _forgotten(frame: Frame) -> Markup:
    return form(
        frame,
        "/auth/send-link",
        field("Name or mail address", "name", autocomplete="username", frame=frame),
        element("button", "Send me a link", class_="main"),
    )


def draw_message(frame: Frame, title: str, text: str) -> bytes:
    """Return a page that says something."""
    links = element("p", element("a", "Account", href=f"{frame.root}/auth/account"))
    return page(frame, title, card(title, element("p", text), links), narrow=True)
