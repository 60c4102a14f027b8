"""The index page: what is running here, for people."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import quote

from pegboard import Export, Page
from pegboard_pages import Markup, document, element
from pegboard_transport_http._docstring import parse_docstring
from pegboard_transport_http._options import HttpOptions

if TYPE_CHECKING:
    from pegboard import App
    from pegboard_transport_http._health import HealthReport

__all__ = ["draw_index", "draw_not_found", "level_name"]

_logger = logging.getLogger("pegboard.http")

_LEVELS = ((10, "administrators"), (5, "moderators"), (1, "signed in"))

_STATUS = {
    "ok": "Everything works",
    "degraded": "Something was left out",
    "failing": "A check fails",
    "stopping": "Stopping",
}

_FIRST_MOD = '''\
from pegboard import get_app

export = get_app().export

@export(api=True)
def hello(name: str = "world") -> str:
    """Greet somebody."""
    return f"Hello, {name}!"
'''


def draw_index(app: App, report: HealthReport, *, root: str, assets: str) -> bytes:
    """Return the index page.

    Args:
        app: What is shown. Why something has failed is shown in development only.
        report: How it is.
        root: Path that the app is mounted at, empty for none.
        assets: Path of the folder with style and icon.
    """
    exports = [each for each in app.registry if _is_shown(each)]
    main = element(
        "main",
        _pages(app, exports, root),
        _mods(app, exports, root),
        _plugins(app),
        _checks(report),
        id="main",
    )
    mods = {each.mod for each in exports}
    facts = f" {_count(len(mods), 'mod')}, {_count(len(app.plugins.active), 'plugin')}"
    header = _header(app.name, report, facts, root=root, assets=assets)
    return document(_SKIP, header, main, _FOOTER, title=app.name, root=root, assets=assets)


def draw_not_found(*, root: str, assets: str) -> bytes:
    """Return the page that says that there is nothing at an address."""
    main = element(
        "main",
        element(
            "div",
            element("p", "404", class_="big"),
            element("h1", "There is nothing at this address"),
            element("p", element("a", "See what is running here", href=f"{root}/")),
            class_="nothing",
        ),
    )
    return document(main, title="Not found", root=root, assets=assets)


def level_name(level: int) -> str:
    """Return who may call an export of a level, empty for anyone."""
    return next((name for least, name in _LEVELS if level >= least), "")


# -- parts of the page ---------------------------------------------------------------------


_SKIP = element("a", "Skip to the content", class_="skip", href="#main")

_FOOTER = element(
    "footer", element("p", "Served by Pegboard. Everything here is a plugin or a mod.")
)


def _header(name: str, report: HealthReport, facts: str, *, root: str, assets: str) -> Markup:
    kind = f"pill {report.status}"
    pill = element("a", _STATUS[report.status], href=f"{root}/health", class_=kind)
    links = (("docs", "API explorer"), ("openapi.json", "OpenAPI"), ("health", "Health"))
    return element(
        "header",
        element("img", src=f"{assets}/icon.svg", alt="", width="56", height="56"),
        element("div", element("h1", name), element("p", pill, facts)),
        element(
            "nav",
            [element("a", text, href=f"{root}/{path}") for path, text in links],
            aria_label="Descriptions",
        ),
        class_="board",
    )


def _pages(app: App, exports: list[Export], root: str) -> Markup | None:
    found = [*map(_export_page, filter(_is_page, exports)), *_plugin_pages(app)]
    if not found:
        return None
    cards = [
        element(
            "li",
            element("a", each.title, href=root + each.path),
            element("p", each.summary) if each.summary else None,
        )
        for each in sorted(found, key=lambda one: one.title.casefold())
    ]
    return _section("Pages", element("ul", cards, class_="cards"))


def _plugin_pages(app: App) -> Iterator[Page]:
    for plugin, pages in app.hooks.all("pages", app=app):
        for each in pages:
            if isinstance(each, Page) and each.path.startswith("/"):
                yield each
            else:
                _logger.error("plugin %s names %r, which is no page of this server", plugin, each)


def _is_shown(export: Export) -> bool:
    is_served = export.options.api or _socket(export) is not None
    return is_served and not export.internal and export.option(HttpOptions).listed


def _is_page(export: Export) -> bool:
    return export.option(HttpOptions).page is not None and "GET" in export.methods


def _export_page(export: Export) -> Page:
    title = export.option(HttpOptions).page or export.name
    path = f"/api/{quote(f'{export.mod}/{export.name}')}"
    return Page(title=title, path=path, summary=_summary(export))


def _mods(app: App, exports: list[Export], root: str) -> Markup:
    grouped = [
        _mod(name, list(group), root)
        for name, group in groupby(
            sorted(exports, key=lambda one: one.address), key=lambda one: one.mod
        )
    ]
    failed = [
        element("li", element("h3", name), _failure(app, each.reason), class_="broken")
        for name, each in app.mods.status.items()
        if each.state == "failed"
    ]
    failed += [
        element("li", element("h3", name), _rejection(app, each.rejected), class_="broken")
        for name, each in app.mods.status.items()
        if each.rejected
    ]
    if not grouped and not failed:
        return _section("Mods", *_NOTHING_YET)
    return _section("Mods", element("ul", failed, grouped, class_="mods"))


_NOTHING_YET = (
    element(
        "p",
        "No mod exports anything yet. Save this as ",
        element("code", "mods/hello.py"),
        " in the folder of your project, and start again:",
    ),
    element("pre", element("code", _FIRST_MOD)),
)


def _mod(name: str, exports: list[Export], root: str) -> Markup:
    module = getattr(exports[0].function, "__globals__", {}).get("__doc__")
    summary = parse_docstring(module).summary
    return element(
        "li",
        element("h3", name),
        element("p", summary) if summary else None,
        element("ul", [_export(each, root) for each in exports], class_="exports"),
    )


def _export(export: Export, root: str) -> Markup:
    socket = _socket(export)
    if socket:
        code = element("code", f"/ws/{export.mod}/{socket}")
        return element("li", element("span", "WebSocket", class_="method"), code)
    who = level_name(export.required_level)
    return element(
        "li",
        element("span", " ".join(export.methods), class_="method"),
        element("a", element("code", export.name), href=f"{root}/docs#{quote(export.address)}"),
        element("span", who, class_="level") if who else None,
        element("span", _summary(export), class_="summary"),
    )


def _summary(export: Export) -> str:
    return export.options.helper or parse_docstring(export.function.__doc__).summary


def _socket(export: Export) -> str | None:
    """Return the name of the WebSocket handler that an export registers, if it does."""
    name = export.declaration.plugin_options.get("websocket_handler")
    return name if isinstance(name, str) else None


def _plugins(app: App) -> Markup | None:
    rows = [
        element(
            "li",
            element("span", each.state, class_=f"state {each.state}"),
            element("strong", name),
            element("span", manifest.summary if manifest else "", class_="summary"),
            _failure(app, each.reason) if each.state in {"failed", "incompatible"} else None,
            _rejection(app, each.rejected) if each.rejected else None,
        )
        for name, each in sorted(app.plugins.status.items())
        for manifest in [each.candidate.manifest]
    ]
    return _section("Plugins", element("ul", rows, class_="plugins")) if rows else None


def _failure(app: App, reason: str) -> Markup:
    """Say why something has failed, which may name paths, only to those who develop it."""
    shown = reason if app.dev else "It has failed; the log says why."
    return element("p", shown, class_="reason")


def _rejection(app: App, reason: str) -> Markup:
    """Say that what is shown is not the newest code."""
    why = reason if app.dev else "The log says why."
    shown = f"Its newest code does not serve, the code before does. {why}"
    return element("p", shown, class_="reason")


def _checks(report: HealthReport) -> Markup | None:
    rows = [
        element(
            "li",
            element("span", "works" if each.ok else "fails", class_=f"state {_state(ok=each.ok)}"),
            element("strong", f"{each.plugin}: {each.name}"),
            element("span", each.detail, class_="summary"),
        )
        for each in report.checks
    ]
    return _section("Checks", element("ul", rows, class_="plugins")) if rows else None


def _state(*, ok: bool) -> str:
    return "active" if ok else "failed"


def _section(title: str, *children: Markup) -> Markup:
    name = title.lower()
    heading = element("h2", title, id=name)
    return element("section", heading, *children, aria_labelledby=name)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
