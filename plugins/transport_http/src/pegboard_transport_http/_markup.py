"""HTML that is safe by construction: text is escaped, only elements made here are not."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

__all__ = ["Child", "Markup", "element", "page"]

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = str | Iterable["Child"] | None


def element(tag: str, /, *children: Child, **attributes: str | bool | None) -> Markup:
    """Return an element.

    Args:
        tag: Name of the element.
        children: Text, which is escaped; elements; iterables of both. None is left out.
        attributes: `class_` is `class`, an underscore inside is a hyphen; True is an attribute
            without a value, None and False leave it out.
    """
    opened = f"<{tag}{''.join(map(_attribute, attributes.items()))}>"
    if tag in _VOID:
        return Markup(opened)
    return Markup(f"{opened}{_content(children)}</{tag}>")


def page(*children: Child, title: str, root: str, assets: str) -> bytes:
    """Return a whole document.

    Args:
        children: What is in its body.
        title: Its title.
        root: Path that the app is mounted at, empty for none.
        assets: Path of the folder with style and icon.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("link", rel="icon", type="image/svg+xml", href=f"{assets}/icon.svg"),
        element("link", rel="stylesheet", href=f"{assets}/style.css"),
    )
    body = element("body", *children)
    return f"<!doctype html>\n{element('html', head, body, lang='en', data_root=root)}\n".encode()


def _content(children: Iterable[Child]) -> str:
    return "".join(map(_one, children))


def _one(child: Child) -> str:
    if child is None or isinstance(child, Markup):
        return child or ""
    return escape(child) if isinstance(child, str) else _content(child)


def _attribute(item: tuple[str, str | bool | None]) -> str:
    name, value = item
    if value is None or value is False:
        return ""
    shown = name.rstrip("_").replace("_", "-")
    return f" {shown}" if value is True else f' {shown}="{escape(str(value))}"'
