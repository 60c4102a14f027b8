"""Check the types of pegboard.js, and of the module that is made of the example mods, with tsc.

npm fetches the compiler from the registry that it is set up with, so that this is no part of `ci`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.environment import ROOT, Environment

COMPILER = "typescript@5.9"
OPTIONS = ("--strict", "--noEmit", "--target", "es2022", "--module", "esnext")

USE = """\
import { TB, Result } from "./pegboard.js";
import { chat, files } from "./calls.js";

const said: Promise<Result<any>> = TB.api.request("chat", "page");
TB.ws.connect("/ws/chat/room", { onMessage: (data) => console.log(data) }).send({ text: "hello" });
TB.events.once("ws:open", ({ url }) => console.log(url));
TB.state.set("theme", "dark", { persist: true });
// @ts-expect-error an argument that no export has
files.page({ nothing: 1 });
export { chat, said };
"""


def main() -> None:
    """Make the modules in a folder of their own and let the compiler read them."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("client: npm is not installed")
    pegboard = Environment(directory=Path(sys.prefix)).script("pegboard")
    with tempfile.TemporaryDirectory(prefix="pegboard-client-") as name:
        folder = Path(name)
        source = folder / "src"
        _run([pegboard, "client", "package", os.fspath(source)])
        _run([pegboard, "client", "typescript", "-o", os.fspath(source / "calls.ts")], cwd=ROOT)
        (source / "use.ts").write_text(USE, encoding="utf-8")
        _run([npm, "install", "--silent", "--no-save", COMPILER], cwd=folder)
        compiler = folder / "node_modules" / ".bin" / "tsc"
        _run([os.fspath(compiler), *OPTIONS, os.fspath(source / "use.ts")], cwd=folder)
    print("client: the types hold", flush=True)


def _run(command: list[str], *, cwd: Path | None = None) -> None:
    status = subprocess.run(command, check=False, cwd=cwd, stdin=subprocess.DEVNULL).returncode
    if status:
        sys.exit(f"client: {Path(command[0]).name} has failed")


if __name__ == "__main__":
    main()
