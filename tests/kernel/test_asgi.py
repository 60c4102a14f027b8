"""Routes of plugins as one ASGI callable, served or mounted."""

import pytest

from pegboard import hookimpl
from pegboard._hooks import HookCaller
from pegboard.contracts.asgi import Route, Router
from pegboard.testing import HttpClient, WebSocketClient, WebSocketRefused

pytestmark = pytest.mark.anyio


class Echo:
    """Answers with its name and the path that it sees."""

    def __init__(self, name, *prefixes):
        self.name = name
        self._prefixes = prefixes

    @hookimpl
    def asgi_routes(self):
        return [Route(kind="http", prefix=prefix, asgi=self._serve) for prefix in self._prefixes]

    async def _serve(self, scope, receive, send):
        body = f"{self.name} {scope['path']}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api", "api /api"),
        ("/api/", "api /api/"),
        ("/api/a/b", "api /api/a/b"),
        ("/apis", "site /apis"),
        ("/", "site /"),
        ("", "site "),
        ("/API/x", "site /API/x"),
        ("//api", "site //api"),
    ],
)
async def test_the_first_segment_of_the_path_decides(pegboard_app, path, expected):
    async with pegboard_app(plugins=[Echo("api", "/api"), Echo("site", "/")]) as app:
        assert (await HttpClient(app).get(path)).text == expected


async def test_what_nobody_serves_is_not_found_and_sockets_are_refused(pegboard_app):
    async with pegboard_app(plugins=[Echo("api", "/api")]) as app:
        response = await HttpClient(app).get("/other")
        assert (response.status, response.text) == (404, "Not Found")
        with pytest.raises(WebSocketRefused) as refused:
            async with WebSocketClient(app).connect("/api"):
                pass
        assert refused.value.status == 404
        assert b"nothing is served here" in refused.value.body


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [
        ("/sub", "/sub/api/x", "api /api/x"),
        ("/sub/", "/sub/api/x", "api /api/x"),
        ("/sub", "/sub", "site /"),
        ("/sub", "/subway", "site /subway"),
        ("/sub", "/api/x", "api /api/x"),
    ],
)
async def test_mounted_below_a_path_it_serves_what_follows(pegboard_app, root, path, expected):
    async with pegboard_app(plugins=[Echo("api", "/api"), Echo("site", "/")]) as app:
        inner = app.asgi()

        async def mounted(scope, receive, send):
            await inner({**scope, "root_path": root}, receive, send)

        assert (await HttpClient(mounted).get(path)).text == expected


async def serve_nothing(scope, receive, send): ...


async def test_a_found_target_is_remembered_until_an_export_comes_or_goes(pegboard_app):
    asked = []

    def find(path):
        asked.append(path)
        return serve_nothing if path == "/x/known" else None

    async def serve(scope, receive, send): ...

    async with pegboard_app() as app:
        app.router = Router([Route(kind="http", prefix="/x", asgi=serve, find=find)])
        for path in ("/x/known", "/x/unknown", "/x/unknown"):
            target = app.router.find("http", path)
            assert target is (serve_nothing if path == "/x/known" else serve)
        assert list(app.router.known) == ["/x/known"]
        app.export(mod_name="M", name="f")(lambda: None)
        assert not app.router.known
    assert asked == ["/x/known", "/x/unknown", "/x/unknown"]


@pytest.mark.parametrize("prefix", ["api", "/a/b", ""])
async def test_a_prefix_is_one_segment_with_its_slash(prefix):
    with pytest.raises(ValueError, match="single segment"):
        Router([Route(kind="http", prefix=prefix, asgi=serve_nothing)])


async def test_one_prefix_has_one_route_of_each_kind():
    one = Route(kind="http", prefix="/x", asgi=serve_nothing)
    Router([one, Route(kind="websocket", prefix="/x", asgi=serve_nothing)])
    with pytest.raises(ValueError, match="two plugins serve http /x"):
        Router([one, one])


@pytest.mark.anyio
async def test_a_transport_knows_who_answers_requests_when_it_is_asked_for_routes(pegboard_app):
    known = []

    class Transport:
        name = "transport"

        @hookimpl
        def asgi_routes(self, app):
            known.append(len(app.request_hooks))

    class Doorman:
        name = "doorman"

        @hookimpl
        def handle_request(self):
            return None

    async with pegboard_app(plugins=[Transport(), Doorman()]) as app:
        assert known == [1]
        without = HookCaller()
        without.add("transport", Transport())
        app.routes_of(without)
        assert known == [1, 0]
        assert len(app.request_hooks) == 1
