"""What the original gets wrong, line by line: each test is named after what has to hold here."""

import ast
import json
import logging
import re
import subprocess
import sys
import threading
from importlib.metadata import distributions, packages_distributions, requires, version
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import anyio
import msgspec
import pytest

import pegboard
from pegboard import (
    ANONYMOUS,
    App,
    RequestData,
    Result,
    Session,
    current_session,
    get_app,
    hookimpl,
)
from pegboard.errors import PegboardError
from pegboard.testing import EventStreamClient, HttpClient, WebSocketClient

pytestmark = pytest.mark.anyio

SECRET = "password=hunter2"


# -- numbered 1 to 17 --------------------------------------------------------------------------


async def test_01_a_plain_function_with_row_answers_its_bare_value(documented):
    async with documented("guide") as app:
        assert await anyio.to_thread.run_sync(app.run, "Guide.system_function") == (
            "Raw return value"
        )


async def test_02_a_json_body_reaches_the_parameter_data(documented):
    async with documented("guide") as app:
        response = await HttpClient(app).post("/api/Guide/update_data", json={"n": 1})
        assert (response.status, response.result().get()) == (200, {"n": 1})


@pytest.mark.parametrize("body", [b'{"n": ', b"", b"\xff\xfe", b'{"n": 1} trailing'])
async def test_02_bad_json_is_the_callers_mistake_and_says_so(documented, body):
    async with documented("guide") as app:
        response = await HttpClient(app).post(
            "/api/Guide/update_data", content=body, headers={"content-type": "application/json"}
        )
        assert response.status == 400
        assert response.result().error == "InputError"
        assert response.result().info.help_text


@pytest.mark.parametrize("files", [None, {}])
async def test_03_a_form_reaches_the_parameter_form_data(documented, files):
    async with documented("guide") as app:
        response = await HttpClient(app).post(
            "/api/Guide/submit_form", form={"a": "1"}, files=files
        )
        assert (response.status, response.result().get()) == (200, {"a": "1"})


async def test_04_an_export_with_the_request_may_be_sent_more_than_it_names(documented):
    async with documented("guide") as app:
        client = HttpClient(app)
        response = await client.get("/api/Guide/process_request", query={"search": "x"})
        assert response.result().get("search_term") == "x"
        response = await client.post("/api/Guide/process_request", json={"unnamed": 1})
        assert response.result().get("json") == {"unnamed": 1}


@pytest.mark.parametrize("prefix", ["/api", "/sse"])
async def test_05_streams_go_over_http_without_forbidden_headers(documented, prefix):
    async with documented("ultimate_ttt") as app:
        client = EventStreamClient(app)
        path = f"{prefix}/UltimateTTT/open_game_stream"
        async with client.connect(path, query={"game_id": "1"}) as events:
            names = {name for name, _ in events.response.raw_headers}
            seen = [event.event async for event in events]
        assert not names & {"connection", "keep-alive", "transfer-encoding"}
        assert "state" in seen


async def test_06_compute_functions_have_the_documented_signatures(documented):
    async with documented("compute") as app:
        assert (await app.call("Compute.monitored_function", "x")).get() == "Hello, x!"


async def test_06_a_plain_compute_function_may_stand_before_a_coroutine_function(pegboard_app):
    async with pegboard_app() as app:

        @app.export(mod_name="M", pre_compute=lambda n: ((n + 1,), {}))
        async def f(n):
            return n

        assert (await app.call("M.f", 1)).get() == 2


@pytest.mark.parametrize("kind", ["function", "coroutine function", "coroutine"])
async def test_07_tasks_of_every_kind_run_for_exports_with_api(documented, kind):
    done = anyio.Event()

    async def work():
        done.set()

    async with documented() as app:

        @app.export(mod_name="M", api=True)
        async def begin():
            task = {
                "function": lambda: app.run("M.finish"),
                "coroutine function": work,
                "coroutine": work(),
            }
            for name, other in task.items():
                if name == "coroutine" != kind:
                    other.close()
            return Result.ok("begun").task(task[kind])

        @app.export(mod_name="M")
        async def finish():
            done.set()

        response = await HttpClient(app).get("/api/M/begin")
        assert response.result().get() == "begun"
        with anyio.fail_after(5):
            await done.wait()


def room(log):
    async def on_connect(app, conn_id, session):
        log.append(("connect", isinstance(app, App), session["user_name"]))

    async def on_message(app, conn_id, session, payload):
        log.append(("message", payload))
        await app.ws_send(conn_id, {"seen": payload})

    async def on_disconnect(app, conn_id, session):
        log.append(("disconnect", session["user_name"]))

    return {"on_connect": on_connect, "on_message": on_message, "on_disconnect": on_disconnect}


async def test_08_handlers_get_app_connection_session_and_payload(documented):
    log = []
    async with documented() as app:
        app.export(mod_name="M", name="init", websocket_handler="room")(lambda: room(log))
        client = WebSocketClient(app, headers={"x-user": "ada"})
        with anyio.fail_after(5):
            async with client.connect("/ws/M/room") as socket:
                await socket.send_json({"n": 1})
                assert await socket.receive_json() == {"seen": {"n": 1}}
    assert log == [("connect", True, "ada"), ("message", {"n": 1}), ("disconnect", "ada")]


async def test_09_a_closed_connection_is_told_to_its_own_handler_only(documented):
    one, two = [], []
    async with documented() as app:
        app.export(mod_name="M", name="one", websocket_handler="one")(lambda: room(one))
        app.export(mod_name="M", name="two", websocket_handler="two")(lambda: room(two))
        with anyio.fail_after(5):
            async with WebSocketClient(app).connect("/ws/M/one") as socket:
                await socket.send_json({})
                await socket.receive_json()
    assert [each[0] for each in one] == ["connect", "message", "disconnect"]
    assert two == []


async def test_10_text_is_delivered_as_text(documented):
    async with documented("responses") as app:
        response = await HttpClient(app).get("/api/Responses/as_text")
        assert (response.headers.content_type, response.text) == (
            "text/plain; charset=utf-8",
            "Plain text content",
        )


@pytest.mark.parametrize(
    ("result", "status", "error"),
    [
        (Result.json({}, status_code=201), 201, None),
        (Result.error(info="told"), 450, "CustomError"),
        (Result.error(info="told", exec_code=404), 404, "CustomError"),
        (Result.error(info="told", exec_code=7), 400, "CustomError"),
        (Result.error(info="told", exec_code=1000), 400, "CustomError"),
        (Result.default_user_error(info="told"), 400, "InputError"),
        (Result.default_internal_error(info="told"), 500, "InternalError"),
        (Result.custom_error(info="told"), 400, "CustomError"),
    ],
)
async def test_10_codes_travel_as_status_and_errors_keep_kind_and_text(
    documented, result, status, error
):
    async with documented() as app:
        app.export(mod_name="M", name="f", api=True)(lambda: result)
        response = await HttpClient(app).get("/api/M/f")
    assert response.status == status
    if error:
        assert response.result().error == error
        assert response.result().info == result.info


@pytest.mark.parametrize("success", [Result.html("<p>"), Result.text("x")])
async def test_11_lazy_return_takes_a_success_with_code_200_for_one(success):
    went_on = success.lazy_return("user", data=1)
    assert (went_on.is_ok(), went_on.get()) == (True, 1)
    assert success.is_ok()


@pytest.mark.parametrize("code", [0, 200])
async def test_11_an_error_with_code_0_or_200_is_an_error(documented, code):
    async with documented() as app:

        @app.export(mod_name="M", api=True)
        async def f():
            return Result.default_user_error("told", exec_code=code)

        assert (await app.call("M.f")).is_error()
        response = await HttpClient(app).get("/api/M/f")
    assert response.status >= 400
    assert response.result().info.help_text == "told"


def test_14_arguments_on_the_command_line_reach_the_function(tmp_path):
    (tmp_path / "mods").mkdir()
    (tmp_path / "mods" / "echo.py").write_text(
        "from pegboard import get_app\n"
        "@get_app('echo').tb()\n"
        "def say(text: str, times: int = 1): return [text] * times\n"
    )
    command = ["call", "echo.say", "text=hällo", "times=2", "--json", "--project", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pegboard", *command],
        capture_output=True,
        check=True,
        timeout=30,
        cwd=tmp_path,
    )
    assert json.loads(done.stdout)["result"]["data"] == ["hällo", "hällo"]


async def test_15_run_takes_a_pair_by_position(documented):
    async with documented("guide") as app:
        answer = await anyio.to_thread.run_sync(app.run, ("Guide", "your_function"))
        assert answer.get() == "Success"


OURS = sorted(
    {each.name for each in distributions() if each.name and each.name.startswith("pegboard")}
    - {"pegboard-workspace"}
)
WITH_THE_KERNEL = {"anyio", "msgspec", "pluggy", "pegboard"}
FOR_TESTS_ONLY = {"pytest", "trustme", "h2"}
STANDARD = sys.stdlib_module_names | {"compression"}  # that one since Python 3.14


@pytest.mark.parametrize("name", OURS)
def test_17_whatever_a_distribution_imports_it_declares(name):
    package = Path(__file__).parents[2].joinpath(*folder_of(name))
    declared = {canonical(re.split(r"[\s\[<>=!~;]", each)[0]) for each in requires(name) or ()}
    providers = packages_distributions()
    for path in package.rglob("*.py"):
        modules = imported(ast.parse(path.read_bytes())) - STANDARD
        for module in modules - WITH_THE_KERNEL - FOR_TESTS_ONLY - {package.name}:
            own = [module.replace("_", "-")]  # a distribution of the workspace lists no modules
            found = {canonical(each) for each in providers.get(module, own)}
            assert found & declared, f"{name} does not declare {module}, see {path}"


def canonical(distribution):
    return re.sub(r"[-_.]+", "-", distribution).lower()


def folder_of(name):
    short = name.removeprefix("pegboard-").replace("-", "_")
    if name == "pegboard":
        return ("kernel", "src", "pegboard")
    parent = ("mods",) if short == "mods" else ("plugins", short)
    return (*parent, "src", f"pegboard_{short}")


def imported(tree):
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


# -- security ----------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["/api", "/sse", "/ws"])
async def test_an_export_without_api_cannot_be_reached_from_outside(documented, prefix):
    called = []
    async with documented() as app:
        app.export(mod_name="M", name="f")(lambda: called.append(True))
        for method in ("GET", "POST"):
            response = await HttpClient(app).request(method, f"{prefix}/M/f")
            assert response.status == 404
    assert not called


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-user": "ada", "x-level": "9"}, 403),
        ({"x-user": "ada", "x-level": "10"}, 200),
    ],
)
@pytest.mark.parametrize("prefix", ["/api", "/sse"])
async def test_levels_are_enforced(documented, headers, status, prefix):
    called = []

    async def events():
        called.append(True)
        yield "event"

    async with documented() as app:
        app.export(mod_name="M", name="f", api=True, level=10)(events)
        response = await HttpClient(app, headers=headers).get(f"{prefix}/M/f")
    assert response.status == status
    assert bool(called) == (status == 200)


async def test_levels_are_enforced_for_sockets(documented):
    log = []
    async with documented() as app:
        declare = app.export(mod_name="M", name="init", websocket_handler="room", level=10)
        declare(lambda: room(log))
        with pytest.raises(pegboard.testing.WebSocketRefused):
            async with WebSocketClient(app).connect("/ws/M/room"):
                pass
    assert log == []


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "HEAD", "TRACE", "put"])
async def test_methods_are_enforced_and_the_right_ones_are_told(documented, method):
    called = []
    async with documented() as app:
        app.export(mod_name="M", name="f", api=True, api_methods=["PUT"])(
            lambda: called.append(True)
        )
        response = await HttpClient(app).request(method, "/api/M/f")
    assert response.status == 405
    assert "PUT" in response.headers.allow.split(", ")
    assert "GET" not in response.headers.allow.split(", ")
    assert not called


@pytest.mark.parametrize("name", ["open_door", "OpenDoor", "open"])
async def test_a_name_that_begins_with_open_opens_nothing(documented, name):
    config = {"access": {"protected_modules": ["M"]}}
    async with documented(config=config) as app:
        app.export(mod_name="M", name=name, api=True)(lambda: "in")
        app.export(mod_name="M", name=f"{name}_private")(lambda: "in")
        assert (await HttpClient(app).get(f"/api/M/{name}")).status == 401
        assert (await HttpClient(app).get(f"/api/M/{name}_private")).status == 404


INJECTED = ["args_", "kwargs_", "args", "kwargs", "spec", "app", "tb_run_with_specification"]


@pytest.mark.parametrize("name", [*INJECTED, "get_results", "request"])
async def test_names_of_the_dispatcher_cannot_be_injected(documented, name):
    async with documented() as app:

        @app.export(mod_name="M", api=True)
        async def strict(n: int):
            return n

        @app.export(mod_name="M", api=True)
        async def tolerant(n: int, request: RequestData = None, **rest):
            return {"n": n, "rest": rest, "request": isinstance(request, RequestData)}

        client = HttpClient(app)
        for parts in ({"query": {"n": "1", name: "x"}}, {"json": {"n": 1, name: ["x"]}}):
            refused = await client.post("/api/M/strict", **parts)
            assert refused.status == 400
            assert name in refused.result().info.help_text
            taken = await client.post("/api/M/tolerant", **parts)
            assert taken.result().get() == {"n": 1, "rest": {}, "request": True}


async def test_the_text_of_an_exception_reaches_the_log_and_no_client(documented, caplog):
    async with documented() as app:

        @app.export(mod_name="M", api=True)
        async def fail():
            raise RuntimeError(SECRET)

        response = await HttpClient(app).get("/api/M/fail")
    assert response.status == 500
    assert b"hunter2" not in response.body
    assert b"Traceback" not in response.body
    assert any("hunter2" in str(each.exc_info) for each in caplog.records if each.exc_info)


@pytest.mark.parametrize("is_async", [True, False])
async def test_an_error_in_a_stream_is_an_event_without_traceback_or_text(
    documented, caplog, is_async
):
    async def async_events():
        yield 1
        raise RuntimeError(SECRET)

    def events():
        yield 1
        raise RuntimeError(SECRET)

    async with documented() as app:
        app.export(mod_name="M", name="f", api=True)(async_events if is_async else events)
        async with EventStreamClient(app).connect("/sse/M/f") as stream:
            body = [event async for event in stream]
        text = stream.response.text
    assert "error" in [event.event for event in body]
    assert "hunter2" not in text
    assert "Traceback" not in text
    assert any("hunter2" in str(each.exc_info) for each in caplog.records if each.exc_info)


@pytest.mark.parametrize(
    "name", ['a".html', "a\r\nset-cookie: x=1\r\n.txt", "a\\b.txt", "grün €.txt", "../../x", "\0"]
)
async def test_a_file_name_cannot_break_out_of_its_header(documented, name):
    async with documented() as app:

        @app.export(mod_name="M", api=True)
        async def f():
            return Result.binary(b"data", download_name=name)

        response = await HttpClient(app).get("/api/M/f")
    disposition = response.headers.content_disposition
    assert response.headers.set_cookie is None
    assert disposition.startswith("attachment")
    assert disposition.count('"') in {0, 2}
    assert not set(disposition) & set("\r\n\0")
    if name == "grün €.txt":
        assert f"filename*=UTF-8''{quote(name)}" in disposition


class Watchman:
    """Notes where connections come from, as a plugin that decides who asks would see it."""

    def __init__(self):
        self.seen = []

    @hookimpl
    def load_session(self, connection):
        self.seen.append(connection.client)


async def test_forwarded_addresses_are_not_trusted(documented):
    watchman = Watchman()
    headers = {
        "x-forwarded-for": "127.0.0.1",
        "forwarded": "for=127.0.0.1",
        "x-real-ip": "127.0.0.1",
    }
    async with documented("guide", plugins=[watchman]) as app:
        client = HttpClient(app, headers=headers, address=("203.0.113.5", 1))
        response = await client.get("/api/Guide/get_user_session")
    assert set(watchman.seen) <= {"203.0.113.5"}
    assert response.result().get("level") == 0


async def test_a_caller_on_this_machine_is_nobody_special(documented):
    async with documented("guide") as app:
        client = HttpClient(app, address=("127.0.0.1", 1))
        response = await client.get("/api/Guide/get_user_session")
        assert response.result().get("user") == "anonymous"


async def test_pages_of_elsewhere_may_not_read_answers_unless_configured(documented):
    headers = {"origin": "https://evil.example"}
    async with documented("guide") as app:
        client = HttpClient(app, headers=headers)
        for response in (
            await client.get("/api/Guide/get_data"),
            await client.options(
                "/api/Guide/get_data", headers={"access-control-request-method": "GET"}
            ),
        ):
            assert not [name for name, _ in response.raw_headers if name.startswith("access-")]


async def test_credentials_are_never_allowed_together_with_every_origin(documented):
    config = {"plugins": {"transport_http": {"cors_origins": ["*"], "cors_credentials": True}}}
    with pytest.raises(PegboardError, match="cors"):
        async with documented(config=config):
            pass


async def test_an_origin_that_is_configured_is_answered_by_name(documented):
    config = {"plugins": {"transport_http": {"cors_origins": ["https://good.example"]}}}
    async with documented("guide", config=config) as app:
        for origin, allowed in (
            ("https://good.example", "https://good.example"),
            ("https://good.example.evil", None),
        ):
            response = await HttpClient(app).get("/api/Guide/get_data", headers={"origin": origin})
            assert response.headers.access_control_allow_origin == allowed


# -- isolation ---------------------------------------------------------------------------------


async def test_requests_at_the_same_time_never_see_one_anothers_session(documented):
    met = {"alice": anyio.Event(), "bob": anyio.Event()}
    answers = {}
    async with documented() as app:

        @app.export(mod_name="M", api=True)
        async def who(request: RequestData):
            me = request.session.user_name
            met[me].set()
            await met["bob" if me == "alice" else "alice"].wait()
            in_thread = await anyio.to_thread.run_sync(lambda: current_session().user_name)
            return [current_session().user_name, in_thread, request.session.user_name]

        async def ask(user):
            response = await HttpClient(app, headers={"x-user": user}).get("/api/M/who")
            answers[user] = response.result().get()

        async with anyio.create_task_group() as tasks:
            for user in met:
                tasks.start_soon(ask, user)
    assert answers == {"alice": ["alice"] * 3, "bob": ["bob"] * 3}


async def test_the_session_of_a_request_ends_with_it(documented):
    async with documented("guide") as app:
        client = HttpClient(app, headers={"x-user": "ada"})
        for method, name in (("GET", "get_user_session"), ("POST", "submit_form")):
            await client.request(method, f"/api/Guide/{name}")
            assert current_session() is ANONYMOUS


async def test_whoever_asks_without_a_session_is_anonymous_and_no_administrator(pegboard_app):
    async with pegboard_app() as app:
        app.export(mod_name="M", name="who")(current_session)
        session = (await app.call("M.who")).get()
    assert isinstance(session, Session)
    assert (session.anonymous, session.is_admin, session.valid) == (True, False, False)


# -- run time ----------------------------------------------------------------------------------


async def test_a_plain_function_that_blocks_keeps_nobody_waiting(documented):
    release = threading.Event()
    async with documented() as app:

        @app.export(mod_name="M", api=True)
        def slow():
            return release.wait(10)

        @app.export(mod_name="M", api=True)
        async def quick():
            release.set()

        client, statuses = HttpClient(app), []

        async def ask(name):
            statuses.append((await client.get(f"/api/M/{name}")).status)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(ask, "slow")
                await anyio.wait_all_tasks_blocked()
                await ask("quick")
    assert statuses == [200] * 5


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_client_that_leaves_a_stream_runs_finally_and_cleanup_once(documented, kind):
    log, cleaned = [], anyio.Event()

    async def async_events():
        try:
            while True:
                yield {"n": 1}
        finally:
            log.append("finally")

    def events():
        try:
            while True:
                yield {"n": 1}
        finally:
            log.append("finally")

    async def cleanup():
        log.append("cleanup")
        cleaned.set()

    async with documented() as app:

        @app.export(mod_name="M", api=True)
        async def follow():
            source = async_events() if kind == "async" else events()
            return Result.sse(source, cleanup_func=cleanup)

        async with EventStreamClient(app).connect("/sse/M/follow") as stream:
            async for event in stream:
                if event.event == "message":
                    break
        with anyio.fail_after(5):
            await cleaned.wait()
    assert log == ["finally", "cleanup"]


@pytest.mark.parametrize("parts", [{"query": {"n": "5"}}, {"form": {"n": "5"}}, {"json": {"n": 5}}])
async def test_arguments_have_the_type_that_is_annotated(documented, parts):
    async with documented() as app:

        @app.export(mod_name="M", api=True)
        async def f(n: Annotated[int, msgspec.Meta(ge=1)]):
            return n + 1

        assert (await HttpClient(app).post("/api/M/f", **parts)).result().get() == 6


@pytest.mark.parametrize("value", ["x", "0", "", "5.5"])
async def test_an_argument_of_the_wrong_type_is_named(documented, value):
    async with documented() as app:

        @app.export(mod_name="M", api=True)
        async def f(n: Annotated[int, msgspec.Meta(ge=1)]):
            return n

        response = await HttpClient(app).get("/api/M/f", query={"n": value})
    assert response.status == 400
    assert "`n`" in response.result().info.help_text


async def test_data_info_may_be_a_dict(documented):
    async with documented() as app:
        app.export(mod_name="M", name="f", api=True)(lambda: Result.ok(1, data_info={"unit": "m"}))
        response = await HttpClient(app).get("/api/M/f")
    assert response.json()["result"]["data_info"] == {"unit": "m"}


async def test_several_apps_live_in_one_process(documented):
    async with documented("guide", name="first") as first:
        async with documented("responses", name="second") as second:
            assert (await HttpClient(first).get("/api/Responses/standard")).status == 404
            assert (await HttpClient(second).get("/api/Guide/get_data")).status == 404
        assert (await HttpClient(first).get("/api/Guide/get_data")).status == 200


async def test_a_function_that_fails_at_load_leaves_the_other_mods_serving(documented, caplog):
    async with documented("guide") as app:
        with pytest.raises(PegboardError):
            app.export(mod_name="Guide", name="get_data", api=True)(lambda: None)
        assert (await HttpClient(app).get("/api/Guide/get_data")).status == 200
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


def test_asking_for_the_app_starts_nothing_and_its_name_and_version_are_as_given(tmp_path):
    threads = threading.active_count()
    assert get_app("bench") is not None
    assert threading.active_count() <= threads  # idle ones end when they like
    app = App("bench", project=tmp_path, plugins=[], mods=[])
    assert app.name == "bench"
    assert pegboard.__version__ == version("pegboard")


async def test_nothing_is_written_where_the_packages_are(documented):
    root = Path(pegboard.__file__).parent
    before = {path for path in root.rglob("*") if "__pycache__" not in path.parts}
    async with documented("guide", "responses") as app:
        await HttpClient(app).get("/api/Guide/get_data")
        assert app.data.is_relative_to(app.project)
    assert {path for path in root.rglob("*") if "__pycache__" not in path.parts} == before
