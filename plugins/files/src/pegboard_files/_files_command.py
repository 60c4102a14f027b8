"""`pegboard files`: versions and checksums of the files of a folder."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from pegboard.errors import PegboardError
from pegboard_files._checksum import ALGORITHMS, ChecksumCalculator
from pegboard_files._version import FileVersionManager

__all__ = ["files", "reported"]

P = ParamSpec("P")
R = TypeVar("R")

_base = click.option(
    "--base",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    show_default="here",
    help="The folder that the files are below.",
)


def reported(function: Callable[P, R]) -> Callable[P, R]:
    """Show what goes wrong as a message and not as a traceback."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (PegboardError, OSError) as error:
            raise click.ClickException(str(error)) from error

    return call


@click.group()
def files() -> None:
    """Look at versions of files, restore and compare them."""


@files.command()
@_base
@click.argument("path", required=False)
@reported
def versions(base: Path, path: str | None) -> None:
    """List the versions of a file; without PATH, the files that have any."""
    manager = FileVersionManager(base)
    if path is None:
        for name in manager.tracked_files():
            click.echo(name)
        return
    for each in manager.list_versions(path):
        when = each.modified_at.isoformat(timespec="seconds")
        row = [str(each.version), when, str(each.size), each.checksum[:16], each.comment]
        click.echo("\t".join(row).rstrip())


@files.command()
@_base
@click.option("--comment", default="", help="Why it is kept.")
@click.argument("path")
@reported
def keep(base: Path, path: str, comment: str) -> None:
    """Keep what a file holds now as its next version."""
    made = FileVersionManager(base).create_version(path, comment=comment)
    click.echo(f"version {made.version} of {made.filename}, {made.size} bytes")


@files.command()
@_base
@click.option("--to", "target", help="Another file to put it into.")
@click.argument("path")
@click.argument("version", type=int)
@reported
def restore(base: Path, path: str, version: int, target: str | None) -> None:
    """Put a version back; what the file holds now is kept first."""
    made = FileVersionManager(base).restore_version(path, version, target)
    click.echo(f"{target or path} is version {made.version} again, {made.size} bytes")


@files.command()
@_base
@click.argument("path")
@click.argument("old", type=int)
@click.argument("new", type=int, required=False)
@reported
def diff(base: Path, path: str, old: int, new: int | None) -> None:
    """Compare two versions of a text, or one with what the file holds now."""
    click.echo(FileVersionManager(base).diff_versions(path, old, new), nl=False)


@files.command()
@click.option(
    "--algorithm", type=click.Choice(ALGORITHMS), default="sha256", show_default=True, help="Which."
)
@click.argument("paths", nargs=-1, required=True)
@reported
def checksum(algorithm: str, paths: tuple[str, ...]) -> None:
    """Print the checksums of files."""
    for path in paths:
        click.echo(f"{ChecksumCalculator.calculate_checksum(path, algorithm)}  {path}")


@files.command()
@_base
@click.option("--rebuild", is_flag=True, help="Make the index anew first.")
@reported
def verify(base: Path, *, rebuild: bool) -> None:
    """Read all versions that are kept and name what is damaged."""
    manager = FileVersionManager(base)
    if rebuild:
        manager.rebuild_index()
    damages = manager.verify()
    for damage in damages:
        click.echo(damage)
    if damages:
        raise click.exceptions.Exit(1)
    click.echo("all versions are whole")


def retention(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what to keep."""
    for name, text in (
        ("days", "Keep all that are younger than so many days."),
        ("monthly", "Keep the newest of each of so many months."),
        ("weekly", "Keep the newest of each of so many weeks."),
        ("daily", "Keep the newest of each of so many days."),
        ("last", "Keep so many of the newest."),
    ):
        kind = float if name == "days" else int
        command = click.option(f"--{name}", type=kind, default=0, help=text)(command)
    return command


@files.command()
@_base
@retention
@click.argument("path", required=False)
@reported
def prune(base: Path, path: str | None, **rule: Any) -> None:
    """Remove the versions that no option keeps; the newest always stays."""
    gone = FileVersionManager(base).prune(path, **rule)
    click.echo(f"{len(gone)} versions removed")
