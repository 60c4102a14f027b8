"""Whole documents."""

from __future__ import annotations

from pegboard_pages._markup import Child, element

__all__ = ["document"]


def document(
    *children: Child, title: str, assets: str, root: str | None = None, head: Child = None
) -> bytes:
    """Return a whole document.

    Args:
        children: What is in its body.
        title: Its title.
        assets: Path of the folder with `style.css` and `icon.svg`.
        root: Path that the app is mounted at, for scripts; None where no script asks.
        head: What else is in its head.
    """
    first = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("link", rel="icon", type="image/svg+xml", href=f"{assets}/icon.svg"),
        element("link", rel="stylesheet", href=f"{assets}/style.css"),
        head,
    )
    html = element("html", first, element("body", *children), lang="en", data_root=root)
    return f"<!doctype html>\n{html}\n".encode()
