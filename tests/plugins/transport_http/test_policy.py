"""What stands around the routes: compression, other origins, interception."""

import gzip
from collections.abc import Awaitable
from typing import Any

import pytest
import zstandard

from pegboard import App, RequestData, Result, hookimpl
from pegboard.errors import PluginError
from pegboard.testing import HttpClient

pytestmark = pytest.mark.anyio

LARGE = "pegboard " * 20_000
ORIGIN = "https://page.example"


def new_app(*plugins: Any, **settings: Any) -> App:
    config = {"plugins": {"transport_http": settings}}
    app = App("policy", plugins=["transport_http", *plugins], mods=[], config=config)

    @app.export(mod_name="P", api=True)
    async def get(size: int = 10) -> str:
        return LARGE[:size]

    @app.export(mod_name="P", api=True)
    async def picture() -> Result[Any]:
        return Result.binary(LARGE.encode(), "image/png")

    @app.export(mod_name="P", api=True)
    async def echo(data: Any) -> Any:
        return data

    return app


@pytest.mark.parametrize("size", [5_000, len(LARGE)])
async def test_a_large_body_is_compressed_for_who_can_read_it(size: int) -> None:
    async with new_app() as app:
        client = HttpClient(app)
        plain = await client.get(f"/api/P/get?size={size}")
        assert plain.headers.content_encoding is None
        assert plain.headers.vary == "accept-encoding"
        packed = await client.get(f"/api/P/get?size={size}", headers={"accept-encoding": "gzip"})
        assert packed.headers.content_encoding == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        packed = await client.get(
            f"/api/P/get?size={size}", headers={"accept-encoding": "gzip, zstd"}
        )
        assert packed.headers.content_encoding == "zstd"
        assert zstandard.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body)


@pytest.mark.parametrize("path", ["/api/P/get", "/api/P/picture"])
async def test_what_would_not_become_smaller_is_left_as_it_is(path: str) -> None:
    async with new_app() as app:
        answer = await HttpClient(app).get(path, headers={"accept-encoding": "gzip, zstd"})
    assert (answer.status, answer.headers.content_encoding) == (200, None)


async def test_compression_can_be_turned_off() -> None:
    async with new_app(compress_from=None) as app:
        answer = await HttpClient(app).get(
            "/api/P/get?size=50000", headers={"accept-encoding": "gzip"}
        )
    assert (answer.headers.content_encoding, answer.headers.vary) == (None, None)


async def test_pages_of_other_origins_are_told_nothing_by_default() -> None:
    async with new_app() as app:
        answer = await HttpClient(app).get("/api/P/get", headers={"origin": ORIGIN})
        assert answer.headers.access_control_allow_origin is None
        answer = await HttpClient(app).options(
            "/api/P/get", headers={"origin": ORIGIN, "access-control-request-method": "POST"}
        )
        assert answer.headers.access_control_allow_origin is None


async def test_named_origins_may_call_and_others_not() -> None:
    async with new_app(cors_origins=[ORIGIN], cors_credentials=True) as app:
        client = HttpClient(app)
        answer = await client.get("/api/P/get", headers={"origin": ORIGIN})
        assert answer.headers.access_control_allow_origin == ORIGIN
        assert answer.headers.access_control_allow_credentials == "true"
        assert "etag" in (answer.headers.access_control_expose_headers or "")
        assert answer.headers.vary == "origin"
        for other in ("https://evil.example", "null", ORIGIN + ".evil.example"):
            answer = await client.get("/api/P/get", headers={"origin": other})
            assert answer.headers.access_control_allow_origin is None
            assert answer.headers.vary == "origin"
        assert (await client.get("/api/P/get")).headers.access_control_allow_origin is None
        answer = await client.get("/api/P/get?size=x", headers={"origin": ORIGIN})
        assert (answer.status, answer.headers.access_control_allow_origin) == (400, ORIGIN)


async def test_a_preflight_request_is_answered() -> None:
    async with new_app(cors_origins=[ORIGIN], cors_max_age=60) as app:
        client = HttpClient(app)
        headers = {"origin": ORIGIN, "access-control-request-method": "POST"}
        answer = await client.options("/api/P/get", headers=headers)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers.access_control_allow_origin == ORIGIN
        assert "POST" in (answer.headers.access_control_allow_methods or "")
        assert "content-type" in (answer.headers.access_control_allow_headers or "")
        assert answer.headers.access_control_max_age == "60"
        answer = await client.options("/api/P/get", headers={**headers, "origin": "https://e.x"})
        assert answer.headers.access_control_allow_methods is None
        assert (await client.options("/api/P/get")).headers.allow is not None


async def test_all_origins_may_be_let_in_without_their_cookies() -> None:
    async with new_app(cors_origins=["*"], cors_headers=["*"]) as app:
        client = HttpClient(app)
        answer = await client.get("/api/P/get", headers={"origin": "https://any.example"})
        assert answer.headers.access_control_allow_origin == "*"
        assert answer.headers.vary is None
        headers = {
            "origin": ORIGIN,
            "access-control-request-method": "POST",
            "access-control-request-headers": "x-own",
        }
        answer = await client.options("/api/P/get", headers=headers)
        assert answer.headers.access_control_allow_headers == "x-own"


async def test_all_origins_with_cookies_are_refused_at_the_start() -> None:
    with pytest.raises(PluginError, match=r"setting plugins\.transport_http .*`cors_credentials`"):
        async with new_app(cors_origins=["*"], cors_credentials=True):
            raise AssertionError


class Maintenance:
    """Answers writing requests itself."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    @hookimpl
    def handle_request(
        self, app: App, request: RequestData
    ) -> Awaitable[Result[Any] | None] | None:
        self.seen.append((request.method, request.path, request.body))
        if request.path == "/api/P/broken":
            raise RuntimeError("swordfish")
        return self.answer() if request.query_params.get("closed") else None

    async def answer(self) -> Result[Any]:
        return Result.default_internal_error("closed for an hour", exec_code=503)


async def test_a_plugin_may_answer_in_place_of_an_export() -> None:
    maintenance = Maintenance()
    async with new_app(maintenance) as app:
        client = HttpClient(app)
        answer = await client.get("/api/P/get?closed=1")
        assert (answer.status, answer.result().info.help_text) == (503, "closed for an hour")
        assert (await client.get("/api/P/nothing?closed=1")).status == 503
        assert (await client.get("/api/P/get")).result().get() == LARGE[:10]
        assert (await client.post("/api/P/echo", json={"a": 1})).result().get() == {"a": 1}
        form = await client.post("/api/P/get", form={"size": "1"}, files={})
        assert form.result().get() == "p"
        broken = await client.get("/api/P/broken")
        assert (broken.status, "swordfish" in broken.text) == (500, False)
    assert ("POST", "/api/P/echo", {"a": 1}) in maintenance.seen


async def test_what_is_wrong_with_a_query_is_said_before_a_plugin_is_asked() -> None:
    maintenance = Maintenance()
    async with new_app(maintenance, max_fields=3) as app:
        client = HttpClient(app)
        for path in ("/api/P/get", "/api/P/nothing"):
            answer = await client.get(f"{path}?size=%ff")
            assert (answer.status, "not UTF-8" in answer.text) == (400, True)
            assert (await client.get(f"{path}?a=1&b=2&c=3&d=4")).status == 413
    assert maintenance.seen == []


@pytest.mark.parametrize(
    "path", ["/api/P/get", "/api/P/nothing", "/sse/P/get", "/", "/docs", "/health", "/openapi.json"]
)
async def test_only_listed_hosts_are_served(path: str) -> None:
    async with new_app(allowed_hosts=["testserver"]) as app:
        client = HttpClient(app)
        refused = await client.get(path, headers={"host": "rebound.example"})
        assert refused.status == 403
        assert "allowed_hosts" in refused.text
        assert (await client.get(path)).status in {200, 404}
        assert (await client.get(path, headers={"host": "testserver:8443"})).status in {200, 404}
