"""A real browser for tests: Chromium without a window, driven over its DevTools protocol.

Source: the Chrome DevTools Protocol (https://chromedevtools.github.io/devtools-protocol/).
"""

import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Names under which distributions install it; the variable CHROMIUM names any other."""

START_TIMEOUT = 30.0
ANSWER_TIMEOUT = 20.0
INSTALL_TIMEOUT = 600.0

FLAGS = (
    "--headless",
    "--remote-debugging-port=0",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-quic",
    "--disable-renderer-backgrounding",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
)


class BrowserError(Exception):
    """The browser refuses a command, or a script in a page raises."""


class MissingBrowserError(Exception):
    """There is no Chromium here, and it cannot be installed; the message says what to do."""


def find_chromium() -> str | None:
    """Return the command that starts Chromium, None where there is none."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, COMMANDS)), None)


def require_chromium() -> str:
    """Return the command that starts Chromium, installed first if that is possible here.

    Raises:
        MissingBrowserError: If it is not there and cannot be installed.
    """
    found = find_chromium()
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        with _alone():
            found = find_chromium() or _install()
    if found is None:
        msg = "no Chromium: install it (Debian: apt-get install chromium), or set CHROMIUM"
        raise MissingBrowserError(msg)
    return found


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time install."""
    with (Path(tempfile.gettempdir()) / "pegboard-chromium.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install() -> str | None:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ["-o", "DPkg::Lock::Timeout=300", "-y", "--no-install-recommends"]
    for command in (["apt-get", "update"], ["apt-get", "install", *options, "chromium"]):
        subprocess.run(
            command,
            check=False,
            env=quiet,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=INSTALL_TIMEOUT,
        )
    return find_chromium()


class Browser:
    """One running Chromium; each page that it opens has cookies and storage of its own."""

    def __init__(self, command: str) -> None:
        self._open = contextlib.ExitStack()
        self._profile = Path(tempfile.mkdtemp(prefix="pegboard-chromium-"))
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        self._process = subprocess.Popen(
            [command, *FLAGS, *sandbox, f"--user-data-dir={self._profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # its helpers are in its group, and end with it
        )
        try:
            socket = connect(self._address(), max_size=None, proxy=None)
            self._wire = _Wire(self._open.enter_context(socket))
        except BaseException:
            self._kill()
            raise

    def _address(self) -> str:
        file = self._profile / "DevToolsActivePort"
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            lines = file.read_text().splitlines() if file.exists() else []
            if len(lines) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            time.sleep(0.02)  # nothing else announces the port
        msg = f"Chromium did not start (status {self._process.poll()})"
        raise BrowserError(msg)

    @contextlib.contextmanager
    def page(
        self, *, width: int = 1200, height: int = 900, scheme: str = "light"
    ) -> Iterator["Page"]:
        """Open an empty page in a profile of its own, and close it at the end.

        Args:
            width: Width of the window in CSS pixels.
            height: Its height.
            scheme: `light` or `dark`, what the user prefers.
        """
        command = self._wire.command
        context = command("Target.createBrowserContext")["browserContextId"]
        target = command("Target.createTarget", url="about:blank", browserContextId=context)
        attached = command("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self._wire, attached["sessionId"], context)
        try:
            page.show(width=width, height=height, scheme=scheme)
            yield page
        finally:
            command("Target.disposeBrowserContext", browserContextId=context)

    def close(self) -> None:
        """End the browser with all that it has started, and remove its profile."""
        with contextlib.suppress(Exception):
            self._wire.command("Browser.close")
        self._open.close()
        self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)


class Page:
    """One page.

    Attributes:
        problems: What went wrong in it: uncaught exceptions, errors on the console, refused by
            the content security policy, failed requests.
        requests: The addresses that it has asked for.
    """

    def __init__(self, wire: "_Wire", session: str, context: str) -> None:
        self._wire = wire
        self._session = session
        self._context = context
        self.problems: list[str] = []
        self.requests: list[str] = []
        wire.listeners[session] = self._notice
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> Any:
        """Send one command of the protocol and return its answer.

        Raises:
            BrowserError: If the browser refuses it.
        """
        return self._wire.command(method, self._session, **parameters)

    def show(self, *, width: int = 1200, height: int = 900, scheme: str = "light") -> None:
        """Set the size of the window and the colours that the user prefers."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.command("Emulation.setEmulatedMedia", features=features)

    def goto(self, url: str) -> None:
        """Open an address and wait until the page and what it links are loaded."""
        answer = self.command("Page.navigate", url=url)
        if "errorText" in answer:
            msg = f"{url}: {answer['errorText']}"
            raise BrowserError(msg)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page; a promise is awaited.

        Raises:
            BrowserError: If it raises.
        """
        answer = self.command(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            thrown = details.get("exception", {}).get("description", details["text"])
            msg = f"{script}: {thrown}"
            raise BrowserError(msg)
        return answer["result"].get("value")

    def wait_for(self, script: str, *, timeout: float = 10.0) -> Any:
        """Return the value of an expression once it is true; a new page is waited for too.

        Raises:
            TimeoutError: If it is not true in `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        problem = "it is false"
        while (left := deadline - time.monotonic()) > 0:
            try:
                value = self.evaluate(_until(script, left))
            except BrowserError as error:  # the page was left while it waited
                problem = str(error)
                continue
            if value:
                return value
        msg = f"{script}: {problem}\nproblems: {self.problems}\n{self._visible()[:2000]}"
        raise TimeoutError(msg)

    def text(self, selector: str) -> str:
        """Return the text of the first element, as a reader sees it."""
        return str(
            self.wait_for(f"{_find(selector)} && {{text: {_find(selector)}.innerText}}")["text"]
        )

    def click(self, selector: str) -> None:
        """Click with the mouse in the middle of the first element, once it is there."""
        x, y = self.wait_for(_CENTRE % _find(selector))
        for kind in ("mousePressed", "mouseReleased"):
            self.command(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    def fill(self, selector: str, text: str) -> None:
        """Replace what is in a field, as if it were typed."""
        self.wait_for(
            f"{_find(selector)} && ({_find(selector)}.focus(), {_find(selector)}.select?.(), true)"
        )
        self.command("Input.insertText", text=text)

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press and release one key: a name such as `Enter`, `Tab`, `Escape`, or a letter."""
        code = _KEY_CODES.get(key, ord(key[0].upper()))
        text = {"Enter": "\r", "Space": " "}.get(key, key if len(key) == 1 else "")
        name = " " if key == "Space" else key
        known = {"key": name, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.command("Input.dispatchKeyEvent", type="keyDown", text=text, **known)
        self.command("Input.dispatchKeyEvent", type="keyUp", **known)

    def choose_files(self, selector: str, files: Sequence[Path]) -> None:
        """Put files into a file field."""
        self.wait_for(f"!!{_find(selector)}")
        root = self.command("DOM.getDocument")["root"]["nodeId"]
        node = self.command("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.command("DOM.setFileInputFiles", nodeId=node, files=[str(each) for each in files])

    def download_to(self, folder: Path) -> None:
        """Let downloads of this page be saved in `folder` under their own names."""
        self._wire.command(
            "Browser.setDownloadBehavior",
            behavior="allow",
            browserContextId=self._context,
            downloadPath=str(folder),
        )

    def accessible(self) -> list[tuple[str, str]]:
        """Return role and name of everything that a screen reader is told of."""
        nodes = self.command("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node.get("ignored")
        ]

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Save what is seen as PNG, the whole page by default."""
        answer = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _visible(self) -> str:
        with contextlib.suppress(BrowserError):
            return str(self.evaluate("document.body?.innerText ?? ''"))
        return ""

    def _notice(self, method: str, event: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] == "error":
            self.problems.append(
                f"{event['entry']['text']} {event['entry'].get('url', '')}".strip()
            )
        elif method == "Runtime.consoleAPICalled" and event["type"] in {"error", "assert"}:
            self.problems.append(" ".join(str(each.get("value", "")) for each in event["args"]))


class _Wire:
    """Commands out, answers and events in, one at a time."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last = 0
        self.listeners: dict[str, Any] = {}

    def command(self, method: str, session: str | None = None, /, **parameters: Any) -> Any:
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(ANSWER_TIMEOUT))
            if answer.get("id") == self._last:
                break
            listener = self.listeners.get(answer.get("sessionId", ""))
            if listener is not None and "method" in answer:
                listener(answer["method"], answer["params"])
        if "error" in answer:
            msg = f"{method}: {answer['error']['message']}"
            raise BrowserError(msg)
        return answer["result"]


def _until(script: str, seconds: float) -> str:
    """Look again and again in the page, and give up before the wire does."""
    return f"""new Promise((resolve) => {{
      const end = Date.now() + {min(seconds, ANSWER_TIMEOUT / 2) * 1000};
      const look = () => {{
        let value;
        try {{ value = ({script}); }} catch {{ value = undefined; }}
        if (value instanceof Node) value = true;
        if (value || Date.now() > end) resolve(value); else setTimeout(look, 10);
      }};
      look();
    }})"""


def _find(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})"


_KEY_CODES = {
    "Tab": 9,
    "Enter": 13,
    "Escape": 27,
    "Space": 32,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}

_CENTRE = """(() => {
  const element = %s;
  if (!element) return null;
  element.scrollIntoView({block: "center", behavior: "instant"});
  const box = element.getBoundingClientRect();
  return box.width ? [box.x + box.width / 2, box.y + box.height / 2] : null;
})()"""
