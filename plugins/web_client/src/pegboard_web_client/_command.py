"""`pegboard client`: the client for pages that are built elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import anyio
import click

from pegboard import App, __version__
from pegboard.errors import MissingPluginError
from pegboard_web_client._asset import assets
from pegboard_web_client._typescript import typescript as source_of

__all__ = ["client"]

_PACKAGE = {
    "name": "pegboard-client",
    "version": __version__,
    "description": "Calls, streams, sockets, events and state for pages of a Pegboard server.",
    "license": "MIT",
    "type": "module",
    "main": "./pegboard.js",
    "types": "./pegboard.d.ts",
    "exports": {
        ".": {"types": "./pegboard.d.ts", "default": "./pegboard.js"},
        "./classic": "./pegboard.classic.js",
    },
    "files": ["pegboard.js", "pegboard.classic.js", "pegboard.d.ts"],
    "sideEffects": True,
}


@click.group()
def client() -> None:
    """Write the browser's side of an app: typed calls, or a package for npm."""


@client.command()
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    show_default="here",
    help="Folder of the project.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File, in place of stdout.",
)
@click.option(
    "--module",
    default="./pegboard.js",
    show_default=True,
    help="From where the client is imported.",
)
def typescript(project: Path, output: Path | None, module: str) -> None:
    """Write a typed function for each export that can be called over HTTP."""
    try:
        with redirect_stdout(sys.stderr):  # standard output is for the source
            description = anyio.run(_describe, project)
    except MissingPluginError as error:
        raise click.ClickException(str(error)) from error
    source = source_of(description, module=module)
    if output is None:
        click.echo(source, nl=False)
        return
    output.write_text(source, encoding="utf-8")
    click.echo(f"wrote {output}", err=True)


@client.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def package(folder: Path) -> None:
    """Write the client as a package that npm can install and publish into FOLDER."""
    if folder.exists() and any(folder.iterdir()):
        msg = f"{folder} is not empty: name a new folder"
        raise click.ClickException(msg)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps(_PACKAGE, indent=2) + "\n", encoding="utf-8")
    for name, asset in assets().by_name.items():
        (folder / name).write_bytes(asset.body)
    click.echo(f"wrote {folder}", err=True)


async def _describe(project: Path) -> Mapping[str, Any]:
    """Return the OpenAPI description of the app in a folder.

    Raises:
        MissingPluginError: If no plugin serves one.
    """
    async with App(project=project) as app:
        status, body = await _get(app, "/openapi.json")
    if status != 200:
        msg = "pegboard client typescript"
        raise MissingPluginError(msg, "pegboard-transport-http")
    described: Mapping[str, Any] = json.loads(body)
    return described


async def _get(app: App, path: str) -> tuple[int, bytes]:
    """Return status and body of a request to the app itself."""
    sent: list[Any] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": None,
        "server": None,
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app.asgi()(scope, receive, send)
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])
