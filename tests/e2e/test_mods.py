"""The pages of the mods, in a real browser on a real server."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus
from anyio.from_thread import start_blocking_portal

from pegboard import App, Session, hookimpl
from pegboard.contracts.server import ServeSettings
from pegboard_server_uvicorn import UvicornServer
from tests.e2e.browser import Browser, Page

PAGES = ["chat", "clock", "files", "repository", "system"]
LEVELS = {"ada": 1, "ben": 1, "mod": 5}


class Accounts:
    """Whoever says in a cookie who they are is believed."""

    @hookimpl
    def load_session(self, app: App, connection: Any) -> Any:
        return self._load(str(connection.headers.get("cookie") or ""))

    async def _load(self, cookie: str) -> Session | None:
        name = cookie.partition("user=")[2].partition(";")[0]
        if name not in LEVELS:
            return None
        level = LEVELS[name]
        return Session(user_name=name, user_id=name, level=level, validated=True, anonymous=False)


PLUGINS = ["transport_http", "transport_ws", "locking", Accounts()]


@contextmanager
def served(project: Path, port: int = 0) -> Iterator[str]:
    """Serve the mods from a thread; the address is that of the API."""
    listener = socket.create_server(("127.0.0.1", port))
    with listener, start_blocking_portal() as portal:
        running, stop = portal.start_task(_serve, project, listener.fileno())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        finally:
            portal.call(stop)
            running.result(20)


async def _serve(project: Path, descriptor: int, *, task_status: TaskStatus[Any]) -> None:
    end = anyio.Event()
    async with App("e2e", project=project, plugins=PLUGINS, mods=PAGES) as app:

        def stop() -> None:
            app.stopping.set()
            end.set()

        await UvicornServer().serve(
            app.asgi(),
            ServeSettings(shutdown_timeout=2),
            sockets=[descriptor],
            started=lambda: task_status.started(stop),
            stop=end,
        )


@pytest.fixture
def api(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path) as address:
        yield address


def join(page: Page, api: str, name: str) -> None:
    page.goto(f"{api}/chat/page")
    page.fill("#name", name)
    page.press("Enter")
    page.wait_for("document.querySelector('#status').textContent.startsWith('You are')")


def say(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.press("Enter")


def hears(page: Page, text: str) -> None:
    page.wait_for(f"document.querySelector('#messages').innerText.includes({text!r})")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("width", "scheme"), [(1200, "light"), (1200, "dark"), (360, "light"), (360, "dark")]
)
def test_a_page_fits_its_window_and_asks_for_nothing_from_elsewhere(
    browser: Browser, api: str, name: str, width: int, scheme: str
) -> None:
    with browser.page(width=width, scheme=scheme) as page:
        page.goto(f"{api}/{name}/page")
        page.wait_for("document.querySelector('h1').innerText")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.problems == []
        assert [
            each for each in page.requests if not each.startswith(api.removesuffix("/api"))
        ] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_reader_of_the_page_is_told_what_everything_is(
    browser: Browser, api: str, name: str
) -> None:
    with browser.page() as page:
        page.goto(f"{api}/{name}/page")
        page.wait_for("document.querySelector('h1').innerText")
        nameless = [
            role
            for role, text in page.accessible()
            if role in {"button", "textbox", "searchbox", "link", "progressbar", "log"} and not text
        ]
        assert nameless == []
        assert page.evaluate("document.documentElement.lang") == "en"


def test_two_visitors_talk(browser: Browser, api: str) -> None:
    with browser.page() as ada, browser.page() as bob:
        join(ada, api, "Ada")
        join(bob, api, "Bob")
        hears(ada, "Bob has joined the chat.")
        assert ada.text("#here").split("\n") == ["Ada (you)", "Bob"]
        say(ada, "Hello Bob")
        hears(bob, "Hello Bob")
        say(bob, "<img src=x onerror=document.title='hacked'> & more")
        hears(ada, "<img src=x onerror=document.title='hacked'> & more")
        assert ada.evaluate("document.title") == "Chat · Pegboard"
        assert ada.evaluate("document.activeElement.id") == "text"
        bob.goto(f"{api}/clock/page")
        hears(ada, "Bob has left the chat.")
        assert ada.text("#count") == "1"
        assert ada.problems == bob.problems == []


def test_a_message_may_have_several_lines(browser: Browser, api: str) -> None:
    with browser.page() as page:
        join(page, api, "Ada")
        page.fill("#text", "one")
        page.press("Enter", shift=True)
        page.command("Input.insertText", text="two")
        page.press("Enter")
        hears(page, "one\ntwo")
        assert page.evaluate("document.querySelector('#text').value") == ""


def test_the_chat_comes_back_by_itself(browser: Browser, tmp_path: Path) -> None:
    with browser.page() as page:
        with served(tmp_path) as api:
            join(page, api, "Ada")
            say(page, "before")
            hears(page, "before")
        page.wait_for("document.querySelector('#status').textContent.startsWith('Not connected')")
        assert page.evaluate("document.querySelector('#send').disabled")
        page.fill("#text", "kept while away")
        port = int(api.rpartition(":")[2].removesuffix("/api"))
        with served(tmp_path, port):
            page.wait_for(
                "document.querySelector('#status').textContent === 'You are Ada'", timeout=20
            )
            page.press("Enter")
            hears(page, "kept while away")
            assert "before" not in page.text("#messages")  # the room of the new process


def test_the_clock_ticks_and_tells_afterwards_what_was_missed(browser: Browser, api: str) -> None:
    with browser.page() as page:
        page.goto(f"{api}/clock/page")
        page.wait_for("document.querySelectorAll('#ticks li').length >= 2")
        page.click("#toggle")
        page.wait_for("document.querySelector('#status').textContent.startsWith('Stream broken')")
        told = page.evaluate("document.querySelectorAll('#ticks li').length")
        page.evaluate("new Promise((resolve) => setTimeout(resolve, 3200))")
        assert page.evaluate("document.querySelectorAll('#ticks li').length") == told
        page.click("#toggle")
        page.wait_for("document.querySelectorAll('#ticks .badge').length >= 2")
        assert page.evaluate("document.querySelector('#time').textContent") != "--:--:--"
        assert page.problems == []


def test_a_file_is_uploaded_with_progress_downloaded_and_deleted(
    browser: Browser, api: str, tmp_path: Path
) -> None:
    content = b"0123456789abcdef" * 16_384  # 256 KiB
    (tmp_path / "ärger & <b>co.bin").write_bytes(content)
    with browser.page() as page:
        page.goto(f"{api}/files/page")
        page.wait_for("!document.querySelector('#empty').hidden")
        slowly(page, 200_000)
        page.choose_files("#pick", [tmp_path / "ärger & <b>co.bin"])
        page.wait_for("document.querySelector('progress').value > 0")
        assert 0 < page.evaluate("document.querySelector('progress').value") < 1
        slowly(page, -1)
        assert page.text("#files a") == "ärger & _b_co.bin"
        assert page.text("#status") == "ärger & _b_co.bin is stored"
        assert page.evaluate("document.querySelector('#uploads').childElementCount") == 0
        link = "document.querySelector('#files a').href"
        size = page.evaluate(f"fetch({link}).then((r) => r.blob()).then((blob) => blob.size)")
        assert size == len(content)
        page.click("#files button")
        page.wait_for("document.querySelector('#files button').textContent === 'Really?'")
        page.click("#files button")
        page.wait_for("!document.querySelector('#empty').hidden")
        assert page.problems == []


def slowly(page: Page, rate: int) -> None:
    """Let the page upload at most `rate` bytes per second, -1 for no limit."""
    page.command(
        "Network.emulateNetworkConditions",
        offline=False,
        latency=0,
        downloadThroughput=-1,
        uploadThroughput=rate,
    )


DROP = """{
  const transfer = new DataTransfer();
  for (const name of ["one.txt", "two.txt", "one.txt"]) transfer.items.add(new File([name], name));
  const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
  document.querySelector("#drop").dispatchEvent(new DragEvent("drop", options));
}"""


def test_files_can_be_dropped_and_one_name_twice_is_two_files(browser: Browser, api: str) -> None:
    with browser.page() as page:
        page.goto(f"{api}/files/page")
        page.wait_for("!document.querySelector('#empty').hidden")
        page.evaluate(DROP)
        page.wait_for("document.querySelectorAll('#files a').length === 3")
        names = page.evaluate("[...document.querySelectorAll('#files a')].map((a) => a.innerText)")
        assert sorted(names) == ["one (2).txt", "one.txt", "two.txt"]


def test_an_upload_can_be_stopped(browser: Browser, api: str, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(1_000_000))
    with browser.page() as page:
        page.goto(f"{api}/files/page")
        page.wait_for("!document.querySelector('#empty').hidden")
        slowly(page, 100_000)
        page.choose_files("#pick", [tmp_path / "large"])
        page.wait_for("document.querySelector('progress')?.value > 0")
        page.click("#uploads button")
        page.wait_for("document.querySelector('#uploads').childElementCount === 0")
        slowly(page, -1)
        page.evaluate(DROP)  # those that come after it go on
        page.wait_for("document.querySelectorAll('#files a').length === 3")


def test_the_system_page_follows_what_happens(browser: Browser, api: str) -> None:
    with browser.page() as page, browser.page() as other:
        page.goto(f"{api}/system/page")
        page.wait_for("document.querySelector('#plugins').innerText.includes('transport_ws')")
        connections = "[...document.querySelectorAll('#tiles div')].map((e) => e.innerText)"
        page.wait_for(f"{connections}.includes('Connections\\n0')")
        join(other, api, "Ada")
        page.wait_for(f"{connections}.includes('Connections\\n1')")
        page.fill("#filter", "clock.n")
        page.wait_for("document.querySelector('#count').textContent === '1'")
        assert page.text("#exports code") == "clock.now"
        assert page.problems == []


def sign_in(page: Page, api: str, name: str) -> None:
    page.goto(f"{api}/repository/page")
    page.evaluate(f"document.cookie = 'user={name}; path=/'")
    page.goto(f"{api}/repository/page")
    page.wait_for(f"document.querySelector('#me').innerText.includes({name!r})")
    page.wait_for("document.querySelector('#status').innerText === 'Live'")


def answer(page: Page, text: str) -> None:
    page.wait_for("document.querySelector('#dialog').open")
    page.fill("#answer", text)
    page.click("#dialog .primary")


def shows(page: Page, selector: str, text: str) -> None:
    page.wait_for(f"document.querySelector({selector!r}).innerText.includes({text!r})")


def test_a_file_is_checked_out_and_in_and_everybody_sees_it(
    browser: Browser, api: str, tmp_path: Path
) -> None:
    part, mended = tmp_path / "part <b>.txt", tmp_path / "mended.txt"
    part.write_text("one hole")
    mended.write_text("two holes")
    with browser.page() as ada, browser.page() as mod:
        sign_in(ada, api, "ada")
        sign_in(mod, api, "mod")
        ada.choose_files("#add", [part])
        shows(ada, "#files", "part _b_.txt")
        ada.click("#files button")
        answer(ada, "a second hole")
        shows(ada, "#files", "Check in")
        shows(mod, "#files", "ada")
        shows(mod, "#trail", "a second hole")
        ada.click("#files button")
        ada.choose_files("#pick", [mended])
        answer(ada, "drilled")
        shows(mod, "#trail", "checked in")
        shows(mod, "#files", "nobody")
        mod.click("#files button:last-child")
        shows(mod, "#versions", "drilled")
        assert ada.problems == mod.problems == []


def test_a_moderator_takes_over_and_the_owner_sees_it(
    browser: Browser, api: str, tmp_path: Path
) -> None:
    part = tmp_path / "part.txt"
    part.write_text("one hole")
    with browser.page() as ada, browser.page() as mod:
        sign_in(ada, api, "ada")
        sign_in(mod, api, "mod")
        ada.choose_files("#add", [part])
        shows(ada, "#files", "part.txt")
        ada.click("#files button")
        answer(ada, "")
        shows(mod, "#files", "Take over")
        mod.click("#files button:nth-of-type(2)")
        answer(mod, "ada is away")
        shows(ada, "#files", "mod")
        shows(ada, "#trail", "ada is away")
        assert "Check in" not in ada.text("#files")
