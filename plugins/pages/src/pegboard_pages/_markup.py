"""HTML that is safe by construction: text is escaped, only elements made here are not."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

__all__ = ["Child", "Markup", "element"]

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
