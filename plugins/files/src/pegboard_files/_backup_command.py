"""`pegboard backup`: backups of files and folders."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import click

from pegboard_files._backup import BackupManager
from pegboard_files._files_command import reported, retention
from pegboard_files._progress import Progress

__all__ = ["backup"]

_SHOWN_EVERY = 0.2  # seconds
_PASSWORD = "PEGBOARD_BACKUP_PASSWORD"  # noqa: S105  # the name of a variable
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--password-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help=f"A file with the password of the backups; or set {_PASSWORD}.",
        ),
        click.option(
            "--folder",
            type=click.Path(file_okay=False, path_type=Path),
            help="The folder that the backups are kept in.  [default: .backups below the base]",
        ),
        click.option(
            "--base",
            type=click.Path(file_okay=False, path_type=Path),
            default=".",
            show_default="here",
            help="The folder that all paths are below.",
        ),
    ):
        command = option(command)
    return command


@click.group()
def backup() -> None:
    """Back files and folders up, and give them back."""


@backup.command()
@_options
@click.option("--name", help="Name of the backup.  [default: made of the time]")
@click.argument("paths", nargs=-1)
@reported
def create(paths: tuple[str, ...], name: str | None, **place: Any) -> None:
    """Back up files and folders; without PATHS, all that is below the base."""
    with _Meter("backing up") as meter:
        made = _manager(place).create_backup(paths or ["."], name, progress=meter)
    click.echo(
        f"{made['name']}: {len(made['files'])} files, {_size(made['total_size'])},"
        f" {_size(made['added_size'])} added"
    )
    _report(made["failed"])


@backup.command(name="list")
@_options
@click.argument("name", required=False)
@reported
def list_(name: str | None, **place: Any) -> None:
    """List the backups, or the files of one."""
    manager = _manager(place)
    if name is not None:
        for each in manager.list_files(name):
            row = [each["kind"], str(each["size"]), each["modified_at"][:19], each["path"]]
            click.echo("\t".join(row))
        return
    for each in manager.list_backups():
        state = f"{len(each['failed'])} failed" if each["failed"] else ""
        row = [each["name"], each["timestamp"][:19], f"{each['files']} files"]
        click.echo("\t".join([*row, _size(each["total_size"]), state]).rstrip())


@backup.command()
@_options
@click.argument("name", required=False)
@reported
def verify(name: str | None, **place: Any) -> None:
    """Read all that backups, or one of them, hold and name what is damaged."""
    with _Meter("verifying") as meter:
        damages = _manager(place).verify_backups(name, progress=meter)
    for damage in damages:
        click.echo(damage)
    if damages:
        raise click.exceptions.Exit(1)
    click.echo("all is well")


@backup.command()
@_options
@click.option("--to", "target", type=click.Path(file_okay=False), help="Put them there.")
@click.option("--overwrite", is_flag=True, help="Replace files that have another content.")
@click.argument("name")
@click.argument("paths", nargs=-1)
@reported
def restore(
    name: str, paths: tuple[str, ...], target: str | None, *, overwrite: bool, **place: Any
) -> None:
    """Put the files of a backup back, or only PATHS of them."""
    with _Meter("restoring") as meter:
        done = _manager(place).restore_backup(
            name, target, paths=paths or None, overwrite=overwrite, progress=meter
        )
    click.echo(f"{done['files']} files restored, {len(done['unchanged'])} were there already")
    _report(done["failed"])


@backup.command()
@_options
@retention
@reported
def prune(last: int, daily: int, weekly: int, monthly: int, days: float, **place: Any) -> None:
    """Remove the backups that no option keeps; the newest always stays."""
    done = _manager(place).prune(last=last, daily=daily, weekly=weekly, monthly=monthly, days=days)
    click.echo(f"{len(done['removed'])} backups removed, {_size(done['freed_size'])} freed")


class _Meter:
    """Shows on a terminal how far something is."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._shown = 0.0
        self._is_terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if not self._is_terminal or now < self._shown + _SHOWN_EVERY:
            return
        self._shown = now
        share = 100 * progress.size / progress.total_size if progress.total_size else 100
        text = (
            f"{self._doing} {share:3.0f} %, {progress.files} of {progress.total_files} files,"
            f" {_size(progress.size)} of {_size(progress.total_size)}"
        )
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)


def _manager(place: dict[str, Any]) -> BackupManager:
    base: Path = place["base"]
    return BackupManager(
        place["folder"] or base / ".backups",
        base_path=base,
        password=_password(place["password_file"]),
    )


def _password(file: Path | None) -> str | None:
    if file is not None:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    return os.environ.get(_PASSWORD)


def _report(failed: list[dict[str, str]]) -> None:
    for each in failed:
        click.echo(f"{each['path']}: {each['error']}", err=True)
    if failed:
        raise click.exceptions.Exit(3)


def _size(count: float) -> str:
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.0f} {_UNITS[unit]}" if not unit else f"{count:.1f} {_UNITS[unit]}"
