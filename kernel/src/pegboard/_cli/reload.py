"""`pegboard reload`: bring changed code live in the processes that serve a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pegboard._cli.arguments import envelope_of
from pegboard._cli.option import as_json, project
from pegboard._cli.table import show_table
from pegboard._config import AppSettings, load_config

__all__ = ["reload", "running"]


@click.command()
@click.argument("name", required=False)
@project
@as_json
@click.pass_context
def reload(context: click.Context, project: Path, *, name: str | None, as_json: bool) -> None:
    """Bring changed code live where the project is served: NAME, or whatever has changed.

    New code that fails is told, and what was before goes on; the status is 1 then.
    """
    answers = running(project, do="reload", name=name)
    if not answers:
        msg = f"nothing serves {project.resolve()}: pegboard serve --project {project}"
        raise click.ClickException(msg)
    outcomes = [{**each, "process": pid} for pid, found in answers for each in found]
    if as_json:
        click.echo(envelope_of({"reloaded": outcomes}))
    elif not outcomes:
        click.echo("nothing has changed")
    else:
        columns = ("process", "kind", "name", "outcome", "generation", "reason")
        show_table(columns, [tuple(str(each[key]) for key in columns) for each in outcomes])
    context.exit(int(any(each["outcome"] == "rejected" for each in outcomes)))


def running(project: Path, do: str, name: str | None = None) -> list[tuple[int, Any]]:
    """Ask the processes that serve a project; return the number and the answer of each."""
    from pegboard._serving.control import ask

    data = project / load_config(project).section("app", AppSettings).data
    return list(ask(data, do, name))
