"""The parts of serving that need no server: sockets, logs, choice of server, what is shown."""

import io
import json
import logging
import socket
import threading

import pytest

from pegboard import App, hookimpl
from pegboard._cli.scaffold import new_mod
from pegboard._discovery import mod_at
from pegboard._library import Library
from pegboard._loader import load_mod
from pegboard._serving import workers
from pegboard._serving.banner import banner
from pegboard._serving.deadline import Deadline
from pegboard._serving.failure import flattened, reported
from pegboard._serving.listen import listen, url_of
from pegboard._serving.log import JsonFormatter, TextFormatter, configure
from pegboard._serving.serve import ServeRequest, choose_server
from pegboard._serving.style import Style
from pegboard.contracts.server import ServeSettings
from pegboard.errors import ConfigError, LoadError, MissingPluginError


class Offering:
    """A plugin that offers a server that is nothing but its description."""

    def __init__(self, name, rank, *features):
        self.name, self.rank, self.features = name, rank, frozenset(features)

    @hookimpl
    def serve(self):
        return self


FAST = Offering("fast", 40, "tls", "workers")
ABLE = Offering("able", 6, "tls", "workers", "http2", "trio")


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    for name in ("uvicorn.error", "hypercorn.error", "asyncio", "anyio"):
        logging.getLogger(name).setLevel(logging.NOTSET)


# -- sockets -----------------------------------------------------------------------------------


def test_a_free_port_is_taken_and_accepts_before_anyone_serves():
    (bound,) = listen("127.0.0.1", 0)
    with bound, socket.create_connection(bound.getsockname(), 5):
        assert url_of(bound, is_secure=False) == f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_a_name_with_several_addresses_has_one_port():
    sockets = listen("localhost", 0)
    assert len({each.getsockname()[1] for each in sockets}) == 1
    for each in sockets:
        each.close()


def test_all_interfaces_are_shown_as_an_address_one_can_open():
    for each in listen("0.0.0.0", 0):
        with each:
            assert url_of(each, is_secure=True).startswith("https://127.0.0.1:")


def test_a_port_in_use_leaves_no_socket_behind():
    (bound,) = listen("127.0.0.1", 0)
    with bound:
        port = bound.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} of 127\.0\.0\.1 is in use"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 70, "192.0.2.1", "\x00"])
def test_a_host_that_is_none_of_ours_is_a_sentence(host):
    with pytest.raises(ConfigError, match="--host, such as"):
        listen(host, 0)


# -- choosing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        (ServeSettings(), "fast"),
        (ServeSettings(workers=4), "fast"),
        (ServeSettings(http2=True), "able"),
        (ServeSettings(backend="trio"), "able"),
        (ServeSettings(server="able"), "able"),
    ],
)
@pytest.mark.anyio
async def test_the_fastest_server_that_can_do_what_is_asked_is_taken(settings, chosen):
    async with App(plugins=[FAST, ABLE], mods=[]) as app:
        assert choose_server(app, settings).name == chosen


@pytest.mark.parametrize(
    ("plugins", "settings", "error", "text"),
    [
        ([], ServeSettings(), MissingPluginError, "pip install pegboard-server-uvicorn"),
        (
            [FAST],
            ServeSettings(server="able"),
            ConfigError,
            "there is no server 'able'; known: fast, hypercorn, uvicorn",
        ),
        (
            [FAST],
            ServeSettings(server="uvicorn"),
            MissingPluginError,
            "--server uvicorn needs .*: pip install pegboard-server-uvicorn",
        ),
        ([FAST], ServeSettings(http2=True), ConfigError, "fast cannot do http2: pip install"),
        (
            [FAST, ABLE],
            ServeSettings(server="fast", http2=True),
            ConfigError,
            "fast cannot do http2: take --server able",
        ),
    ],
)
@pytest.mark.anyio
async def test_a_server_that_is_not_there_is_named(plugins, settings, error, text):
    async with App(plugins=plugins, mods=[]) as app:
        with pytest.raises(error, match=text):
            choose_server(app, settings)


def test_settings_that_contradict_are_refused(tmp_path, root_logger):
    request = ServeRequest(project=str(tmp_path), config={"serve": {"keyfile": "key.pem"}})
    with pytest.raises(ConfigError, match="TLS needs both"):
        request.read_settings()


@pytest.mark.parametrize(
    ("key", "value"),
    [("port", 70_000), ("workers", 0), ("shutdown_timeout", -1.0), ("sever", "x"), ("port", "x")],
)
def test_a_setting_out_of_bounds_is_named_with_its_origin(tmp_path, key, value):
    request = ServeRequest(project=str(tmp_path), config={"serve": {key: value}})
    with pytest.raises(ConfigError, match=rf"serve\.{key} \(from caller\)"):
        request.read_settings()


# -- the log -----------------------------------------------------------------------------------


def test_a_line_for_people_has_no_control_characters_of_a_message():
    record = logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": "a\x1b[2Jb\r\x9bc\td"})
    assert TextFormatter().format(record).endswith("INFO    x: a·[2Jb\\r·c\td")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028", "\x85"])
def test_a_message_cannot_forge_a_second_line(end):
    record = logging.makeLogRecord({"name": "x", "msg": f"a{end}00:00:00 ERROR forged"})
    assert len(TextFormatter().format(record).splitlines()) == 1


def test_a_traceback_shows_the_frames_of_the_user_only(tmp_path):
    (tmp_path / "broken.py").write_text("import nothing_like_this\n")
    failure = None
    try:
        load_mod(mod_at(tmp_path / "broken.py"), Library())
    except LoadError as error:
        failure = error.__cause__
    record = logging.makeLogRecord({"name": "x", "msg": "no"})
    record.exc_info = (type(failure), failure, failure.__traceback__)
    lines = TextFormatter().format(record).splitlines()[1:]
    assert [line for line in lines if "File " in line] == [
        f'    File "{tmp_path / "broken.py"}", line 1, in <module>'
    ]
    assert all(line.startswith("  ") for line in lines)


def test_a_line_for_machines_is_one_object_with_all_that_a_record_brings():
    error = ValueError("no\nway")
    failure = (type(error), error, None)
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "it %s\n", ("broke",), failure)
    record.urls = ["http://a"]
    record.strange = object()
    line = JsonFormatter().format(record)
    assert "\n" not in line
    read = json.loads(line)
    assert (read["level"], read["message"], read["urls"]) == ("error", "it broke\n", ["http://a"])
    assert "ValueError: no" in read["traceback"]
    assert read["strange"].startswith("<object")


def test_a_line_for_machines_takes_names_that_are_not_utf_8():
    record = logging.LogRecord("x", logging.INFO, "f", 1, "file %s", ("a\udcff",), None)
    assert json.loads(JsonFormatter().format(record))["message"] == "file a\udcff"


@pytest.mark.parametrize(("code", "text"), [(3, "status 3"), (-9, "signal SIGKILL"), (-40, "40")])
def test_the_end_of_a_worker_has_a_name(code, text):
    assert text in workers._reason(code)


def test_a_worker_that_cannot_be_started_again_ends_nobody(monkeypatch):
    supervisor = workers._Supervisor(ServeRequest(), ServeSettings(workers=1), [])
    (worker,) = supervisor._workers

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", refuse)
    supervisor._start_again(worker)
    assert worker.process is None
    assert worker.due > 0


def test_the_log_is_set_up_once_however_often_it_is_asked_for(root_logger):
    stream = io.StringIO()
    configure("text", "INFO", stream=stream)
    configure("text", "INFO", stream=stream)
    logging.getLogger("pegboard.x").info("hello")
    logging.getLogger("uvicorn.error").info("noise")
    assert stream.getvalue().count("hello") == 1
    assert "noise" not in stream.getvalue()


@pytest.mark.anyio
async def test_an_embedded_app_leaves_the_log_to_its_host(root_logger):
    before = root_logger.handlers[:]
    async with App(mods=[]):
        assert root_logger.handlers == before


# -- what is shown -----------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_banner_says_where_what_and_who_may_call_it():
    app = App(plugins=[], mods=[])

    @app.export(mod_name="Desk", api=True)
    def open_one():
        pass

    @app.export(mod_name="Desk", api=True)
    def open_two():
        pass

    @app.export(mod_name="Safe", api=True, level=10)
    def secret():
        pass

    @app.export(mod_name="Safe")
    def inner():
        pass

    @app.export(mod_name="Safe", initial=True)
    def begin():
        pass

    async with app:
        text = banner(app, ["http://127.0.0.1:1"], "fast on uvloop", style=Style(is_on=False))
    assert text.splitlines()[0] == "http://127.0.0.1:1"
    assert "open to everyone" in text
    assert "Desk.{open_one, open_two}" in text
    (line,) = [line for line in text.splitlines() if "level 10" in line]
    assert "Safe.secret" in line
    (line,) = [line for line in text.splitlines() if "not from outside" in line]
    assert "Safe.inner" in line
    assert text.count("inner") == 1
    assert "begin" not in text
    assert "\x1b" not in text


@pytest.mark.anyio
async def test_the_banner_names_what_handles_websockets():
    app = App(plugins=["transport_ws"], mods=[])

    @app.export(mod_name="Talk", websocket_handler="room")
    def room():
        async def on_message(app, conn_id, payload):
            pass

        return {"on_message": on_message}

    async with app:
        text = banner(app, [], "fast", style=Style(is_on=False))
    (line,) = [line for line in text.splitlines() if "open to everyone" in line]
    assert "Talk.room" in line


@pytest.mark.anyio
async def test_the_banner_without_mods_says_how_to_make_one(monkeypatch):
    monkeypatch.setattr("pegboard._serving.banner.find_mods", lambda _project: [])
    async with App(plugins=[], mods=[]) as app:
        text = banner(app, [], "fast", style=Style(is_on=True))
    assert "pegboard new mod" in text
    assert "\x1b[" in text


@pytest.mark.anyio
async def test_the_banner_tells_mods_that_are_off_from_none(tmp_path):
    new_mod(tmp_path, "hello")
    off = {"mods": {"allow": ["nope"]}}
    async with App(plugins=[], project=tmp_path, config=off) as app:
        assert "No mod serves: pegboard mods says why" in banner(
            app, [], "fast", style=Style(is_on=False)
        )
    async with App(plugins=[], project=tmp_path, mods=[]) as app:
        assert "No mods are loaded" in banner(app, [], "fast", style=Style(is_on=False))


def test_a_deadline_that_is_withdrawn_leaves_no_timer():
    before = set(threading.enumerate())
    deadline = Deadline(3600)
    (timer,) = set(threading.enumerate()) - before
    deadline.withdraw()
    timer.join(5)
    assert not timer.is_alive()


def test_an_error_of_ours_ends_a_command_with_a_sentence(capsys):
    with pytest.raises(SystemExit) as ended, reported():
        raise ExceptionGroup("tasks", [ConfigError("port 1 is taken")])
    assert ended.value.code == 1
    assert capsys.readouterr().err == "error: port 1 is taken\n"


def test_an_error_that_is_not_ours_keeps_its_traceback():
    with pytest.raises(ExceptionGroup), reported():
        raise ExceptionGroup("tasks", [ConfigError("a"), ValueError("b")])
    assert flattened(ExceptionGroup("x", [ValueError()])) is None


def test_ctrl_c_ends_a_command_as_shells_expect():
    with pytest.raises(SystemExit) as ended, reported():
        raise KeyboardInterrupt
    assert ended.value.code == 130
