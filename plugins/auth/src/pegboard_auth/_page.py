"""What all pages have around them, and what they are made of. They work without a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from pegboard_auth._asset import assets
from pegboard_pages import Child, Markup, document, element

__all__ = [
    "Frame",
    "button",
    "card",
    "choice",
    "field",
    "form",
    "hidden",
    "hint_of",
    "moment",
    "page",
    "password_field",
    "section",
    "table",
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


def page(
    frame: Frame, title: str, *children: Child, narrow: bool = False, onward: str = ""
) -> bytes:
    """Return a page.

    Args:
        frame: What is around it.
        title: What it is called.
        children: What is on it.
        narrow: Whether it is one column.
        onward: Where it goes by itself, if anywhere.
    """
    folder = frame.root + assets().folder
    script = element("script", src=f"{folder}/auth.js", type="module")
    refresh = element("meta", http_equiv="refresh", content=f"0; url={onward}") if onward else None
    problem = (
        element("p", frame.problem, class_="alert", role="alert", tabindex="-1", id="problem")
        if frame.problem
        else None
    )
    done = element("p", frame.done, class_="done", role="status") if frame.done else None
    main = element("main", problem, done, children, id="main", class_="narrow" if narrow else None)
    skip = element("a", "Skip to the content", class_="skip", href="#main")
    return document(
        skip,
        _header(frame, folder),
        main,
        title=f"{title} - {frame.app}",
        assets=folder,
        head=[refresh, script],
    )


def _header(frame: Frame, folder: str) -> Markup:
    root = frame.root
    links: list[Child] = []
    if frame.user:
        links.append(element("a", frame.user, href=f"{root}/auth/account"))
        if frame.is_admin:
            links.append(element("a", "Users", href=f"{root}/auth/users"))
        links.append(button(frame, "/auth/sign-out", "Sign out"))
    return element(
        "header",
        element("img", src=f"{folder}/icon.svg", alt="", width="36", height="36"),
        element("p", element("a", frame.app, href=f"{root}/")),
        element("nav", links, aria_label="Account") if links else None,
        class_="board",
    )


def section(title: str, *children: Child) -> Markup:
    name = f"section-{title.lower().replace(' ', '-')}"
    return element("section", element("h2", title, id=name), children, aria_labelledby=name)


def card(title: str, *children: Child) -> Markup:
    return element("section", element("h1", title), children, class_="card")


def form(frame: Frame, path: str, *children: Child, class_: str | None = None) -> Markup:
    return element("form", children, method="post", action=frame.root + path, class_=class_)


def button(frame: Frame, path: str, text: str, *, what: str = "", **values: str) -> Markup:
    """Return a form that is one button."""
    fields = [hidden(name, value) for name, value in values.items()]
    label = f"{text}: {what}" if what else None
    return form(
        frame,
        path,
        fields,
        element("button", text, class_="small", aria_label=label),
        class_="line",
    )


def hidden(name: str, value: str) -> Markup:
    return element("input", type="hidden", name=name, value=value)


def field(
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


def password_field(
    label: str,
    name: str,
    autocomplete: str,
    *,
    frame: Frame,
    hint: str = "",
    required: bool = True,
) -> Markup:
    return field(
        label,
        name,
        frame=frame,
        autocomplete=autocomplete,
        type_="password",
        hint=hint,
        required=required,
    )


def choice(
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


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Child]]) -> Markup:
    head = element("tr", [element("th", each, scope="col") for each in heads])
    body = [element("tr", [element("td", cell) for cell in row]) for row in rows]
    table = element(
        "table", element("caption", caption), element("thead", head), element("tbody", body)
    )
    return element("div", table, class_="wide", tabindex="0", role="region", aria_label=caption)


def moment(moment: float) -> Markup:
    at = datetime.fromtimestamp(moment, UTC)
    return element("time", f"{at:%Y-%m-%d %H:%M} UTC", datetime=f"{at:%Y-%m-%dT%H:%M:%SZ}")


def hint_of(least: int) -> str:
    return f"At least {least} characters; a few words are good."
