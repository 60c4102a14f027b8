"""Options that several commands share, and the app that they look at."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click

from pegboard._app import App
from pegboard._serving.advice import forgotten_variables
from pegboard._serving.log import configure

__all__ = ["as_json", "project", "with_app"]

T = TypeVar("T")

project = click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    envvar="PEGBOARD_PROJECT",
    show_default="the current folder",
    help="Folder with pegboard.toml and mods/.",
)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")


def with_app(
    folder: Path,
    work: Callable[[App], Awaitable[T]],
    *,
    log_level: str = "CRITICAL",
    **options: Any,
) -> T:
    """Start the app of a project, do something with it, stop it.

    Standard output is for what a command answers: what mods and plugins print meanwhile goes to
    standard error, and `work` writes to the standard output that it was given before.

    Args:
        folder: The project's folder.
        work: What to do.
        log_level: Least severe level of the log on standard error.
        options: Passed to `App`.
    """

    async def run() -> T:
        async with App(project=folder, brief=True, **options) as app:
            for each in forgotten_variables(os.environ):
                click.secho(f"warning: {each}", fg="yellow", err=True)
            return await work(app)

    configure("text", log_level)
    with redirect_stdout(sys.stderr):
        return anyio.run(run)
