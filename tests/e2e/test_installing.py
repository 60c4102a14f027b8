"""Distributions come, change and go with real pip while a project is served."""

import http.client
import json
import os
import re
import subprocess
import sys
import sysconfig
import threading
import time
import venv
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.timeout(180)

BACKEND = '''
"""Builds wheels of one package, by hand: there is no network here."""

import base64, hashlib, json, zipfile
from pathlib import Path

HERE = Path(__file__).parent
ABOUT = json.loads((HERE / "about.json").read_text())
NAME = ABOUT["name"].replace("-", "_")
INFO = f"{NAME}-{ABOUT['version']}.dist-info"


def _write(folder, files):
    name = f"{NAME}-{ABOUT['version']}-py3-none-any.whl"
    about = ["Metadata-Version: 2.1", f"Name: {ABOUT['name']}", f"Version: {ABOUT['version']}", ""]
    tags = ["Wheel-Version: 1.0", "Generator: hand", "Root-Is-Purelib: true", "Tag: py3-none-any"]
    files[f"{INFO}/METADATA"] = "\\n".join(about)
    files[f"{INFO}/WHEEL"] = "\\n".join([*tags, ""])
    files[f"{INFO}/entry_points.txt"] = f"[{ABOUT['group']}]\\n{ABOUT['entry']}\\n"
    record = "".join(f"{path},,\\n" for path in [*files, f"{INFO}/RECORD"])
    with zipfile.ZipFile(Path(folder, name), "w") as wheel:
        for path, text in {**files, f"{INFO}/RECORD": record}.items():
            wheel.writestr(path, text)
    return name


def build_wheel(folder, settings=None, metadata=None):
    source = HERE / "src"
    found = [*source.rglob("*.py"), *source.rglob("*.toml")]
    return _write(folder, {each.relative_to(source).as_posix(): each.read_text() for each in found})


def build_editable(folder, settings=None, metadata=None):
    return _write(folder, {f"{NAME}.pth": f"{HERE / 'src'}\\n"})
'''

MOD = """
from pegboard import get_app

@get_app("weather").tb(mod_name="weather", api=True)
def today():
    return "{}"
"""

PLUGIN = """
from pegboard import hookimpl
from pegboard.contracts.asgi import Route

async def greet(scope, receive, send):
    headers = [(b"content-length", b"%d" % len(b"{0}"))]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": b"{0}"}})

class Plugin:
    @hookimpl
    def asgi_routes(self):
        return [Route(kind="http", prefix="/greet", asgi=greet)]

plugin = Plugin()
"""


class World:
    """A fresh environment, and a project that is served from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "project"
        (self.project / "mods").mkdir(parents=True)
        venv.create(folder / "env", with_pip=True, symlinks=True)
        self.python = folder / "env" / "bin" / "python"
        inner = f"python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
        # What is under test comes from where it is installed already; there is no network here.
        outer = sysconfig.get_paths()["purelib"]
        link = f"import site; site.addsitedir({outer!r})\n"
        (folder / "env" / "lib" / inner / "outer.pth").write_text(link)

    def source(self, name: str, version: str, entry: str, files: dict[str, str]) -> Path:
        folder = self.folder / name
        for path, text in files.items():
            target = folder / "src" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(dedent(text))
        group = "pegboard.plugins" if ":" in entry else "pegboard.mods"
        about = {"name": name, "version": version, "entry": entry, "group": group}
        (folder / "about.json").write_text(json.dumps(about))
        (folder / "backend.py").write_text(BACKEND)
        (folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            f'[project]\nname = "{name}"\nversion = "{version}"\n'
        )
        return folder

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.python, "-m", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=self.folder,
            env=environment(),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pip(self, *arguments: str) -> None:
        quiet = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet"]
        options = quiet if arguments[0] == "install" else ["--yes", "--quiet"]
        self.run("pip", "--disable-pip-version-check", arguments[0], *options, *arguments[1:])


def environment() -> dict[str, str]:
    kept = {name: each for name, each in os.environ.items() if not name.startswith("PEGBOARD_")}
    return {**kept, "PYTHONUNBUFFERED": "1"}


class Client:
    """Asks now and then, and meanwhile again and again over one connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.failures: list[Exception] = []
        self.answers = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask_on)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _ask_on(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.connect()
        connection.auto_open = 0
        try:
            while not self._ended.wait(0.01):
                connection.request("GET", "/health")
                response = connection.getresponse()
                assert response.status == 200, response.read()
                response.read()
                self.answers += 1
        except (OSError, http.client.HTTPException, AssertionError) as error:
            self.failures.append(error)
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def until(self, path: str, status: int, content: bytes = b"") -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            found, body = self.get(path)
            if found == status and content in body:
                return
            self._ended.wait(0.02)
        pytest.fail(f"{path} answers {found} {body!r}, not {status} {content!r}")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def client(world):
    process = subprocess.Popen(
        [world.python, "-m", "pegboard", "serve", "--reload", "--port", "0"],
        cwd=world.project,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    try:
        line = process.stdout.readline()
        client = Client(int(re.search(r":(\d+)", line)[1]))
        yield client
        client.close()
    finally:
        process.terminate()
        process.communicate(timeout=30)
        process.stdout.close()


def test_distributions_come_change_and_go_under_one_open_connection(world, client):
    assert client.get("/api/weather/today")[0] == 404
    files = {"acme_weather.py": MOD.format("sun")}
    world.pip("install", str(world.source("acme-weather", "1.0", "weather = acme_weather", files)))
    client.until("/api/weather/today", 200, b'"sun"')
    files = {"acme_weather.py": MOD.format("rain")}
    source = world.source("acme-weather", "2.0", "weather = acme_weather", files)
    world.pip("install", "--upgrade", str(source))
    client.until("/api/weather/today", 200, b'"rain"')
    world.pip("uninstall", "acme-weather")
    client.until("/api/weather/today", 404)

    files = {
        "acme_greeter/__init__.py": PLUGIN.format("hello"),
        "acme_greeter/plugin.toml": "api = 1\n",
    }
    source = world.source("acme-greeter", "1.0", "greeter = acme_greeter:plugin", files)
    world.pip("install", "--editable", str(source))
    client.until("/greet", 200, b"hello")
    (source / "src" / "acme_greeter" / "__init__.py").write_text(PLUGIN.format("goodbye"))
    client.until("/greet", 200, b"goodbye")

    said = world.run("pegboard", "plugins", "disable", "greeter", "--project", str(world.project))
    assert "plugin greeter removed" in said
    assert client.get("/greet")[0] == 404
    assert '"greeter"' in (world.project / "pegboard.toml").read_text()
    said = world.run("pegboard", "plugins", "enable", "greeter", "--project", str(world.project))
    assert "plugin greeter loaded" in said
    assert client.get("/greet") == (200, b"goodbye")
    said = world.run("pegboard", "reload", "greeter", "--project", str(world.project))
    assert "reloaded" in said
    world.pip("uninstall", "acme-greeter")
    client.until("/greet", 404)
    assert client.failures == []
    assert client.answers > 100
