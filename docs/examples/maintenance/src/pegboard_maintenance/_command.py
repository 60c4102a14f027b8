"""`pegboard maintenance`: on, off, and which of the two it is."""

from __future__ import annotations

from pathlib import Path

import anyio
import click
from pegboard import App

from pegboard_maintenance._switch import Switch

__all__ = ["maintenance"]

_project = click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    envvar="PEGBOARD_PROJECT",
    show_default="the current folder",
    help="Folder with pegboard.toml and mods/.",
)


@click.group()
def maintenance() -> None:
    """Refuse requests while you work on the system."""


@maintenance.command()
@_project
@click.option("--message", default="", help="What clients are told.")
def on(project: Path, message: str) -> None:
    """Refuse requests from now on."""
    notice = _switch(project).turn_on(message)
    click.echo(f"maintenance is on since {notice.since:%Y-%m-%d %H:%M:%S} UTC")


@maintenance.command()
@_project
def off(project: Path) -> None:
    """Serve requests again."""
    was_on = _switch(project).turn_off()
    click.echo("maintenance is off" if was_on else "maintenance was off already")


@maintenance.command()
@_project
def status(project: Path) -> None:
    """Say whether requests are refused."""
    notice = _switch(project).notice()
    if notice is None:
        click.echo("maintenance is off")
    else:
        click.echo(f"maintenance is on since {notice.since:%Y-%m-%d %H:%M:%S} UTC")


def _switch(project: Path) -> Switch:
    """Return the switch of a project, which is where its settings put the data folder."""

    async def data() -> Path:
        async with App(project=project, plugins=["maintenance"], mods=[]) as app:
            return app.data

    return Switch(anyio.run(data))
