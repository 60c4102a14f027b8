"""The command line: parsing in process, the rest as the process that users start."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from pegboard import App
from pegboard._binding import Binding
from pegboard._catalogue import KNOWN_COMMANDS, OFFICIAL_PLUGINS
from pegboard._cli.arguments import read_arguments
from pegboard._cli.root import root
from pegboard._cli.scaffold import new_mod
from pegboard._discovery import find_plugins
from pegboard._serving.advice import advice
from pegboard._serving.workers import Delay
from pegboard.errors import ConflictError, InputError, MissingPluginError

MOD = """
from typing import Annotated
import msgspec
from pegboard import Result, get_app

export = get_app("desk").tb

@export(api=True, samples=[{"a": 1, "b": 2}])
def add(a: int, b: int) -> int:
    return a + b

@export(samples=[{"text": "x"}, {"text": 3}])
def echo(text: str, times: int = 1, tags: list[str] = ()):
    return {"text": text * times, "tags": list(tags)}

@export()
def refuse():
    return Result.default_user_error("not today")

@export()
def crash():
    raise RuntimeError("secret")

@export()
def raw():
    return Result.binary(b"\\x00\\xff", "application/octet-stream")

@export()
async def count(until: int):
    async def numbers():
        for number in range(until):
            yield {"number": number}
    return Result.stream(numbers())

@export()
def broken_stream():
    def numbers():
        yield 1
        raise RuntimeError("in the middle")
    return Result.stream(numbers())

class Part(msgspec.Struct):
    name: str
    count: Annotated[int, msgspec.Meta(le=9)]

@export()
def refit(data: Part):
    return data

@export()
def odd():
    return {"a": object()}

@export(test=False, samples=[{}])
def never():
    raise AssertionError
"""


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    (folder / "mods").mkdir(parents=True)
    (folder / "mods" / "desk.py").write_text(MOD)
    (folder / "mods" / "other.py").write_text("")
    (folder / "pegboard.toml").write_text(
        "[app]\nname = 'desk app'\n[mods]\nallow = ['desk', 'broken', 'hello']\n"
    )
    return folder


@pytest.fixture
def run(project):
    """Return a function that runs `pegboard` as a process in the project's folder."""

    def run(*arguments, environment=None, text=True):
        kept = {key: value for key, value in os.environ.items() if "PEGBOARD" not in key}
        return subprocess.run(
            [sys.executable, "-m", "pegboard", *arguments],
            capture_output=True,
            text=text,
            cwd=project,
            env={**kept, **(environment or {})},
            timeout=30,
            check=False,
        )

    return run


# -- call --------------------------------------------------------------------------------------


def test_a_call_prints_the_data_and_ends_with_zero(run):
    done = run("call", "desk.add", "a=1", "b=2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


def test_values_are_json_where_they_fit_the_parameter_and_text_elsewhere(run):
    done = run("call", "desk.echo", "text=12", "times=2", "tags=a", "tags=b")
    assert json.loads(done.stdout) == {"text": "1212", "tags": ["a", "b"]}
    assert json.loads(run("call", "desk.echo", "text=a=b").stdout)["text"] == "a=b"
    assert json.loads(run("call", "desk.echo", "text=é", "tags=1").stdout)["tags"] == ["1"]


def test_json_prints_the_envelope(run):
    done = run("call", "desk.add", "a=1", "b=2", "--json")
    envelope = json.loads(done.stdout)
    assert (envelope["error"], envelope["result"]["data"]) == ("none", 3)
    assert envelope["origin"][:2] == ["desk", "add"]


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("desk.refuse",), 1, "not today"),
        (("desk.crash",), 1, "error id"),
        (("desk.add", "a=1"), 1, "missing argument `b`"),
        (("desk.add", "a=1", "b=x"), 1, "argument `b`"),
        (("desk.add", "a=1", "b=2", "c=3"), 1, "unknown argument `c`"),
        (("desk.ad", "a=1"), 1, "did you mean desk.add?"),
        (("other.f",), 1, "mod other is off: not in the allow list"),
        (("desk.refit", 'data={"name": "l", "count": 22}'), 1, "argument `data.count`"),
        (("desk.odd",), 1, "InternalError: internal error, id"),
        (("desk.add", "nonsense"), 2, "'nonsense' is not of the form key=value"),
        (("desk.add", "=1"), 2, "not of the form key=value"),
        ((), 2, "Missing argument"),
    ],
)
def test_the_status_of_a_call_tells_what_happened(run, arguments, status, text):
    done = run("call", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert text in done.stderr


def test_a_mod_that_failed_says_why_when_it_is_called(run, project):
    (project / "mods" / "broken.py").write_text("import nothing_like_this\n")
    done = run("call", "broken.f")
    assert done.returncode == 1
    assert re.search(r"mod broken failed: .*broken\.py:1: .*nothing_like_this", done.stderr)
    assert "importlib" not in done.stderr


def test_a_call_says_in_a_line_what_other_mods_are_not_there(run, project):
    (project / "mods" / "broken.py").write_text("import nothing_like_this\n")
    done = run("call", "desk.add", "a=1", "b=2")
    assert (done.returncode, done.stdout) == (0, "3\n")
    assert re.search(r"mod broken: .*broken\.py:1: .*nothing_like_this", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_closed_standard_output_is_no_crash(project):
    command = f"{sys.executable} -m pegboard mods >&-"
    done = subprocess.run(
        command, shell=True, capture_output=True, cwd=project, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_error_with_json_is_an_envelope_too(run):
    done = run("call", "desk.add", "a=x", "b=2", "--json")
    assert done.returncode == 1
    envelope = json.loads(done.stdout)
    assert (envelope["error"], envelope["origin"][:2]) == ("InputError", ["desk", "add"])


def test_a_stream_is_printed_line_by_line(run):
    done = run("call", "desk.count", "until=3")
    assert [json.loads(line)["number"] for line in done.stdout.splitlines()] == [0, 1, 2]


def test_a_stream_that_fails_prints_what_came_before_and_ends_with_one(run):
    done = run("call", "desk.broken_stream")
    assert (done.returncode, done.stdout) == (1, "1\n")
    assert re.search(r"^InternalError: internal error, id [0-9a-f]{8}$", done.stderr, re.MULTILINE)
    assert "in the middle" in done.stderr
    assert len(done.stderr.splitlines()) < 8


def test_bytes_are_printed_as_they_are(run):
    assert run("call", "desk.raw", text=False).stdout == b"\x00\xff"


def test_a_reader_that_goes_away_ends_a_stream_without_traceback(project):
    process = subprocess.Popen(
        [sys.executable, "-m", "pegboard", "call", "desk.count", "until=1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=project,
    )
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) == 1
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()


# -- looking -----------------------------------------------------------------------------------


def test_mods_says_what_serves_and_why_something_does_not(run, project):
    (project / "mods" / "broken.py").write_text("import nothing_like_this\n")
    found = {each["name"]: each for each in json.loads(run("mods", "--json").stdout)["mods"]}
    assert "desk.add" in found["desk"]["exports"]
    assert found["broken"]["state"] == "failed"
    assert "nothing_like_this" in found["broken"]["reason"]
    assert (found["other"]["state"], found["other"]["reason"]) == ("off", "not in the allow list")
    (project / "mods" / "my-mod.py").write_text("")
    table = run("mods").stdout.splitlines()
    assert any(line.startswith("my-mod\toff\t") and "rename it" in line for line in table)
    assert table[0].split("\t")[:2] == ["mod", "state"]
    assert any(line.startswith("broken\tfailed\t") for line in table)


def test_plugins_says_which_are_active(run, project):
    with (project / "pegboard.toml").open("a") as file:
        file.write("[plugins]\ndeny = ['server_hypercorn']\n")
    found = {each["name"]: each for each in json.loads(run("plugins", "--json").stdout)["plugins"]}
    assert found["server_uvicorn"]["state"] == "active"
    assert found["server_hypercorn"]["state"] == "off"
    assert found["server_hypercorn"]["reason"] == "denied by the configuration"


def test_config_show_gives_each_value_with_its_origin(run, project):
    done = run("config", "show", "--json", environment={"PEGBOARD_SERVE__PORT": "7001"})
    found = {each["name"]: each for each in json.loads(done.stdout)["settings"]}
    assert found["app.name"] == {
        "name": "app.name",
        "value": "desk app",
        "origin": str(project / "pegboard.toml"),
    }
    assert found["serve.port"]["value"] == 7001
    assert found["serve.port"]["origin"] == "environment PEGBOARD_SERVE__PORT"
    assert found["serve.host"]["origin"] == "default"
    assert "plugins.server_uvicorn.keep_alive" in found
    assert found["mods.allow"]["value"] == ["desk", "broken", "hello"]


def test_config_show_names_the_plugin_whose_section_is_wrong(run, project):
    with (project / "pegboard.toml").open("a") as manifest:
        manifest.write("[plugins.server_uvicorn]\nkeep_alvie = 9\n")
    done = run("config", "show")
    assert done.returncode == 1
    assert "serve.port" in done.stdout
    assert "error: plugin server_uvicorn: unknown setting" in done.stderr
    assert "did you mean keep_alive?" in done.stderr
    assert run("config", "show", "--json").returncode == 1


def test_serve_says_in_a_sentence_which_setting_of_a_plugin_is_wrong(run, project):
    with (project / "pegboard.toml").open("a") as manifest:
        manifest.write("[plugins.transport_http]\nmax_body = -1\n")
    done = run("serve", "--port", "0")
    assert done.returncode == 1
    assert "error: plugin transport_http: setting plugins.transport_http.max_body" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("plugins", "is_told"), [(["server_uvicorn"], True), (["transport_http"], False)]
)
async def test_who_has_no_transport_is_told_so_at_the_start(plugins, is_told):
    async with App(plugins=plugins, mods=[]) as app:
        told = [each for each in advice(app) if "pip install pegboard-transport-http" in each]
    assert bool(told) == is_told


def test_a_section_for_a_plugin_that_is_not_there_asks_for_the_one_that_was_meant(run, project):
    with (project / "pegboard.toml").open("a") as manifest:
        manifest.write("[plugins.transport_htp]\n")
    done = run("plugins")
    assert done.returncode == 1
    assert done.stderr.endswith("; did you mean transport_http?\n")


@pytest.mark.parametrize(("command", "plugin"), sorted(KNOWN_COMMANDS.items()))
def test_a_command_of_a_plugin_that_is_not_installed_says_so(monkeypatch, command, plugin):
    monkeypatch.setattr("pegboard._cli.root.find_plugins", list)
    distribution = f"pegboard-{plugin.replace('_', '-')}"
    with pytest.raises(MissingPluginError, match=f"pegboard {command} needs .* {distribution}$"):
        CliRunner().invoke(root, [command, "--help"], catch_exceptions=False)


def test_the_commands_of_plugins_that_may_not_be_there_are_those_of_ours():
    ours = [each for each in find_plugins() if each.name in OFFICIAL_PLUGINS and each.manifest]
    assert {name: each.name for each in ours for name in each.manifest.commands} == KNOWN_COMMANDS


@pytest.mark.parametrize("command", ["mods", "plugins", "doctor", "config show", "test", "call"])
def test_what_a_mod_prints_does_not_break_json(run, project, command):
    (project / "mods" / "desk.py").write_text("print('noise')\n" + MOD)
    arguments = ["desk.add", "a=1", "b=2"] if command == "call" else []
    done = run(*command.split(), *arguments, "--json")
    json.loads(done.stdout)
    assert "noise" in done.stderr


def test_doctor_finds_a_healthy_project_healthy(run):
    done = run("doctor", "--json", environment={"PEGBOARD_SERVE__PORT": "0"})
    checks = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
    assert {"python", "configuration", "data folder", "server", "port", "plugins", "mods"} <= set(
        checks
    )
    assert all(each["ok"] for each in checks.values())
    assert done.returncode == 0
    assert "pegboard.toml" in checks["configuration"]["detail"]


def test_what_slows_down_but_works_is_a_warning(run):
    environment = {"PEGBOARD_SERVE__PORT": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = run("doctor", environment=environment)
    assert done.returncode == 0
    assert "byte-compilation\twarning\tPYTHONDONTWRITEBYTECODE is set" in done.stdout


def test_names_that_are_not_there_are_warnings_with_their_place(run, project):
    (project / "mods" / "my-mod.py").write_text("")
    with (project / "pegboard.toml").open("a") as file:
        file.write("deny = ['dseck']\n[plugins]\ndeny = ['server_unicorn']\n")
        file.write("[access]\nopen_modules = ['desk']\nprotected_modules = ['nope']\n")
    environment = {"PEGBOARD_SERVE_PORT": "8000", "PEGBOARD_SERVE__PORT": "0"}
    done = run("doctor", environment=environment)
    assert done.returncode == 0
    assert "did you mean PEGBOARD_SERVE__PORT?" in done.stdout
    toml = project / "pegboard.toml"
    assert f"mods.deny (from {toml}) names 'dseck', which is not here; did you mean desk?" in (
        done.stdout
    )
    assert "names 'server_unicorn', which is not here; did you mean server_uvicorn?" in done.stdout
    assert "access.protected_modules" in done.stdout
    assert "access.open_modules" not in done.stdout
    assert "my-mod.py is no mod: no module can be called 'my-mod': rename it" in done.stdout


@pytest.mark.parametrize(
    ("manifest", "check"),
    [
        ("[serve]\nport = 'x'\n", "start"),
        ("[serve]\nserver = 'granian'\nport = 0\n", "server"),
        ("[serve]\nhost = 'no.such.host.invalid'\n", "port"),
        ("[app\n", "start"),
        ("[serve]\nport = 0\ncertfile = 'none.pem'\nkeyfile = 'none.pem'\n", "certificate"),
    ],
)
def test_doctor_names_what_is_wrong_and_ends_with_one(run, project, manifest, check):
    (project / "pegboard.toml").write_text(manifest)
    done = run("doctor", "--json")
    assert done.returncode == 1
    failed = {each["name"] for each in json.loads(done.stdout)["checks"] if not each["ok"]}
    assert check in failed
    assert "Traceback" not in done.stderr


# -- making ------------------------------------------------------------------------------------


def test_a_new_mod_works_at_once(run, project):
    done = run("new", "mod", "hello")
    assert done.returncode == 0, done.stderr
    assert run("call", "hello.greet", "name=Ada").stdout == "Hello, Ada!\n"
    tested = run("test", "--mod", "hello")
    assert tested.returncode == 0
    assert "3 passed, 0 failed, 0 untested" in tested.stdout


@pytest.mark.parametrize("name", ["", "1x", "a-b", "a.b", "../x", "class", "_x", "x y", "a/b"])
def test_a_name_that_no_mod_can_have_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="cannot be the name of a mod"):
        new_mod(tmp_path, name)
    assert not (tmp_path / "mods").exists()


def test_a_mod_that_is_there_is_not_overwritten(tmp_path):
    path = new_mod(tmp_path, "grüße")
    path.write_text("mine")
    with pytest.raises(ConflictError, match="is there already"):
        new_mod(tmp_path, "grüße")
    assert path.read_text() == "mine"
    (tmp_path / "mods" / "package").mkdir()
    with pytest.raises(ConflictError):
        new_mod(tmp_path, "package")


def test_the_self_test_calls_samples_and_nothing_else(run):
    done = run("test", "--json", "--mod", "desk")
    outcome = json.loads(done.stdout)
    states = {each["call"]: each["state"] for each in outcome["outcomes"]}
    assert states["desk.add(a=1, b=2)"] == "passed"
    assert states["desk.echo(text='x')"] == "passed"
    assert states["desk.crash"] == "untested"
    assert not any("never" in call for call in states)
    assert done.returncode == 0


def test_a_sample_that_fails_or_hangs_fails_the_self_test(run, project):
    (project / "mods" / "desk.py").write_text(
        MOD.replace("@export()\ndef crash", "@export(samples=[{}])\ndef crash")
        + "\n@export(samples=[{}])\nasync def hang():\n"
        + "    import anyio\n    await anyio.sleep(60)\n"
    )
    done = run("test", "--timeout", "0.2", "--mod", "desk")
    assert done.returncode == 1
    assert re.search(r"failed +desk\.crash\(\): InternalError", done.stdout)
    assert re.search(r"failed +desk\.hang\(\): took longer than 0\.2 s", done.stdout)


def test_a_mod_that_does_not_load_fails_the_self_test(run, project):
    (project / "mods" / "broken.py").write_text("import nothing_like_this\n")
    done = run("test")
    assert done.returncode == 1
    assert re.search(r"failed +mod broken: .*broken\.py:1: .*nothing_like_this", done.stdout)


def test_a_stream_that_fails_fails_the_self_test(run, project):
    (project / "mods" / "desk.py").write_text(
        MOD.replace("@export()\ndef broken_stream", "@export(samples=[{}])\ndef broken_stream")
    )
    done = run("test")
    assert done.returncode == 1
    assert "desk.broken_stream(): RuntimeError: in the middle" in done.stdout


def test_a_function_that_hangs_in_its_thread_fails_and_is_abandoned(run, project):
    (project / "mods" / "desk.py").write_text(
        MOD + "\n@export(samples=[{}])\ndef hang():\n    import time\n    time.sleep(60)\n"
    )
    begin = time.monotonic()
    done = run("test", "--timeout", "0.2")
    assert done.returncode == 1
    assert "desk.hang(): took longer than 0.2 s and cannot be stopped" in done.stdout
    assert time.monotonic() - begin < 20


def test_a_new_mod_that_hides_an_installed_one_says_so(run):
    done = run("new", "mod", "chat")
    assert done.returncode == 0
    assert "takes the place of the mod chat of pegboard-mods" in done.stderr


# -- the whole ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_completion_that_knows_the_commands(run, shell):
    script = run("completion", shell)
    assert script.returncode == 0
    assert "_PEGBOARD_COMPLETE" in script.stdout
    offered = run(
        environment={
            "_PEGBOARD_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": "pegboard se",
            "COMP_CWORD": "1" if shell != "fish" else "se",
        }
    )
    assert "serve" in offered.stdout


def test_every_command_explains_itself():
    for name, command in root.commands.items():
        done = CliRunner().invoke(root, [name, "--help"])
        assert done.exit_code == 0, done.output
        assert command.get_short_help_str()


@pytest.mark.parametrize(
    "arguments",
    [
        "nothing",
        "serve --port 70000",
        "serve --workers 0",
        "mods --project none",
        "call",
    ],
)
def test_wrong_usage_ends_with_two(arguments):
    assert CliRunner().invoke(root, arguments.split()).exit_code == 2


def test_mods_and_no_mods_exclude_each_other():
    done = CliRunner().invoke(root, ["serve", "--mod", "x", "--no-mods"])
    assert done.exit_code == 2


def test_without_click_it_says_what_to_install():
    source = "import sys; sys.modules['click'] = None; from pegboard._cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "the command line needs: pip install 'pegboard[cli]'\n"


def test_the_kernel_itself_never_imports_click_or_rich():
    source = (
        "import sys, pegboard, pegboard._cli.doctor\n"
        "import pegboard._serving.serve, pegboard._serving.workers\n"
        "print([name for name in ('click', 'rich') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == "[]\n"


def test_help_imports_neither_a_server_nor_rich():
    source = (
        "import sys\n"
        "sys.argv = ['pegboard', '--help']\n"
        "from pegboard._cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n"
        "    heavy = ('uvicorn', 'hypercorn', 'rich', 'asyncio', 'ssl')\n"
        "    print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_plugin_adds_a_command_and_a_broken_one_takes_nothing_along(install, capfd):
    install(
        "extra",
        """
        import click
        from pegboard import hookimpl

        class Extra:
            @hookimpl
            def cli_commands(self):
                @click.command(name="extra", help="Say something extra.")
                def extra():
                    click.echo("something extra")
                return [extra]

        plugin = Extra()
        """,
        manifest='api = 1\ncommands = ["extra"]',
    )
    install("broken", "raise RuntimeError('no')", manifest='api = 1\ncommands = ["broken"]')
    done = CliRunner().invoke(root, ["--help"])
    assert done.exit_code == 0
    assert "Say something extra." in done.stdout
    assert "plugin broken cannot give its command broken" in done.stderr
    assert CliRunner().invoke(root, ["extra"]).stdout == "something extra\n"


# -- parts -------------------------------------------------------------------------------------


def test_words_become_arguments():
    def function(number: int, text: str, flag: bool, many: list[int], anything=None):
        return number, text, flag, many, anything

    words = ["number=1", "text=1", "flag=true", "many=1", "many=2", 'anything={"a": [1]}']
    assert read_arguments(words, Binding(function)) == {
        "number": 1,
        "text": "1",
        "flag": True,
        "many": [1, 2],
        "anything": {"a": [1]},
    }


def test_a_worker_that_crashes_again_and_again_waits_longer_and_longer():
    delay = Delay(first=0.5, longest=4.0, steady=30.0)
    assert [delay.next(0.1) for _ in range(5)] == [0.5, 1.0, 2.0, 4.0, 4.0]
    assert delay.next(31.0) == 0.5
    assert max(delay.next(0.0) for _ in range(5000)) == 4.0


def test_the_version_is_that_of_the_package(run):
    from pegboard import __version__

    assert run("--version").stdout.startswith(f"pegboard {__version__} ")


def test_a_project_that_moved_into_a_folder_with_spaces_works(tmp_path, project):
    moved = project.rename(tmp_path / "my project é")
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pegboard", "call", "desk.add", "a=1", "b=2", "--project", moved],
        capture_output=True,
        text=True,
        cwd=Path("/"),
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "3\n")
    assert time.monotonic() - begin < 10
