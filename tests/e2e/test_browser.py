"""The browser that the other tests look through."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.e2e.browser import Browser, BrowserError, Page

DOCUMENT = b"""<!doctype html><title>Sample</title><link rel=icon href=data:,>
<button id=press>Press</button><input id=name aria-label=Name><input id=file type=file>
<p id=out></p><a id=next href=/other>Other</a>
<script>
press.onclick = () => setTimeout(() => { out.textContent = "pressed " + name.value; }, 50);
document.getElementById("name").onkeydown = (event) => {
  if (event.key === "Enter") out.textContent = event.target.value;
};
file.onchange = async () => { out.textContent = await file.files[0].text(); };
</script>"""


class Sample(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(DOCUMENT)))
        self.end_headers()
        self.wfile.write(DOCUMENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Sample) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_click_and_what_follows_it_are_seen(page: Page, address: str) -> None:
    page.goto(address)
    page.click("#press")
    page.wait_for("document.getElementById('out').textContent.startsWith('pressed')")
    assert page.problems == []


def test_text_is_typed_and_keys_are_pressed(page: Page, address: str) -> None:
    page.goto(address)
    page.fill("#name", "Grüße")
    page.press("Enter")
    assert page.text("#out") == "Grüße"


def test_a_file_is_chosen(page: Page, address: str, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("from disk")
    page.goto(address)
    page.choose_files("#file", [tmp_path / "note.txt"])
    page.wait_for("document.getElementById('out').textContent === 'from disk'")


def test_waiting_goes_on_over_a_navigation(page: Page, address: str) -> None:
    page.goto(address)
    page.click("#next")
    page.wait_for("location.pathname === '/other'")
    assert page.requests == [address + "/", address + "/other"]


def test_a_wait_in_vain_says_what_is_on_the_page(page: Page, address: str) -> None:
    page.goto(address)
    with pytest.raises(TimeoutError, match="Other"):
        page.wait_for("window.never", timeout=0.2)


def test_an_error_in_the_page_is_a_problem(page: Page, address: str) -> None:
    page.goto(address)
    with pytest.raises(BrowserError, match="boom"):
        page.evaluate("(() => { throw new Error('boom'); })()")
    page.evaluate("setTimeout(() => { throw new Error('later'); })")
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 20))")
    assert any("later" in each for each in page.problems)


def test_roles_and_names_are_those_of_a_screen_reader(page: Page, address: str) -> None:
    page.goto(address)
    assert {("button", "Press"), ("textbox", "Name")} <= set(page.accessible())


def test_pages_do_not_share_their_storage(browser: Browser, address: str) -> None:
    with browser.page() as one, browser.page(scheme="dark", width=400) as other:
        one.goto(address)
        other.goto(address)
        one.evaluate("localStorage.setItem('mine', '1')")
        assert other.evaluate("localStorage.getItem('mine')") is None
        assert other.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        assert other.evaluate("innerWidth") == 400
