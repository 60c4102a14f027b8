"""Calls over HTTP: what reaches an export, and what is refused before."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pegboard import App, RequestData, Result, Session, hookimpl
from pegboard.testing import HttpClient

pytestmark = pytest.mark.anyio


def new_app(**config: Any) -> App:
    return App("http", plugins=["transport_http"], mods=[], config=config)


@pytest.fixture
def app() -> App:
    app = new_app()

    @app.export(mod_name="Sum", api=True)
    async def add(a: int, b: int = 1) -> int:
        return a + b

    @app.export(mod_name="Sum", api=True)
    def add_all(numbers: list[int]) -> int:
        return sum(numbers)

    @app.export(mod_name="Sum", api=True, api_methods=["PUT", "POST"])
    async def update_data(app: App, data: dict[str, Any]) -> Result[Any]:
        return Result.ok(data=data)

    @app.export(mod_name="Sum", api=True, api_methods=["PUT", "POST"])
    async def submit_form(app: App, form_data: dict[str, Any]) -> Result[Any]:
        return Result.ok(data=form_data)

    @app.export(mod_name="Sum", api=True, request_as_kwarg=True)
    async def look(request: RequestData | None = None) -> dict[str, Any]:
        assert request is not None
        return {
            "method": request.method,
            "query": request.query_params,
            "body": request.body,
            "form": request.form_data,
            "agent": request.headers.user_agent,
            "own": request.headers.extra_headers.get("x-own"),
            "type": request.content_type,
        }

    @app.export(mod_name="Sum", api=True)
    async def open_ended(a: int, **rest: Any) -> dict[str, Any]:
        return {"a": a, **rest}

    @app.export(mod_name="A.B", api=True)
    async def dotted() -> str:
        return "dotted"

    @app.export(mod_name="Sum")
    async def hidden() -> str:
        return "secret"

    @app.export(mod_name="Sum", api=True)
    async def breaks() -> None:
        raise RuntimeError("the password is swordfish")

    return app


async def test_a_query_binds_by_name_and_is_converted(app: App) -> None:
    async with app:
        answer = await HttpClient(app).get("/api/Sum/add?a=40&b=2")
    assert answer.status == 200
    assert answer.headers.content_type == "application/json"
    assert answer.json() == {
        "error": "none",
        "origin": ["Sum", "add", "tb"],
        "result": {"data_to": "NATIVE", "data_info": "", "data": 42, "data_type": "int"},
        "info": {"exec_code": 0, "help_text": "OK"},
    }


async def test_a_mod_may_have_dots_in_its_name(app: App) -> None:
    async with app:
        assert (await HttpClient(app).get("/api/A.B/dotted")).result().get() == "dotted"


async def test_a_repeated_name_in_a_query_is_a_list(app: App) -> None:
    async with app:
        client = HttpClient(app)
        assert (await client.get("/api/Sum/add_all?numbers=1&numbers=2")).result().get() == 3
        assert (await client.get("/api/Sum/add_all?numbers=5")).result().get() == 5


async def test_a_json_object_binds_by_name(app: App) -> None:
    async with app:
        answer = await HttpClient(app).post("/api/Sum/add", json={"a": 1, "b": 2})
    assert answer.result().get() == 3


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("data", [{"k": [1, {"n": None}]}, {}])
async def test_a_json_body_goes_whole_to_a_parameter_data(
    app: App, method: str, data: dict[str, Any]
) -> None:
    async with app:
        answer = await HttpClient(app).request(method, "/api/Sum/update_data", json=data)
    assert answer.status == 200
    assert answer.result().get() == data


async def test_a_form_goes_whole_to_a_parameter_form_data(app: App) -> None:
    async with app:
        client = HttpClient(app)
        answer = await client.post("/api/Sum/submit_form", form={"name": "Ada", "tag": ["a", "ü"]})
        assert answer.result().get() == {"name": "Ada", "tag": ["a", "ü"]}
        answer = await client.post("/api/Sum/submit_form", form={"name": "Ada"}, files={})
        assert answer.result().get() == {"name": "Ada"}


async def test_a_form_binds_by_name_where_nothing_takes_it_whole(app: App) -> None:
    async with app:
        client = HttpClient(app)
        assert (await client.post("/api/Sum/add", form={"a": "1", "b": "2"})).result().get() == 3
        answer = await client.post("/api/Sum/add", form={"a": "1"}, files={})
        assert answer.result().get() == 2


async def test_json_wins_over_the_query(app: App) -> None:
    async with app:
        answer = await HttpClient(app).post("/api/Sum/add?a=1&b=1", json={"a": 10})
    assert answer.result().get() == 11


async def test_the_request_is_given_with_everything_that_was_sent(app: App) -> None:
    async with app:
        client = HttpClient(app, headers={"user-agent": "tests", "x-own": "yes"})
        seen = (await client.post("/api/Sum/look?q=1", json={"more": True})).result().get()
        assert seen == {
            "method": "POST",
            "query": {"q": "1"},
            "body": {"more": True},
            "form": None,
            "agent": "tests",
            "own": "yes",
            "type": "application/json",
        }
        seen = (await client.post("/api/Sum/look", json=[1, 2])).result().get()
        assert seen["body"] == [1, 2]
        seen = (await client.post("/api/Sum/look", form={"f": "1"})).result().get()
        assert (seen["form"], seen["body"]) == ({"f": "1"}, None)
        text = {"content-type": "text/plain; charset=latin-1"}
        seen = (await client.post("/api/Sum/look", content=b"\xfc", headers=text)).result().get()
        assert seen["body"] == "ü"
        binary = {"content-type": "application/octet-stream"}
        seen = (await client.post("/api/Sum/look", content=b"\xfc", headers=binary)).result().get()
        assert seen["body"] == "/A=="


@pytest.mark.parametrize(
    ("charset", "content", "said"),
    [
        ("UTF-8", "ü€".encode(), "ü€"),
        ('"iso-8859-1"', "ü".encode("latin-1"), "ü"),
        ("utf-16", "ü€".encode("utf-16"), "ü€"),
        ("utf-16le", "ü€".encode("utf-16-le"), "ü€"),
        ("utf-16be", "ü€".encode("utf-16-be"), "ü€"),
    ],
)
async def test_text_comes_in_the_charset_that_it_names(
    app: App, charset: str, content: bytes, said: str
) -> None:
    async with app:
        headers = {"content-type": f"text/plain; charset={charset}"}
        answer = await HttpClient(app).post("/api/Sum/look", content=content, headers=headers)
    assert answer.result().get()["body"] == said


@pytest.mark.parametrize("charset", ["punycode", "idna", "undefined", "rot13", "utf-7", "x" * 99])
async def test_a_client_does_not_choose_among_all_codecs(app: App, charset: str) -> None:
    async with app:
        headers = {"content-type": f"text/plain; charset={charset}"}
        answer = await HttpClient(app).post("/api/Sum/look", content=b"a-b", headers=headers)
    assert answer.status == 415
    assert "UTF-8" in answer.result().info.help_text


async def test_an_endless_content_type_is_refused(app: App) -> None:
    async with app:
        headers = {"content-type": "text/plain" + ";a=b" * 500}
        answer = await HttpClient(app).post("/api/Sum/look", content=b"a", headers=headers)
    assert answer.status == 415


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", "`a`"),
        ("a=x", "`a`"),
        ("a=1&c=2", "`c`"),
        ("a=1&args_=x", "`args_`"),
        ("a=1&app=x", "`app`"),
        ("a=1.5", "`a`"),
        ("a=%ff", "UTF-8"),
    ],
)
async def test_a_wrong_query_is_refused_naming_what_is_wrong(
    app: App, query: str, named: str
) -> None:
    async with app:
        answer = await HttpClient(app).get(f"/api/Sum/add?{query}")
    result = answer.result()
    assert (answer.status, result.error) == (400, "InputError")
    assert result.origin == ("Sum", "add", "tb")
    assert named in result.info.help_text


async def test_names_that_the_dispatcher_uses_cannot_be_sent(app: App) -> None:
    async with app:
        query = "a=1&args_=x&kwargs_=y&tb_run_with_specification=z&request=r&own=1"
        answer = await HttpClient(app).get(f"/api/Sum/open_ended?{query}")
    assert answer.result().get() == {"a": 1, "own": "1"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "malformed"),
        (b'{"a": 1} x', "malformed"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"[" * 100_000, "malformed"),
        (b"[1]", "object"),
        (b"null", "object"),
        (b'{"a": "1"}', "`a`"),
        (b'{"a": 1, "x": 1}', "`x`"),
        (b"", "`a`"),
        (b'{"a": 1e400}', "malformed"),
    ],
)
async def test_a_wrong_json_body_is_refused_naming_what_is_wrong(
    app: App, body: bytes, named: str
) -> None:
    async with app:
        headers = {"content-type": "application/json"}
        answer = await HttpClient(app).post("/api/Sum/add", content=body, headers=headers)
    assert answer.status == 400
    assert named in answer.result().info.help_text


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "", "nonsense", ';;="'])
async def test_a_body_of_another_type_is_refused_with_415(app: App, kind: str) -> None:
    async with app:
        headers = {"content-type": kind} if kind else {}
        answer = await HttpClient(app).post("/api/Sum/add", content=b"a=1", headers=headers)
    assert answer.status == 415
    assert answer.result().error == "InputError"


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "a/b+json"]
)
async def test_json_is_known_by_its_type_however_that_is_written(app: App, kind: str) -> None:
    async with app:
        headers = {"content-type": kind}
        answer = await HttpClient(app).post("/api/Sum/add", content=b'{"a":1}', headers=headers)
    assert answer.result().get() == 2


@pytest.mark.parametrize(
    "path",
    [
        "/api/Sum/hidden",
        "/api/Sum/nothing",
        "/api",
        "/api/",
        "/api/Sum",
        "/sse/Sum/hidden",
        "/api/Sum/add/",
        "/api/../Sum/add",
        "/api/Sum/hidden?x=1",
    ],
)
async def test_what_is_not_open_is_not_found_and_does_not_show(app: App, path: str) -> None:
    async with app:
        answer = await HttpClient(app).get(path)
    assert answer.status == 404
    assert answer.result().is_error()
    assert "hidden" not in answer.text
    assert "secret" not in answer.text


async def test_a_method_that_is_not_declared_is_refused_with_the_ones_that_are(app: App) -> None:
    async with app:
        client = HttpClient(app)
        answer = await client.get("/api/Sum/update_data")
        assert (answer.status, answer.headers.allow) == (405, "PUT, POST, OPTIONS")
        assert answer.result().is_error()
        assert (await client.delete("/api/Sum/add")).headers.allow == "GET, POST, HEAD, OPTIONS"
        assert (await client.head("/api/Sum/update_data")).status == 405
        assert (await client.request("BREW", "/api/Sum/add")).status == 405


async def test_options_tells_the_methods(app: App) -> None:
    async with app:
        answer = await HttpClient(app).options("/api/Sum/add")
    assert (answer.status, answer.headers.allow, answer.body) == (
        204,
        "GET, POST, HEAD, OPTIONS",
        b"",
    )


async def test_head_is_get_without_the_body(app: App) -> None:
    async with app:
        client = HttpClient(app)
        got = await client.get("/api/Sum/add?a=1")
        head = await client.head("/api/Sum/add?a=1")
        assert head.status == 200
        assert head.body == b""
        assert sorted(head.raw_headers) == sorted(got.raw_headers)
        assert (await client.head("/api/Sum/add?a=x")).status == 400


async def test_what_an_export_raises_does_not_reach_the_client(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    async with app:
        answer = await HttpClient(app).get("/api/Sum/breaks")
    assert answer.status == 500
    assert "swordfish" not in answer.text
    assert "Traceback" not in answer.text
    error_id = answer.result().info.help_text.rpartition(" ")[2]
    assert error_id in caplog.text
    assert "swordfish" in caplog.text


class Sessions:
    """Knows who asks by a header."""

    @hookimpl
    def load_session(self, app: App, connection: Any) -> Any:
        async def load() -> Session | None:
            level = connection.headers.get("x-level")
            if level is None:
                return None
            if level == "broken":
                raise RuntimeError("cannot tell")
            return Session(level=int(level), user_name="somebody", anonymous=False)

        return load()


@pytest.mark.parametrize(
    ("level", "status"), [(None, 401), ("1", 403), ("10", 200), ("broken", 503)]
)
async def test_a_level_is_enforced_before_anything_is_read(level: str | None, status: int) -> None:
    app = App("levels", plugins=["transport_http", Sessions()], mods=[])

    @app.export(mod_name="Admin", api=True, level=10, request_as_kwarg=True)
    async def act(request: RequestData) -> str:
        return request.session.user_name

    async with app:
        headers = {} if level is None else {"x-level": level}
        answer = await HttpClient(app, headers=headers).get("/api/Admin/act")
        assert answer.status == status
        if status == 401:
            assert answer.headers.www_authenticate
        if status == 200:
            assert answer.result().get() == "somebody"
        else:
            assert "cannot tell" not in answer.text


async def test_a_query_or_form_has_a_bounded_number_of_fields() -> None:
    app = new_app(plugins={"transport_http": {"max_fields": 3}})

    @app.export(mod_name="Sum", api=True)
    def add_all(numbers: list[int]) -> int:
        return sum(numbers)

    async with app:
        client, address = HttpClient(app), "/api/Sum/add_all"
        headers = {"content-type": "application/x-www-form-urlencoded"}
        few, many = "&".join(["numbers=1"] * 3), "&".join(["numbers=1"] * 4)
        form = {"content": few.encode(), "headers": headers}
        assert (await client.get(f"{address}?{few}")).result().get() == 3
        assert (await client.post(address, **form)).result().get() == 3
        for answer in (
            await client.get(f"{address}?{many}"),
            await client.post(f"{address}?{many}"),
            await client.post(address, content=many.encode(), headers=headers),
        ):
            assert answer.status == 413
            assert "more than 3 fields" in answer.result().info.help_text


HELD = """
from pegboard import get_app

export = get_app().export


@export(mod_name="Held", api=True, {options})
async def open_it(door: str = "") -> str:
    return "welcome"
"""


@pytest.mark.parametrize(
    ("options", "status"), [("level=5", 401), ("api_methods=['PUT']", 405), ("row=False", 200)]
)
async def test_a_request_that_was_held_meets_the_rules_of_what_would_run(
    tmp_path: Path, options: str, status: int
) -> None:
    mod = tmp_path / "held.py"
    mod.write_text(HELD.format(options="level=0"))
    app = App("held", plugins=["transport_http"], mods=[mod])

    async def body() -> AsyncIterator[bytes]:
        yield b'{"door": '
        mod.write_text(HELD.format(options=options))
        await app.mods.load(app.mods.status["held"].candidate, is_fatal=True)
        yield b'"front"}'

    async with app:
        headers = {"content-type": "application/json"}
        answer = await HttpClient(app).post("/api/Held/open_it", content=body(), headers=headers)
    assert answer.status == status
    assert ("allow" in answer.headers) == (status == 405)
    assert ("welcome" in answer.text) == (status == 200)


async def test_the_fields_of_a_form_bind_by_name_also_beside_the_whole_form(app: App) -> None:
    @app.export(mod_name="Sum", api=True)
    async def up(form_data: dict[str, Any], title: str, count: int = 1) -> Any:
        return [form_data, title, count]

    form = {"title": "a", "count": "2", "form_data": "x", "more": "b"}
    async with app:
        answer = await HttpClient(app).post("/api/Sum/up", form=form)
        other = await HttpClient(app).post("/api/Sum/up?title=q", form={"more": "b"})
    assert answer.result().get() == [form, "a", 2]
    assert other.result().get() == [{"more": "b"}, "q", 1]


@pytest.mark.parametrize("body", [b'{"a": 1}', b' {"a": "b=c&d"}', b"[1]"])
async def test_json_that_is_sent_as_a_form_gets_a_hint(app: App, body: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    async with app:
        answer = await HttpClient(app).post("/api/Sum/add", content=body, headers=headers)
        other = await HttpClient(app).post("/api/Sum/add", content=b"x=1", headers=headers)
    assert answer.status == other.status == 400
    assert "content-type: application/json" in answer.result().info.help_text
    assert "content-type" not in other.result().info.help_text
