"""The pages that come with HTTP: index, explorer, what they are made of, and their headers."""

import gzip
import re
from contextlib import asynccontextmanager

import pytest

from pegboard import App, HealthCheck, Page, hookimpl
from pegboard.contracts.asgi import Route
from pegboard.testing import AppFactory, HttpClient
from pegboard_transport_http._asset import assets

pytestmark = pytest.mark.anyio

MOD = '''
"""Things for sale."""

from pegboard import Result, get_app

export = get_app().export


@export(mod_name="shop", api=True)
def price(of: str) -> int:
    """Say what <something> costs."""
    return len(of)


@export(mod_name="shop", api=True, level=5)
def close() -> None:
    """Close the shop."""


@export(mod_name="shop")
def hidden() -> None:
    """Kept inside."""


@export(mod_name="shop", api=True, listed=False)
def shutter() -> int:
    """A part of the window."""
    return 1


@export(mod_name="shop", api=True, page="Shop & window", api_methods=["GET"])
def window():
    """Look at what there is."""
    return Result.html("<h1>Shop</h1>")
'''


class Extra:
    """A plugin with a page and a check that both come from a test."""

    name = "extra"

    def __init__(self, *checks, page="/extra"):
        self.checks = checks
        self.page = page
        self.asked = 0

    @hookimpl
    def pages(self):
        return [Page(title="From a plugin", path=self.page, summary="It says so.")]

    @hookimpl
    def health(self):
        self.asked += 1
        for check in self.checks:
            if isinstance(check, Exception):
                raise check
        return self.checks


@pytest.fixture
def served(pegboard_app: AppFactory):
    (pegboard_app.project / "mods" / "shop.py").write_text(MOD)

    @asynccontextmanager
    async def serve(*plugins, **options):
        chosen = ["transport_http", *plugins]
        async with pegboard_app(plugins=chosen, **options) as app:
            yield HttpClient(app)

    return serve


async def test_the_index_page_shows_what_can_be_called_and_nothing_else(served):
    async with served() as client:
        page = (await client.get("/")).text
    assert "Things for sale." in page
    assert 'href="/docs#shop.price"' in page
    assert "moderators" in page
    assert "hidden" not in page


async def test_what_is_not_listed_is_named_nowhere_and_can_be_called(served):
    async with served() as client:
        for path in ("/", "/openapi.json"):
            assert "shutter" not in (await client.get(path)).text
        assert (await client.get("/api/shop/shutter")).json()["result"]["data"] == 1


async def test_what_authors_write_is_text_and_never_markup(served):
    async with served(name="<i>test</i>") as client:
        page = (await client.get("/")).text
    assert "Say what &lt;something&gt; costs." in page
    assert "<i>test</i>" not in page


async def test_pages_of_mods_and_of_plugins_are_linked(served):
    async with served(Extra()) as client:
        page = (await client.get("/")).text
        assert (await client.get("/api/shop/window")).text == "<h1>Shop</h1>"
    assert '<a href="/api/shop/window">Shop &amp; window</a>' in page
    assert '<a href="/extra">From a plugin</a>' in page


@pytest.mark.parametrize("path", ["javascript:alert(1)", "elsewhere"])
async def test_a_page_that_is_not_on_this_server_is_left_out(served, path, caplog):
    async with served(Extra(page=path)) as client:
        page = await client.get("/")
    assert page.status == 200
    assert "From a plugin" not in page.text
    assert "no page of this server" in caplog.text


async def test_every_link_of_the_index_page_leads_somewhere(served):
    async with served() as client:
        page = (await client.get("/")).text
        links = {each.partition("#")[0] for each in re.findall(r'(?:href|src)="([^"]+)"', page)}
        answers = {each: (await client.get(each)).status for each in links if each}
    assert len(answers) > 5
    assert set(answers.values()) == {200}


async def test_below_a_mount_point_every_link_begins_with_it(served):
    async with served() as client:
        app = client._asgi

        async def mounted(scope, receive, send):
            await app({**scope, "root_path": "/sub", "path": "/sub" + scope["path"]}, receive, send)

        below = HttpClient(mounted)
        for path in ("/", "/docs", "/nowhere"):
            page = (await below.get(path, headers={"accept": "text/html"})).text
            links = re.findall(r'(?:href|src)="([^#"]+)"', page)
            assert links
            assert [each for each in links if not each.startswith("/sub/")] == []
            assert (await below.get(links[0].removeprefix("/sub"))).status == 200
        assert (await below.get("/openapi.json")).json()["servers"] == [{"url": "/sub"}]


async def test_an_app_without_mods_says_how_to_begin(pegboard_app: AppFactory):
    async with pegboard_app(plugins=["transport_http"]) as app:
        page = (await HttpClient(app).get("/")).text
    assert "mods/hello.py" in page


@pytest.mark.parametrize("dev", [False, True])
async def test_why_something_failed_is_shown_in_development_only(pegboard_app, dev):
    project = pegboard_app.project
    (project / "mods" / "broken.py").write_text("import nowhere_to_be_found\n")
    config = {"mods": {"allow": ["broken"]}}
    app = App("shop", project=project, plugins=["transport_http"], config=config, dev=dev)
    async with app:
        client = HttpClient(app)
        page = (await client.get("/")).text
        health = (await client.get("/health")).json()
    assert "broken" in page
    assert ("nowhere_to_be_found" in page) is dev
    assert health["status"] == "degraded"
    (check,) = health["checks"]
    assert (check["plugin"], check["name"], check["ok"]) == ("pegboard", "mod broken", False)
    assert ("nowhere_to_be_found" in check["detail"]) is dev


async def test_websocket_handlers_are_listed_with_their_address_and_not_described(
    pegboard_app: AppFactory,
):
    (pegboard_app.project / "mods" / "talk.py").write_text(
        "from pegboard import get_app\n"
        "@get_app().export(mod_name='talk', websocket_handler='room')\n"
        "def room(app):\n    return {'on_connect': lambda conn_id, session: None}\n"
        "@get_app().export(mod_name='talk', api=True, websocket_handler='hall')\n"
        "def hall(app):\n    return {'on_connect': lambda conn_id, session: None}\n"
    )
    async with pegboard_app(plugins=["transport_http", "transport_ws"]) as app:
        client = HttpClient(app)
        assert "/ws/talk/room" in (await client.get("/")).text
        assert list((await client.get("/openapi.json")).json()["paths"]) == ["/health"]


# -- what is sent with them ----------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/health", "/nowhere"])
async def test_pages_are_bound_to_what_comes_from_here(served, path):
    async with served() as client:
        headers = (await client.get(path)).headers
    policy = headers.content_security_policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers.x_content_type_options == "nosniff"
    assert headers.referrer_policy == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_no_script_and_no_style_stands_in_a_page(served, path):
    async with served() as client:
        page = (await client.get(path)).text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script>", page)
    assert not re.search(r'(?:href|src)="(?:https?:)?//', page)


def test_no_packaged_file_names_an_address_elsewhere():
    for path, asset in assets().by_path.items():
        text = asset.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|url\(|innerHTML|eval\(", text), path


async def test_a_packaged_file_may_be_kept_for_ever(served):
    async with served() as client:
        for path, asset in assets().by_path.items():
            response = await client.get(path)
            assert response.body == asset.body
            assert response.headers.content_type == asset.content_type.decode()
            assert "immutable" in response.headers.cache_control


@pytest.mark.parametrize(
    "path",
    [
        "/docs/assets/../../config.py",
        "/docs/assets/../../../../../../etc/passwd",
        "/docs/assets/..\\config.py",
        "/docs//etc/passwd",
        "/docs/assets/",
        "/docs/explorer.js",
    ],
)
async def test_no_path_leads_to_a_file_that_is_not_in_the_table(served, path):
    async with served() as client:
        response = await client.get(path)
    assert response.status == 404
    assert response.json()["error"] == "InputError"


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json"])
async def test_whoever_has_the_page_already_gets_nothing(served, path):
    async with served() as client:
        first = await client.get(path)
        for known in (first.headers.etag, f'"other", {first.headers.etag}', "*"):
            again = await client.get(path, headers={"if-none-match": known})
            assert (again.status, again.body) == (304, b"")
            assert again.headers.etag == first.headers.etag
        assert (await client.get(path, headers={"if-none-match": '"other"'})).status == 200


async def test_a_page_is_compressed_for_who_can_read_it(served):
    async with served() as client:
        plain = await client.get("/openapi.json")
        packed = await client.get("/openapi.json", headers={"accept-encoding": "gzip"})
    assert packed.headers.content_encoding == "gzip"
    assert len(packed.body) < len(plain.body) / 3
    assert gzip.decompress(packed.body) == plain.body


async def test_head_tells_what_get_would(served):
    async with served() as client:
        got, head = await client.get("/docs"), await client.head("/docs")
    assert head.body == b""
    assert head.raw_headers == got.raw_headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_pages_can_only_be_read(served, method):
    async with served() as client:
        response = await client.request(method, "/docs")
    assert response.status == 405
    assert response.headers.allow == "GET, HEAD"


async def test_an_unknown_address_is_a_page_for_people_and_an_envelope_for_programs(served):
    async with served() as client:
        person = await client.get("/nowhere", headers={"accept": "text/html,*/*;q=0.8"})
        program = await client.get("/nowhere")
    assert (person.status, program.status) == (404, 404)
    assert "There is nothing at this address" in person.text
    assert program.json()["info"]["exec_code"] == 404


async def test_a_malformed_request_is_refused_here_too(served):
    async with served() as client:
        assert (await client.get("/", headers={"host": "a b"})).status == 400
        assert (await client.get("/a\x00b")).status == 400


async def test_the_pages_can_be_turned_off_and_health_remains(served):
    config = {"plugins": {"transport_http": {"site": False}}}
    async with served(config=config) as client:
        for path in ("/", "/docs", "/openapi.json"):
            assert (await client.get(path)).status == 404
        assert (await client.get("/health")).status == 200
        assert (await client.get("/api/shop/price", query={"of": "tea"})).status == 200


async def test_an_icon_is_there_for_pages_that_name_none(served):
    async with served() as client:
        response = await client.get("/favicon.ico")
    assert (response.status, response.headers.content_type) == (200, "image/svg+xml")


async def test_another_plugin_may_still_take_a_part_of_the_address_space(served):
    class Elsewhere:
        name = "elsewhere"

        @hookimpl
        def asgi_routes(self):
            async def answer(scope, receive, send):
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send({"type": "http.response.body", "body": b""})

            return [Route(kind="http", prefix="/elsewhere", asgi=answer)]

    async with served(Elsewhere()) as client:
        assert (await client.get("/elsewhere/deep")).status == 204
        assert (await client.get("/")).status == 200


# -- health --------------------------------------------------------------------------------


async def test_health_is_what_the_plugins_say(served):
    async with served(Extra(HealthCheck(name="disk", ok=True, detail="3 GB"))) as client:
        response = await client.get("/health")
    check = {"plugin": "extra", "name": "disk", "ok": True, "detail": "3 GB"}
    assert (response.status, response.json()) == (200, {"status": "ok", "checks": [check]})
    assert response.headers.cache_control == "no-store"


async def test_one_failing_check_makes_the_app_unavailable(served):
    checks = HealthCheck(name="disk", ok=True), HealthCheck(name="net", ok=False)
    async with served(Extra(*checks)) as client:
        response = await client.get("/health")
        page = (await client.get("/")).text
    assert (response.status, response.json()["status"]) == (503, "failing")
    assert "extra: net" in page


async def test_a_check_that_raises_is_a_failing_check_and_tells_nothing_of_itself(served, caplog):
    async with served(Extra(ValueError("secret"))) as client:
        response = await client.get("/health")
    assert (response.status, response.json()["status"]) == (503, "failing")
    assert "secret" not in response.text
    assert "secret" in caplog.text


async def test_plugins_are_asked_once_a_second_at_most(served, monkeypatch):
    now = 100.0
    monkeypatch.setattr("pegboard_transport_http._health.time.monotonic", lambda: now)
    plugin = Extra()
    async with served(plugin) as client:
        for _ in range(5):
            await client.get("/health")
        assert plugin.asked == 1
        now += 1.1
        await client.get("/health")
        assert plugin.asked == 2


async def test_an_app_that_stops_wants_no_new_work(pegboard_app: AppFactory):
    async with pegboard_app(plugins=["transport_http"]) as app:
        app.stopping.set()
        response = await HttpClient(app).get("/health")
    assert (response.status, response.json()["status"]) == (503, "stopping")


async def test_a_version_is_recognised_in_any_list_of_tags(served):
    async with served() as client:
        address = "/openapi.json"
        tag = (await client.get(address)).headers.etag
        for known in (tag, f'"a,b", {tag}', f'W/"x",{tag.removeprefix("W/")}', "*"):
            answer = await client.get(address, headers={"if-none-match": known})
            assert (answer.status, answer.headers.etag) == (304, tag)
        quoted = f'"x, {tag.removeprefix("W/")[1:-1]}"'
        answer = await client.get(address, headers={"if-none-match": quoted})
        assert answer.status == 200
