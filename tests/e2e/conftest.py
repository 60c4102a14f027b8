"""What end-to-end tests may use: a real browser."""

import os
from collections.abc import Iterator

import pytest

from tests.e2e.browser import Browser, MissingBrowserError, Page, require_chromium


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count the time of the test alone: the first one may have to install the browser."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(60, func_only=True))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, installed first where that is possible; its absence fails the test in CI."""
    try:
        command = require_chromium()
    except MissingBrowserError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    browser = Browser(command)
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page, 1200 by 900 pixels, light; `browser.page(...)` opens others."""
    with browser.page() as page:
        yield page
