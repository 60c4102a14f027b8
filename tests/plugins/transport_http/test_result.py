"""Each kind of result on the wire."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pegboard import App, Result, current_request
from pegboard.testing import HttpClient, HttpResponse

pytestmark = pytest.mark.anyio

ENVELOPE = {"accept": "application/vnd.pegboard.result+json"}


async def answer(
    make: Callable[[], Any], method: str = "GET", *, row: bool = False, **headers: str
) -> HttpResponse:
    app = App("results", plugins=["transport_http"], mods=[])

    async def export() -> Any:
        return make()

    app.export(mod_name="R", name="make", api=True, row=row)(export)
    async with app:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await HttpClient(app, headers=names).request(method, "/api/R/make")


class Point(msgspec.Struct):
    x: int
    at: datetime


async def test_ok_travels_as_the_envelope() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    got = await answer(lambda: Result.ok(Point(1, at), data_info={"free": "form"}, info="made"))
    assert got.json() == {
        "error": "none",
        "origin": ["R", "make", "tb"],
        "result": {
            "data_to": "NATIVE",
            "data_info": {"free": "form"},
            "data": {"x": 1, "at": "2026-11-21T00:00:00Z"},
            "data_type": "Point",
        },
        "info": {"exec_code": 0, "help_text": "made"},
    }


def page(folder: Path) -> Path:
    path = folder / "page.html"
    path.write_text(MARKUP)
    return path


MARKUP = "<script>alert(1)</script>"
PAGES: dict[str, Callable[[Path], Any]] = {
    "text": lambda _: Result.html(MARKUP),
    "binary": lambda _: Result.binary(MARKUP.encode(), "text/html"),
    "file": lambda folder: Result.file_path(page(folder), content_type="text/html"),
    "stream": lambda _: Result.stream([MARKUP], content_type="text/html"),
}


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
async def test_a_page_of_any_kind_is_kept_out_of_foreign_frames(
    tmp_path: Path, make: Callable[[Path], Any]
) -> None:
    got = await answer(lambda: make(tmp_path))
    assert got.body == MARKUP.encode()
    assert got.headers.to_dict()["x-content-type-options"] == "nosniff"
    assert got.headers.to_dict()["x-frame-options"] == "SAMEORIGIN"


async def test_a_bare_text_is_not_taken_for_a_page() -> None:
    got = await answer(lambda: MARKUP, row=True)
    assert got.headers.to_dict()["x-content-type-options"] == "nosniff"
    assert "x-frame-options" not in got.headers.to_dict()


async def test_an_export_may_say_itself_who_frames_its_page() -> None:
    own = {"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff"}
    got = await answer(lambda: Result.html(MARKUP, headers=own))
    names = [name for name, _ in got.raw_headers]
    assert (got.headers.to_dict()["x-frame-options"], names.count("x-frame-options")) == ("DENY", 1)
    assert names.count("x-content-type-options") == 1


async def test_json_travels_as_its_data_with_its_status() -> None:
    got = await answer(lambda: Result.json({"id": 7}, status_code=201))
    assert (got.status, got.json(), got.headers.content_type) == (
        201,
        {"id": 7},
        "application/json",
    )
    assert got.headers.vary == "accept"


async def test_a_status_without_content_has_none() -> None:
    got = await answer(lambda: Result.json(None, status_code=204))
    assert (got.status, got.body, got.headers.content_type, got.headers.content_length) == (
        204,
        b"",
        None,
        None,
    )


async def test_text_travels_as_text() -> None:
    got = await answer(lambda: Result.text("grüß dich"))
    assert (got.text, got.headers.content_type) == ("grüß dich", "text/plain; charset=utf-8")
    got = await answer(lambda: Result.text("a;b", "text/csv", headers={"X-Own": "1"}, status=203))
    assert (got.status, got.headers.get("x-own")) == (203, "1")
    got = await answer(lambda: Result.text("ü", "text/plain; charset=latin-1"))
    assert got.body == b"\xfc"


async def test_html_travels_as_a_page() -> None:
    got = await answer(lambda: Result.html("<h1>hi</h1>"))
    assert (got.text, got.headers.content_type) == ("<h1>hi</h1>", "text/html; charset=utf-8")
    got = await answer(
        lambda: Result.html("gone", status=203, headers={"Cache-Control": "no-store"})
    )
    assert (got.status, got.text, got.headers.cache_control) == (203, "gone", "no-store")


async def test_binary_travels_as_bytes_with_a_safe_name() -> None:
    got = await answer(lambda: Result.binary(b"\0\xff", "image/png", 'bild "ü"\r\nx: y.png'))
    assert (got.body, got.headers.content_type) == (b"\0\xff", "image/png")
    assert got.headers.content_disposition == (
        'attachment; filename="bild _____x: y.png"; '
        "filename*=UTF-8''bild%20%22%C3%BC%22%0D%0Ax%3A%20y.png"
    )


@pytest.mark.parametrize("data", [b"\0pdf", b64encode(b"\0pdf").decode()])
async def test_a_file_in_memory_travels_as_a_download(data: bytes | str) -> None:
    got = await answer(lambda: Result.file(data, "a.pdf"))
    assert (got.body, got.headers.content_type) == (b"\0pdf", "application/pdf")
    assert got.headers.content_disposition == 'attachment; filename="a.pdf"'


async def test_a_redirect_travels_as_one_and_cannot_carry_headers() -> None:
    got = await answer(lambda: Result.redirect("/dashboard"))
    assert (got.status, got.headers.location, got.body) == (302, "/dashboard", b"")
    got = await answer(lambda: Result.redirect("/ü\r\nset-cookie: a=b", 308))
    assert (got.status, got.headers.location) == (308, "/%C3%BC%0D%0Aset-cookie:%20a=b")
    assert got.headers.set_cookie is None


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\0b"])
async def test_a_header_that_would_break_the_response_is_refused(value: str) -> None:
    got = await answer(lambda: Result.html("x", headers={"x-own": value}))
    assert (got.status, got.headers.get("x-own"), got.result().is_error()) == (500, None, True)
    got = await answer(lambda: Result.html("x", headers={value: "a"}))
    assert got.status == 500


async def test_headers_about_the_transfer_are_left_to_the_server() -> None:
    headers = {"Transfer-Encoding": "chunked", "Content-Length": "999", "Connection": "x"}
    got = await answer(lambda: Result.text("abc", headers=headers))
    assert (got.status, got.text, got.headers.content_length) == (200, "abc", "3")


@pytest.mark.parametrize(
    ("make", "status", "error"),
    [
        (lambda: Result.default_user_error("no"), 400, "InputError"),
        (lambda: Result.default_user_error("no", exec_code=422), 422, "InputError"),
        (lambda: Result.default_internal_error("no"), 500, "InternalError"),
        (lambda: Result.default_internal_error("no", exec_code=503), 503, "InternalError"),
        (lambda: Result.error("data", info="no"), 450, "CustomError"),
        (lambda: Result.custom_error(info="no"), 400, "CustomError"),
        (lambda: Result.default_user_error("no", exec_code=0), 400, "InputError"),
        (lambda: Result.default_user_error("no", exec_code=200), 400, "InputError"),
        (lambda: Result.default_user_error("no", exec_code=7), 400, "InputError"),
        (lambda: Result.ok(Result.default_user_error("no", exec_code=409)), 409, "none"),
    ],
)
async def test_an_error_travels_as_the_envelope_with_its_status(
    make: Callable[[], Any], status: int, error: str
) -> None:
    got = await answer(make)
    assert (got.status, got.json()["error"]) == (status, error)


@pytest.mark.parametrize(
    ("value", "kind", "body"),
    [
        ("text", "text/plain; charset=utf-8", b"text"),
        (b"\0", "application/octet-stream", b"\0"),
        ({"a": [1]}, "application/json", b'{"a":[1]}'),
        (None, "application/json", b"null"),
    ],
)
async def test_a_bare_value_travels_bare(value: Any, kind: str, body: bytes) -> None:
    got = await answer(lambda: value, row=True)
    assert (got.headers.content_type, got.body) == (kind, body)


async def test_a_result_of_an_export_that_answers_bare_values_is_still_a_result() -> None:
    assert (await answer(lambda: Result.html("<p>"), row=True)).text == "<p>"
    assert (await answer(lambda: Result.default_user_error("no"), row=True)).status == 400


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: Result.json({"a": 1}), {"a": 1}),
        (lambda: Result.text("t"), "t"),
        (lambda: Result.html("<p>"), "<p>"),
        (lambda: Result.redirect("/x"), "/x"),
        (
            lambda: Result.binary(b"\0"),
            {"data": "AA==", "content_type": "application/octet-stream", "filename": None},
        ),
    ],
)
async def test_who_asks_for_the_envelope_gets_it(make: Callable[[], Any], data: Any) -> None:
    got = await answer(make, **ENVELOPE)
    assert got.status == 200
    assert got.result().get() == data


async def test_a_stream_fits_into_no_envelope() -> None:
    got = await answer(lambda: Result.file_stream(iter([b"x"]), "x.bin"), **ENVELOPE)
    assert (got.status, got.result().is_error()) == (406, True)
    both = {"accept": f"{ENVELOPE['accept']}, */*"}
    got = await answer(lambda: Result.file_stream(iter([b"x"]), "x.bin"), **both)
    assert got.body == b"x"


class Opaque:
    def __repr__(self) -> str:
        return "swordfish"


@pytest.mark.parametrize(
    "make", [Opaque, lambda: {(1, 2): 3}, lambda: "\ud800", lambda: [Opaque()]]
)
async def test_data_that_cannot_be_encoded_is_an_internal_error_that_tells_nothing(
    make: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    got = await answer(make)
    assert (got.status, got.result().error) == (500, "InternalError")
    assert "swordfish" not in got.text
    assert got.result().result.data["error_id"] in caplog.text


async def test_paths_and_mappings_are_encoded() -> None:
    got = await answer(lambda: {"path": Path("a") / "b"})
    assert got.result().get() == {"path": "a/b"}


async def test_a_future_is_awaited() -> None:
    async def later() -> dict[str, int]:
        return {"n": 1}

    got = await answer(lambda: Result.future(later()))
    assert got.result().get() == {"n": 1}


async def test_a_future_runs_in_its_call_and_keeps_the_tasks_of_both_results() -> None:
    done: list[str] = []
    app = App("tasks", plugins=["transport_http"], mods=[])

    async def later() -> Result[Any]:
        request = current_request()
        assert request is not None
        return Result.ok(request.path).task(lambda: done.append("inner"))

    @app.export(mod_name="R", api=True)
    async def make() -> Result[Any]:
        return Result.future(later()).task(lambda: done.append("outer"))

    async with app:
        got = await HttpClient(app).get("/api/R/make")
    assert got.result().get() == "/api/R/make"
    assert got.json()["origin"] == ["R", "make", "tb"]
    assert sorted(done) == ["inner", "outer"]


@pytest.mark.parametrize("make", [Result.json, Result.ok])
async def test_tasks_run_also_where_the_answer_cannot_be_sent(make: Callable[..., Any]) -> None:
    done: list[str] = []
    got = await answer(lambda: make(object()).task(lambda: done.append("task")))
    assert (got.status, done) == (500, ["task"])


async def test_tasks_run_after_the_response_has_left() -> None:
    order: list[str] = []
    app = App("tasks", plugins=["transport_http"], mods=[])

    @app.export(mod_name="T", api=True)
    async def start(as_json: bool = False) -> Result[Any]:
        result = Result.json("x") if as_json else Result.ok("x")
        return result.task(lambda: order.append("task"))

    async with app:
        asgi = app.asgi()

        async def send(message: Any) -> None:
            order.append(message["type"].rpartition(".")[2])

        async def receive() -> Any:
            raise AssertionError

        for query in (b"", b"as_json=true"):
            scope = {
                "type": "http",
                "method": "GET",
                "path": "/api/T/start",
                "query_string": query,
                "headers": [(b"host", b"x")],
            }
            await asgi(scope, receive, send)
    assert order.count("task") == 2
    assert order[:2] == ["start", "body"]


@pytest.mark.parametrize("row", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        object,
        lambda: Result.ok(object()),
        lambda: Result.json(object()),
        lambda: Result.file("no base64", "x"),
        lambda: Result.file_path("/nowhere/at/all"),
        lambda: Result.stream(iter([b"x"]), content_type="a/b", headers={"a b": "c"}),
        lambda: 1 / 0,
    ],
)
async def test_an_error_says_which_export_it_comes_from(make: Callable[[], Any], row: bool) -> None:
    got = await answer(make, row=row)
    assert got.status in {404, 500}
    assert got.json()["origin"] == ["R", "make", "tb"]


async def test_a_refusal_says_which_export_was_asked_for() -> None:
    got = await answer(lambda: None, "PUT")
    assert (got.status, got.json()["origin"]) == (405, ["R", "make", "tb"])
    events = await answer(lambda: Result.file_stream([b"x"], "x"), **ENVELOPE)
    assert (events.status, events.json()["origin"]) == (406, ["R", "make", "tb"])


@pytest.mark.parametrize("accept", ["*/*", ENVELOPE["accept"]])
@pytest.mark.parametrize("kind", ["html", "row", "file", "stream"])
async def test_what_depends_on_accept_says_so(tmp_path: Path, accept: str, kind: str) -> None:
    makes: dict[str, Callable[[], Any]] = {
        "html": lambda: Result.html("<p>"),
        "row": lambda: "bare",
        "file": lambda: Result.file_path(page(tmp_path)),
        "stream": lambda: Result.file_stream([b"x"], "x"),
    }
    got = await answer(makes[kind], row=kind == "row", accept=accept)
    names = [value for name, value in got.raw_headers if name == "vary"]
    assert names == ["accept"]


async def test_what_does_not_depend_on_accept_can_be_kept_for_all() -> None:
    for accept in ("*/*", ENVELOPE["accept"]):
        assert (await answer(lambda: Result.ok(1), accept=accept)).headers.vary is None
        assert (await answer(lambda: Result.sse([1]), accept=accept)).headers.vary is None
