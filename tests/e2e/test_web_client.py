"""pegboard.js in a real browser, against a real server."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import anyio
import pytest

from pegboard import App, RequestData, Result
from tests.e2e.browser import Browser, Page
from tests.served import served

CHAT = Path(__file__).parents[1] / "compat" / "mods" / "chat_module.py"

PASSWORD = "correct horse battery"

PAGE = """<!doctype html><title>Sample</title><link rel=icon href=data:,>
<div id=out></div>
<script type=module>
import TB, {{ EventParser }} from "/pegboard/pegboard.js";
window.TB = TB;
window.EventParser = EventParser;
window.seen = [];
{script}
TB.once(() => {{ document.body.dataset.ready = "yes"; }});
</script>"""

CHAT_PAGE = """<!doctype html><title>Chat</title><link rel=icon href=data:,>
<div id="chat-log"></div><input id="chat-input"><button id="send-button">Send</button>
<script src="/pegboard/pegboard.classic.js"></script>
<script>
let starts = 0;
function initializeChat() {
    starts += 1;
    const chatLog = document.getElementById('chat-log');
    const chatInput = document.getElementById('chat-input');
    const sendButton = document.getElementById('send-button');

    TB.ws.connect('/ws/ChatModule/public_room', {
        onOpen: () => { chatLog.innerHTML += '<div><em>open</em></div>'; },
        onClose: () => { chatLog.innerHTML += '<div><em>closed</em></div>'; }
    });
    TB.events.on('ws:event:new_message', ({ data }) => {
        const message = data.data;
        const messageDiv = document.createElement('div');
        messageDiv.innerHTML = `<strong>${message.user}:</strong> ${message.text}`;
        chatLog.appendChild(messageDiv);
    });
    TB.events.on('ws:event:user_joined', ({ data }) => {
        chatLog.innerHTML += `<div><em>${data.data}</em></div>`;
    });
    TB.events.on('ws:event:user_left', ({ data }) => {
        chatLog.innerHTML += `<div><em>${data}</em></div>`;
    });
    sendButton.addEventListener('click', () => {
        TB.ws.send({ event: "chat_message", data: { message: chatInput.value } });
        chatInput.value = '';
    });
}
TB.events.on('tbjs:initialized', initializeChat, { once: true });
</script>"""


@contextmanager
def running(
    tmp_path: Path, *, script: str = "", plugins: Any = (), mods: Any = (), port: int = 0
) -> Iterator[str]:
    names = ["transport_http", "transport_ws", "web_client", *plugins]
    auth = {"sign_up": True, "argon2_memory": 64, "argon2_time": 1}
    config = {"plugins": {"transport_http": {"retry": 0.05}, "auth": auth}}
    if "auth" not in plugins:
        del config["plugins"]["auth"]
    app = App("Web", project=tmp_path, plugins=names, mods=[*mods], config=config)
    app.export(mod_name="Pages", name="page", api=True)(
        lambda: Result.html(PAGE.format(script=script))
    )
    app.export(mod_name="Pages", name="chat", api=True)(lambda: Result.html(CHAT_PAGE))

    @app.export(mod_name="Sample", api=True)
    def echo(text: str = "", n: int = 0) -> dict[str, Any]:
        return {"text": text, "n": n}

    @app.export(mod_name="Sample", api=True, api_methods=["POST"])
    def upload(request: RequestData, form_data: dict[str, Any]) -> Result[Any]:
        file = form_data["file"]
        return Result.ok({"name": file["filename"], "type": file["content_type"]})

    @app.export(mod_name="Sample", api=True, level=1)
    def secret(request: RequestData) -> str:
        return request.session.user_name

    @app.export(mod_name="Sample", api=True)
    async def count(last_event_id: int = 0, most: int = 3) -> Any:
        for number in range(last_event_id + 1, most + 1):
            yield {"event": "tick", "id": number, "data": {"n": number}}
        if most > 100:
            await anyio.sleep_forever()

    @app.export(mod_name="Sample", websocket_handler="echo")
    def handlers(app: App) -> dict[str, Any]:
        async def on_message(app: App, conn_id: str, session: Any, payload: Any) -> None:
            await app.ws_send(conn_id, {"event": "echo", "data": payload})

        return {"on_message": on_message}

    with served(app, port) as address:
        yield address


@contextmanager
def opened(page: Page, address: str) -> Iterator[Page]:
    page.goto(f"{address}/api/Pages/page")
    page.wait_for("document.body.dataset.ready")
    yield page


def test_the_documented_chat_talks_between_two_pages(browser: Browser, tmp_path: Path) -> None:
    with (
        running(tmp_path, mods=[CHAT]) as address,
        browser.page() as ada,
        browser.page() as bob,
    ):
        for page in (ada, bob):
            page.goto(f"{address}/api/Pages/chat")
            page.wait_for("document.getElementById('chat-log').textContent.includes('open')")
        ada.wait_for("document.getElementById('chat-log').textContent.includes('has joined')")
        bob.fill("#chat-input", "hello")
        bob.click("#send-button")
        ada.wait_for("document.getElementById('chat-log').textContent.includes(': hello')")
        assert ada.evaluate("starts") == 1
        bob.evaluate("TB.ws.disconnect()")
        ada.wait_for("document.getElementById('chat-log').textContent.includes('has left')")
        assert ada.problems == bob.problems == []


def test_calls_bring_arguments_in_every_shape(page: Page, tmp_path: Path) -> None:
    with running(tmp_path) as address, opened(page, address):
        for arguments in (
            "{text: 'a&b=ü', n: 7}, 'GET'",
            "{text: 'a&b=ü', n: 7}",
            "new URLSearchParams({text: 'a&b=ü', n: 7})",
            "'text=a%26b%3D%C3%BC&n=7'",
            "{text: 'a&b=ü', n: 7}, {method: 'GET', timeout: 5000}",
        ):
            call = f"TB.api.request('Sample', 'echo', {arguments})"
            assert page.evaluate(f"{call}.then((r) => r.get())") == {"text": "a&b=ü", "n": 7}
        result = page.evaluate("TB.api.request('/api/Sample/echo', '', null, 'GET')")
        assert result["result"]["data_type"] == "dict"
        assert result["info"] == {"exec_code": 0, "help_text": "OK"}


def test_what_fails_is_a_result_and_never_thrown(page: Page, tmp_path: Path) -> None:
    with running(tmp_path) as address, opened(page, address):
        wrong = page.evaluate("TB.api.request('Sample', 'echo', {n: 'x'})")
        assert wrong["error"] == "InputError"
        assert "argument `n`" in wrong["info"]["help_text"]
        missing = page.evaluate("TB.api.request('Sample', 'missing')")
        assert missing["info"]["exec_code"] == 404
        page.evaluate("TB.events.on('api:networkError', ({path}) => seen.push(path)), null")
        gone = page.evaluate(
            "(TB.init({base: 'http://127.0.0.1:9'}), TB.api.request('Sample', 'echo'))"
        )
        assert (gone["error"], gone["info"]["exec_code"]) == ("InternalError", -1)
        assert page.evaluate("seen") == ["/api/Sample/echo"]
        late = page.evaluate(
            "(TB.init({base: ''}), TB.api.request('/sse/Sample/count', '', {most: 1000},"
            " {method: 'GET', timeout: 50, headers: {accept: 'text/event-stream'}}))"
        )
        assert late["info"]["help_text"] == "the server did not answer in time"


def test_what_is_no_envelope_is_wrapped(page: Page, tmp_path: Path) -> None:
    with running(tmp_path) as address, opened(page, address):
        wrapped = page.evaluate("TB.wrapApiResponse({a: 1})")
        assert wrapped["result"]["data"] == {"a": 1}
        assert wrapped["info"] == {"exec_code": 0, "help_text": "Data wrapped by client"}
        empty = page.evaluate("TB.wrapApiResponse({error: 'none', result: null, info: null})")
        assert empty["result"]["data"] is None
        html = "new TB.Result({result: {data: '<b>', data_type: '%s'}}).html()"
        assert page.evaluate(html % "html") == "<b>"
        assert page.evaluate(html % "str") == "&lt;b&gt;"


def test_a_file_is_uploaded_with_progress_and_broken_off(page: Page, tmp_path: Path) -> None:
    with running(tmp_path) as address, opened(page, address):
        page.evaluate(
            dedent("""
            window.form = (size) => {
              const form = new FormData();
              form.append("file", new File([new Uint8Array(size)], "größe.bin"));
              return form;
            }, null""")
        )
        done = page.evaluate(
            "TB.api.upload('Sample', 'upload', form(3e6), {onProgress: (p) => seen.push(p)})"
        )
        assert done["result"]["data"]["name"] == "größe.bin"
        assert page.evaluate("seen.at(-1).fraction") == 1
        plain = page.evaluate("TB.api.request('Sample', 'upload', form(10)).then((r) => r.get())")
        assert plain["name"] == "größe.bin"
        stopped = page.evaluate(
            dedent("""
            (() => {
              const stop = new AbortController();
              const upload = TB.api.upload("Sample", "upload", form(6e6), {
                signal: stop.signal, onProgress: () => stop.abort(),
              });
              return upload;
            })()""")
        )
        assert stopped["info"]["help_text"] == "the upload was broken off"


def test_a_token_that_is_good_no_more_is_exchanged_once_for_all(page: Page, tmp_path: Path) -> None:
    with running(tmp_path, plugins=["auth"]) as address, opened(page, address):
        assert page.evaluate("TB.api.request('Sample', 'secret')")["info"]["exec_code"] == 401
        page.evaluate(f"window.person = {{name: 'ada', password: {PASSWORD!r}}}, null")
        page.evaluate("TB.api.request('/auth/sign-up', '', person)")
        page.evaluate("TB.api.request('/auth/sign-out', '', {})")
        tokens = page.evaluate("TB.api.request('/auth/token', '', person)")["result"]["data"]
        refresh = json.dumps(tokens["refresh_token"])
        page.evaluate(f"TB.state.set('user', {{token: 'old', refreshToken: {refresh}}})")
        # exchanged twice, the token would have ended the session
        both = page.evaluate("Promise.all([1, 2, 3].map(() => TB.api.request('Sample', 'secret')))")
        assert [each["result"]["data"] for each in both] == ["ada"] * 3
        page.evaluate("TB.state.set('user.token', 'old')")
        assert page.evaluate("TB.api.request('Sample', 'secret')")["result"]["data"] == "ada"
        page.evaluate("TB.state.set('user', {token: 'old', refreshToken: 'stolen'})")
        page.evaluate("TB.events.on('api:signedOut', () => seen.push('out')), null")
        refused = page.evaluate("TB.api.request('Sample', 'secret')")
        assert refused["info"]["exec_code"] == 401
        assert page.evaluate("[seen, TB.state.get('user.token')]") == [["out"], None]


def test_a_token_goes_to_its_own_server_alone(page: Page, tmp_path: Path) -> None:
    script = """
    window.fetch = async (url, { headers }) => {
      seen.push([String(url), headers.Authorization ?? null]);
      return new Response(null, { status: 204 });
    };"""
    with running(tmp_path, script=script) as address, opened(page, address):
        page.evaluate("TB.state.set('user.token', 'secret')")
        for path in ("//evil.example/x", "/\\evil.example/x", "/\t/evil.example/x"):
            page.evaluate(f"TB.api.request({json.dumps(path)}, '', null, 'GET')")
        page.evaluate("TB.sse.connect('https://evil.example/stream', {reconnect: false}), null")
        page.wait_for("seen.length === 4")
        *ours, theirs = page.evaluate("seen")
        assert theirs == ["https://evil.example/stream", None]
        assert all(
            url.startswith(f"{address}/") and token == "Bearer secret" for url, token in ours
        )


def test_a_stream_ends_where_the_server_says_so(page: Page, tmp_path: Path) -> None:
    script = """
    TB.events.on("sse:close:/sse/Sample/count", () => seen.push("closed"));
    TB.sse.connect("/sse/Sample/count", {
      onOpen: () => seen.push("open"),
      onError: (error) => seen.push(String(error)),
      listeners: { tick: (data, event) => seen.push([data.n, event.lastEventId]) },
    });"""
    with running(tmp_path, script=script) as address, opened(page, address):
        page.wait_for("seen.at(-1) === 'closed'")
        assert page.evaluate("seen") == ["open", [1, "1"], [2, "2"], [3, "3"], "closed"]


def test_a_stream_that_is_refused_is_not_asked_for_again(page: Page, tmp_path: Path) -> None:
    script = """
    TB.events.on("sse:close:/sse/Sample/nothing", () => seen.push("closed"));
    TB.sse.connect("/sse/Sample/nothing", {
      firstDelay: 1, onError: (error) => seen.push(error.cause.info.exec_code),
    });"""
    with running(tmp_path, script=script) as address, opened(page, address):
        page.wait_for("seen.at(-1) === 'closed'")
        assert page.evaluate("seen") == [404, "closed"]


def test_streams_and_sockets_come_back_when_the_server_does(page: Page, tmp_path: Path) -> None:
    script = """
    window.ticks = [];
    window.echoes = [];
    TB.init({ firstDelay: 20, lastDelay: 100 });
    TB.sse.connect("/sse/Sample/count?most=1000", {
      listeners: { tick: (data) => ticks.push(data.n) },
    });
    TB.ws.connect("/ws/Sample/echo", { resume: () => ({ resumed: true }) });
    TB.events.on("ws:event:echo", ({ payload }) => echoes.push(payload.data));
    TB.events.on("ws:retry", () => seen.push("retry"));"""
    with running(tmp_path, script=script) as address:
        port = int(address.rpartition(":")[2])
        page.goto(f"{address}/api/Pages/page")
        page.evaluate("TB.ws.send({first: true})")
        page.wait_for("echoes.length === 1 && ticks.length === 1000")
    page.wait_for("seen.length > 2")
    assert page.evaluate("TB.ws.send({waiting: 1}) && TB.ws.send({waiting: 2})")
    with running(tmp_path, script=script, port=port):
        page.wait_for("echoes.length === 4")
        assert page.evaluate("echoes.slice(1)") == [
            {"resumed": True},
            {"waiting": 1},
            {"waiting": 2},
        ]
        page.wait_for("TB.sse.getConnection('/sse/Sample/count?most=1000').lastEventId === '1000'")
        assert page.evaluate("ticks.length") == 1000
        page.evaluate("TB.ws.disconnect()")
        assert page.evaluate("TB.ws.send({late: true})") is False


def test_several_sockets_are_open_at_once(page: Page, tmp_path: Path) -> None:
    script = """
    window.first = TB.ws.connect("/ws/Sample/echo?1", { context: { page: 1 } });
    window.second = TB.ws.connect("/ws/Sample/echo?2");
    TB.events.on("ws:event:echo", ({ url, payload }) => seen.push([url.at(-1), payload.data]));"""
    with running(tmp_path, script=script) as address, opened(page, address):
        page.evaluate("first.send({a: 1}, true), second.send({b: 2})")
        page.wait_for("seen.length === 2")
        assert sorted(page.evaluate("seen")) == [
            ["1", {"a": 1, "context": {"page": 1}}],
            ["2", {"b": 2}],
        ]


def test_who_listens_once_hears_once_and_one_that_raises_harms_nobody(
    page: Page, tmp_path: Path
) -> None:
    with running(tmp_path) as address, opened(page, address):
        page.evaluate(
            dedent("""
            (() => {
              TB.events.on("e", () => { throw new Error("mine alone"); });
              TB.events.on("e", (n) => seen.push(["once", n]), { once: true });
              TB.events.once("e", (n) => seen.push(["Once", n]));
              const off = TB.events.on("e", (n) => seen.push(["on", n]));
              TB.events.emit("e", 1);
              TB.events.emit("e", 2);
              off();
              TB.events.emit("e", 3);
            })()""")
        )
        assert page.evaluate("seen") == [["once", 1], ["Once", 1], ["on", 1], ["on", 2]]
        assert len(page.problems) == 3
        assert all("mine alone" in each for each in page.problems)


def test_state_is_kept_from_one_page_to_the_next(page: Page, tmp_path: Path) -> None:
    with running(tmp_path) as address:
        with opened(page, address):
            page.evaluate("TB.events.on('state:changed:a:b', (e) => seen.push(e)), null")
            page.evaluate("TB.state.set('a.b', 1), TB.state.set('only.here', 2, {persist: false})")
            assert page.evaluate("seen[0].key + seen[0].value") == "a.b1"
            assert page.evaluate("[TB.state.get('a'), TB.state.get('x.y', 7)]") == [{"b": 1}, 7]
            assert page.evaluate("localStorage.getItem('tbjs_app_state_a')") == '{"b":1}'
        with opened(page, address):
            assert page.evaluate("TB.state.get('a.b')") == 1
            assert page.evaluate("TB.state.get('only.here') === undefined")
            assert page.evaluate("TB.state.delete('a.b') && TB.state.get('a')") == {}
            page.evaluate("localStorage.setItem('tbjs_app_state_broken', '{')")
        with opened(page, address):
            assert page.evaluate("localStorage.getItem('tbjs_app_state_broken')") is None


GUIDE = Path(__file__).parents[2] / "docs" / "browser.md"


def test_the_scripts_of_the_guide_are_scripts(page: Page) -> None:
    scripts = re.findall(r"^```js\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(scripts) >= 4
    for script in scripts:
        make = "Object.getPrototypeOf(async () => {}).constructor"
        assert page.evaluate(f"typeof new ({make})({json.dumps(script)})") == "function"


STREAM = (
    "\ufeffdata: a\n\n: comment\nevent: x\r\ndata:b\r\ndata: c\r\nid: 7\r\n\r\n"
    "retry: 250\rdata: d\r\rnothing\nid: a\0b\ndata\n\ndata: unfinished"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_an_event_stream_is_taken_apart_wherever_it_is_cut(
    page: Page, tmp_path: Path, size: int
) -> None:
    with running(tmp_path) as address, opened(page, address):
        found = page.evaluate(
            f"""(() => {{
              const text = {json.dumps(STREAM)};
              const parser = new EventParser();
              const events = [];
              for (let at = 0; at < text.length; at += {size}) {{
                events.push(...parser.push(text.slice(at, at + {size})));
              }}
              return [events, parser.retry];
            }})()"""
        )
        assert found == [
            [
                {"type": "message", "data": "a", "lastEventId": ""},
                {"type": "x", "data": "b\nc", "lastEventId": "7"},
                {"type": "message", "data": "d", "lastEventId": "7"},
                {"type": "message", "data": "", "lastEventId": "7"},
            ],
            250,
        ]


@pytest.mark.parametrize("kind", ["module", "classic"])
def test_a_page_shows_what_fails_while_files_are_watched_until_it_is_mended(
    browser: Browser, tmp_path: Path, kind: str
) -> None:
    mod = tmp_path / "mods" / "shop.py"
    mod.parent.mkdir()
    mod.write_text("PRICE = 1\n")
    source = {"module": "pegboard.js", "classic": "pegboard.classic.js"}[kind]
    script = f'<script type="{kind.replace("classic", "")}" src="/pegboard/{source}"></script>'
    config = {"plugins": {"hot_reload": {"watch": True}}, "mods": {"allow": ["shop"]}}
    names = ["transport_http", "web_client", "hot_reload"]
    app = App("Web", project=tmp_path, plugins=names, config=config)
    app.export(mod_name="Pages", name="page", api=True)(
        lambda: Result.html(f"<!doctype html><title>Sample</title>{script}<p>There</p>")
    )
    shown = "document.querySelector('output') && !document.querySelector('output').hidden"
    with served(app, 0) as address, browser.page() as page:
        page.goto(f"{address}/api/Pages/page")
        mod.write_text("PRICE = (\n")
        page.wait_for(shown)
        assert "mod shop: " in page.text("output")
        assert "shop.py:1" in page.text("output")
        mod.write_text("PRICE = 2\n")
        page.wait_for(f"!({shown})")


def test_where_nothing_is_watched_no_page_asks_for_changes(
    browser: Browser, tmp_path: Path
) -> None:
    with running(tmp_path) as address, browser.page() as page, opened(page, address):
        assert not page.evaluate(
            "performance.getEntriesByType('resource').some(each => each.name.includes('reload'))"
        )
