"""The page of the API explorer: the frame that its script fills."""

from __future__ import annotations

from pegboard_pages import document, element

__all__ = ["draw_docs"]


def draw_docs(*, title: str, root: str, assets: str) -> bytes:
    """Return the page.

    Args:
        title: Name of the app.
        root: Path that the app is mounted at, empty for none.
        assets: Path of the folder with script, style and icon.
    """
    skip = element("a", "Skip to the export", class_="skip", href="#main")
    header = element(
        "header",
        element("img", src=f"{assets}/icon.svg", alt="", width="36", height="36"),
        element("p", element("a", title, href=f"{root}/"), element("span", "API explorer")),
        class_="board slim",
    )
    needs_script = element("noscript", element("p", "The explorer needs JavaScript."))
    sidebar = element(
        "nav",
        element("label", "Find", for_="find"),
        element(
            "input", id="find", type="search", autocomplete="off", placeholder="mod or function"
        ),
        element("div", id="exports"),
        aria_label="Exports",
    )
    main = element(
        "main", needs_script, element("p", "Loading", role="status"), id="main", tabindex="-1"
    )
    script = element("script", type="module", src=f"{assets}/explorer.js")
    frame = element("div", sidebar, main, class_="explorer")
    return document(
        skip, header, frame, script, title=f"{title}: API explorer", root=root, assets=assets
    )
