"""The index page and the API explorer, in a real browser on a real server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from pegboard import App, RequestData, Result
from pegboard_transport_http import UploadedFile
from tests.e2e.browser import Browser, Page
from tests.served import served

WIDTHS = (1200, 700, 360)


def make_app() -> App:
    app = App("Workshop <1>", plugins=["transport_http"], mods=[])
    export = app.export

    @export(mod_name="shop", api=True)
    def add(a: int, b: int = 2) -> int:
        """Add two numbers.

        Args:
            a: The first of both.
        """
        return a + b

    @export(mod_name="shop", api=True)
    def paint(colour: Literal["red", "blue"], glossy: bool = False) -> str:
        """Paint it."""
        return f"{colour} {glossy}"

    @export(mod_name="shop", api=True, api_methods=["POST"])
    def order(items: list[str], notes: dict[str, Any] | None = None) -> list[Any]:
        """Order things."""
        return [items, notes]

    @export(mod_name="shop", api=True, api_methods=["POST"])
    def upload(form_data: dict[str, Any]) -> dict[str, Any]:
        """Take a form with files."""
        file = form_data["file"]
        return {"size": len(file["content_base64"]), "name": file["filename"]}

    @export(mod_name="shop", api=True)
    def weigh(parcels: list[UploadedFile], note: str = "") -> list[Any]:
        """Weigh parcels."""
        return [note, *(len(each.read()) for each in parcels)]

    @export(mod_name="shop", api=True, level=10)
    def close() -> None:
        """Close the shop."""

    @export(mod_name="shop", api=True)
    def picture() -> Result[Any]:
        """Answer a picture."""
        return Result.binary(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml")

    @export(mod_name="shop", api=True)
    def markup() -> Result[Any]:
        """Answer a page that must not run here."""
        return Result.html("<script>parent.document.title = 'taken over'</script>")

    @export(mod_name="shop", api=True, api_methods=["GET"])
    def whoami(request: RequestData) -> str | None:
        """Tell what came along."""
        return request.headers.authorization

    @export(mod_name="clock", api=True, page="Clock")
    async def ticks(to: int = 3):
        """Count, one by one."""
        for number in range(to):
            yield {"event": "tick", "data": number}

    return app


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(make_app()) as address:
        yield address


@pytest.fixture
def explorer(page: Page, address: str) -> Page:
    page.goto(f"{address}/docs")
    page.wait_for("document.querySelector('#exports a')")
    return page


def choose(page: Page, name: str) -> None:
    page.click(f"#exports a[data-address='{name}']")
    page.wait_for(f"document.querySelector('#main h1').innerText === '{name}'")


def answer(page: Page) -> str:
    page.wait_for("document.querySelector('.answer .outcome')")
    return page.text(".answer")


def test_the_index_page_leads_to_the_explorer_of_an_export(page: Page, address: str) -> None:
    page.goto(address)
    assert page.text("h1") == "Workshop <1>"
    page.click(".exports a[href$='shop.add']")
    page.wait_for("document.querySelector('#main h1')?.innerText === 'shop.add'")
    assert page.problems == []


def test_an_export_is_called_with_what_is_typed(explorer: Page) -> None:
    choose(explorer, "shop.add")
    assert "The first of both." in explorer.text("#main")
    explorer.fill(".field input", "40")
    explorer.click("button[type=submit]")
    assert '"data": 42' in answer(explorer)
    assert explorer.requests[-1].endswith("/api/shop/add?a=40")
    assert explorer.problems == []


def test_the_same_goes_by_another_method_and_by_keyboard(explorer: Page) -> None:
    choose(explorer, "shop.add")
    explorer.click(".methods label:nth-of-type(2)")
    explorer.fill(".field input", "1")
    explorer.press("Enter")
    assert '"data": 3' in answer(explorer)
    assert explorer.requests[-1].endswith("/api/shop/add")


def test_a_refusal_is_shown_as_what_it_is(explorer: Page) -> None:
    choose(explorer, "shop.add")
    explorer.fill(".field input", "many")
    explorer.click("button[type=submit]")
    shown = answer(explorer)
    assert "400" in shown
    assert "argument `a`" in shown


def test_choices_are_offered_and_sent(explorer: Page) -> None:
    choose(explorer, "shop.paint")
    explorer.evaluate("document.querySelectorAll('.field select')[0].value = '\"blue\"'")
    explorer.evaluate("document.querySelectorAll('.field select')[1].value = 'true'")
    explorer.click("button[type=submit]")
    assert "blue True" in answer(explorer)


def test_what_has_to_be_json_and_is_not_is_marked_and_not_sent(explorer: Page) -> None:
    choose(explorer, "shop.order")
    explorer.fill(".field textarea", '["tea"')
    explorer.click("button[type=submit]")
    assert "has to be JSON" in explorer.text(".wrong")
    assert explorer.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
    assert not any("/api/" in each for each in explorer.requests)
    explorer.fill(".field textarea", '["tea"]')
    explorer.click("button[type=submit]")
    assert '"tea"' in answer(explorer)


def test_a_file_is_sent_with_a_form(explorer: Page, tmp_path: Path) -> None:
    (tmp_path / "grüße.txt").write_bytes(b"123")
    choose(explorer, "shop.upload")
    explorer.click(".actions button:nth-of-type(2)")
    explorer.choose_files("input[type=file]", [tmp_path / "grüße.txt"])
    explorer.click("button[type=submit]")
    shown = answer(explorer)
    assert '"size": 4' in shown
    assert "grüße.txt" in shown


def test_files_that_an_export_takes_by_name_are_chosen_there(
    explorer: Page, tmp_path: Path
) -> None:
    paths = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for path in paths:
        path.write_bytes(path.name.encode() * len(path.name))
    choose(explorer, "shop.weigh")
    explorer.choose_files("input[type=file]", paths)
    explorer.fill(".field input[type=text]", "fragile")
    explorer.click("button[type=submit]")
    shown = answer(explorer)
    assert '"fragile"' in shown
    assert shown.count("49") == 2


def test_events_are_shown_as_they_come(explorer: Page) -> None:
    choose(explorer, "clock.ticks")
    explorer.click(".actions button[type=button]")
    explorer.wait_for("document.querySelector('.outcome')?.innerText.includes('ended')")
    assert explorer.text(".events").split() == [
        "stream_start",
        '{"id":"0"}',
        *("tick", "0", "tick", "1", "tick", "2"),
        "stream_end",
        '{"id":"final"}',
    ]


def test_a_level_is_shown_and_a_token_is_sent(explorer: Page) -> None:
    choose(explorer, "shop.close")
    assert "needs level 10: administrators" in explorer.text(".facts")
    explorer.click("button[type=submit]")
    assert "401" in answer(explorer)
    choose(explorer, "shop.whoami")
    explorer.evaluate("document.querySelector('#token').closest('details').open = true")
    explorer.fill("#token", "abc")
    explorer.click("button[type=submit]")
    assert "Bearer abc" in answer(explorer)


def test_a_picture_is_shown_and_a_page_is_shown_as_text(explorer: Page) -> None:
    choose(explorer, "shop.picture")
    explorer.click("button[type=submit]")
    explorer.wait_for("document.querySelector('.answer img')")
    choose(explorer, "shop.markup")
    explorer.click("button[type=submit]")
    assert "<script>" in answer(explorer)
    assert explorer.evaluate("document.title").startswith("shop.markup")
    assert explorer.problems == []


def test_a_call_is_shown_as_a_command(explorer: Page) -> None:
    choose(explorer, "shop.order")
    explorer.fill(".field textarea", '["it\'s"]')
    explorer.evaluate("[...document.querySelectorAll('summary')][1].click()")
    command = explorer.wait_for("document.querySelector('details pre').innerText")
    assert "-X POST" in command
    assert r"""'{"items":["it'\''s"]}'""" in command


def test_the_list_is_searched(explorer: Page) -> None:
    explorer.press("/")
    explorer.fill("#find", "one by one")
    explorer.wait_for("document.querySelectorAll('#exports a').length === 1")
    explorer.fill("#find", "nothing like it")
    assert "Nothing is called that" in explorer.text("#exports")


def test_nothing_is_asked_of_anybody_else_and_nothing_is_refused(
    explorer: Page, address: str
) -> None:
    choose(explorer, "clock.ticks")
    explorer.goto(f"{address}/")
    explorer.goto(f"{address}/nowhere")
    assert [each for each in explorer.requests if not each.startswith(address)] == []
    assert [each for each in explorer.problems if "404" not in each] == []


def test_each_field_and_landmark_has_a_name(explorer: Page) -> None:
    choose(explorer, "shop.add")
    told = explorer.accessible()
    assert {("navigation", "Exports"), ("searchbox", "Find"), ("textbox", "a")} <= set(told)
    assert ("heading", "shop.add") in told
    unnamed = [role for role, name in told if role in {"button", "link", "textbox"} and not name]
    assert unnamed == []


def test_everything_is_reached_by_keyboard(explorer: Page) -> None:
    reached = set()
    for _ in range(30):
        explorer.press("Tab")
        reached.add(explorer.evaluate("document.activeElement.textContent.trim()"))
    assert {"Skip to the export", "add", "ticks"} <= reached


@pytest.mark.parametrize("path", ["/", "/docs#shop.order", "/docs", "/nowhere"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_window_is_too_narrow(browser: Browser, address: str, path: str, width: int) -> None:
    with browser.page(width=width) as page:
        page.goto(address + path)
        page.wait_for("document.querySelector('h1')")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


CONTRAST = """(() => {
  const channel = (value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      const parts = numbers(colour);
      if (colour.startsWith("rgb") && (parts[3] ?? 1) === 1) return parts;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [ink, paper] = [light(numbers(getComputedStyle(element).color)), light(ground(element))];
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (contrast < 4.5) poor.push(`${texts.currentNode.data.trim()}: ${contrast.toFixed(2)}`);
  }
  return poor;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/docs", "/docs#shop.close", "/nowhere"])
def test_all_text_can_be_read_by_weak_eyes(
    browser: Browser, address: str, scheme: str, path: str
) -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    with browser.page(scheme=scheme) as page:
        page.goto(address + path)
        page.wait_for("document.querySelector('h1')")
        assert page.evaluate(CONTRAST) == []


# -- the parts of the explorer that touch no page ------------------------------------------


@pytest.fixture
def parts(explorer: Page) -> Page:
    folder = "document.querySelector('script[src]').src.replace('explorer.js', '')"
    names = ("description", "events", "request")
    explorer.evaluate(
        f"Promise.all({list(names)!r}.map((each) => import({folder} + each + '.js')))"
        ".then((all) => { globalThis.parts = Object.assign({}, ...all); })"
    )
    return explorer


@pytest.mark.parametrize(
    ("chunks", "events"),
    [
        (["data: a\n\n"], [["message", "a", ""]]),
        (["event: x\r", "\ndata: a\r\n\r", "\n"], [["x", "a", ""]]),
        (["data: a\ndata:  b\n", "\n"], [["message", "a\n b", ""]]),
        (["id: 7\ndata\n\n", "data: b\n\n"], [["message", "", "7"], ["message", "b", "7"]]),
        ([": comment\n\nevent: x\n\n"], []),
        (["data: a\rdata: b\r\rx"], [["message", "a\nb", ""]]),
        (["data: never ended\n"], []),
    ],
)
def test_events_are_read_in_any_pieces(parts: Page, chunks: list[str], events: list[Any]) -> None:
    script = (
        "(() => { const reader = new parts.EventReader();"
        f"return {json.dumps(chunks)}.flatMap((each) => reader.feed(each))"
        ".map((each) => [each.event, each.data, each.id]); })()"
    )
    assert parts.evaluate(script) == events


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({}, "anything"),
        ({"type": "integer", "minimum": 1}, "integer (from 1)"),
        ({"type": "string", "format": "uuid"}, "string (uuid)"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer | null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Item"}}, "list of Item"),
        ({"enum": ["a", 1]}, '"a" | 1'),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "object of string"),
        ({"type": ["string", "null"]}, "string | null"),
    ],
)
def test_a_schema_is_said_in_few_words(parts: Page, schema: dict[str, Any], text: str) -> None:
    assert parts.evaluate(f"parts.typeText({json.dumps(schema)})") == text


def test_a_sample_of_a_type_that_holds_itself_ends(parts: Page) -> None:
    tree = {"type": "object", "required": ["child"], "properties": {"child": {"$ref": "#/a"}}}
    sample = parts.evaluate(f"parts.sampleOf({json.dumps({'a': tree})}, {{$ref: '#/a'}})")
    assert sample == {"child": {"child": {"child": {"child": {}}}}}
