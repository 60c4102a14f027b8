"""`pegboard outbox`: what waits for a service, and what to do about conflicts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import anyio
import click
import msgspec
from anyio import to_thread

from pegboard import App
from pegboard.contracts.storage import FileKey
from pegboard.errors import PegboardError
from pegboard_database import Database
from pegboard_storage_cloud._outbox import OUTBOX, Outbox, Waiting
from pegboard_storage_cloud._services import Services, outbox_path

__all__ = ["outbox"]

NAME = "storage_cloud"
READ_ONLY = {"plugins": {NAME: {"outbox": False, "stale_reads": False}}}
COLUMNS = ("number", "state", "since", "size", "file", "service")

_project = click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    envvar="PEGBOARD_PROJECT",
    show_default="the current folder",
    help="Folder with pegboard.toml and mods/.",
)
_number = click.argument("number", type=int)


@click.group()
def outbox() -> None:
    """Look at the writes that a cloud service has not taken, and decide conflicts."""


@outbox.command(name="list")
@_project
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
def list_(project: Path, *, as_json: bool) -> None:
    """List the writes that wait, and those that are in conflict."""
    with _opened(project) as box:
        rows = [_row(each) for each in box.items(all_targets=True)]
    if as_json:
        click.echo(msgspec.json.encode({"writes": rows}))
        return
    click.echo("\t".join(COLUMNS))
    for row in rows:
        click.echo("\t".join(str(row[column]) for column in COLUMNS))


@outbox.command()
@_project
@_number
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
def export(project: Path, number: int, target: Path) -> None:
    """Write the content of a write to a file, as the service would get it.

    Files of encrypted scopes stay encrypted.
    """
    with _opened(project) as box:
        item = box.get(number)
    if item.data is None:
        raise click.ClickException(f"number {number} removes the file: it has no content")
    with _translated(), target.open("xb") as file:
        file.write(item.data)


@outbox.command()
@_project
@_number
@click.argument("whose", type=click.Choice(["mine", "theirs"]))
def keep(project: Path, number: int, whose: Literal["mine", "theirs"]) -> None:
    """Decide a conflict: send what is kept here in place of theirs, or forget it."""
    with _opened(project) as box:
        box.resolve(number, whose)


@outbox.command()
@_project
@click.pass_context
def send(context: click.Context, project: Path) -> None:
    """Send what waits, now; status 1 if a service is away."""
    with _translated():
        states = anyio.run(_send, project)
    for name, is_sent in states.items():
        click.echo(f"{name}: {'nothing waits' if is_sent else 'away, what waits for it stays'}")
    context.exit(0 if all(states.values()) else 1)


@contextmanager
def _opened(project: Path) -> Iterator[Outbox]:
    """Open the outbox of a project."""
    with _translated():
        data = anyio.run(_data, project)
        with Database(outbox_path(data), OUTBOX) as database:
            yield Outbox(database, "", limit=0)


@contextmanager
def _translated() -> Iterator[None]:
    """Show what goes wrong on purpose as a sentence."""
    try:
        yield
    except (PegboardError, OSError) as error:
        raise click.ClickException(str(error)) from error


async def _data(project: Path) -> Path:
    """Return the data folder of a project, without sending anything."""
    async with App(project=project, plugins=[NAME], mods=[], config=READ_ONLY) as app:
        return app.data


async def _send(project: Path) -> dict[str, bool]:
    """Send what waits; return for each service whether it has all that did."""
    async with App(project=project, plugins=[NAME], mods=[]) as app:
        return await to_thread.run_sync(app.service(Services).send)


def _row(item: Waiting) -> dict[str, str | int]:
    key = FileKey.from_path(item.path)
    return {
        "number": item.id,
        "state": item.state,
        "since": item.made_at.isoformat(timespec="seconds"),
        "size": "removes" if item.removes else item.size,
        "file": item.path if key is None else str(key),
        "service": item.target,
    }
