"""`pegboard new`, `test` and `completion`: for those who write mods and plugins."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from pegboard._cli.arguments import envelope_of
from pegboard._cli.option import as_json, project, with_app
from pegboard._discovery import find_mods

if TYPE_CHECKING:
    from pegboard._app import App

__all__ = ["completion", "new", "test"]

ABANDONED_GRACE = 3.0
"""Seconds that the app gets to stop while a thread of it cannot be stopped."""

_SHELLS = ("bash", "zsh", "fish")


@click.group()
def new() -> None:
    """Make something new."""


@new.command()
@click.argument("name")
@project
def mod(name: str, project: Path) -> None:
    """Make mods/NAME.py: a small mod that works."""
    from pegboard._cli.scaffold import new_mod

    path = new_mod(project, name)
    click.echo(f"made {path}; try: pegboard call {name}.greet name=Ada, then pegboard serve")
    hidden = next((each for each in find_mods(None) if each.name == name), None)
    if hidden is not None:
        text = f"warning: it takes the place of the mod {name} of {hidden.origin} in this project"
        click.secho(text, fg="yellow", err=True)


@new.command()
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    show_default="the current folder",
    help="Where to make it.",
)
def plugin(name: str, folder: Path) -> None:
    """Make pegboard-NAME: a distribution with a small plugin that works, and its tests."""
    from pegboard._cli.plugin_scaffold import PluginNames, new_plugin

    names = PluginNames.read(name)
    path = new_plugin(folder, names)
    click.echo(f"made {path}; next:")
    click.echo(f'  pip install -e "{_from_here(path)}[dev]"')
    click.echo(f"  pytest {path}")
    click.echo(f"  pegboard check {path}")


def _from_here(path: Path) -> str:
    """Return a path in a way that pip does not take for the name of a distribution."""
    return str(path) if path.is_absolute() else f"./{path}"


@click.command()
@project
@as_json
@click.option("--mod", "mods", multiple=True, metavar="NAME", help="Only this mod. Repeatable.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds that one call may take.",
)
@click.pass_context
def test(
    context: click.Context, project: Path, mods: tuple[str, ...], timeout: float, *, as_json: bool
) -> None:
    """Call each export with its samples; status 1 if one, or a mod, fails."""
    work = partial(_test, timeout=timeout, as_json=as_json, out=sys.stdout)
    chosen = list(mods) if mods else None
    context.exit(with_app(project, work, log_level="ERROR", testing=True, mods=chosen))


async def _test(app: App, *, timeout: float, as_json: bool, out: TextIO) -> int:
    from pegboard._cli.selftest import run_samples
    from pegboard._serving.deadline import Deadline

    outcomes = await run_samples(app, timeout=timeout)
    if any(each.is_abandoned for each in outcomes):
        Deadline(ABANDONED_GRACE)  # before anything is printed, since that may fail
    counts = {
        state: sum(each.state == state for each in outcomes)
        for state in ("passed", "failed", "untested")
    }
    if as_json:
        click.echo(envelope_of({**counts, "outcomes": outcomes}), file=out)
    else:
        for each in outcomes:
            colour = {"passed": "green", "failed": "red"}.get(each.state, "bright_black")
            state = click.style(f"{each.state:<8}", fg=colour)
            click.echo(f"{state} {each.call}{': ' if each.reason else ''}{each.reason}", file=out)
        click.echo(", ".join(f"{count} {state}" for state, count in counts.items()), file=out)
    return 1 if counts["failed"] else 0


@click.command(
    epilog="""\b
bash  pegboard completion bash >> ~/.bashrc
zsh   pegboard completion zsh >> ~/.zshrc
fish  pegboard completion fish > ~/.config/fish/completions/pegboard.fish"""
)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete `pegboard`."""
    from click.shell_completion import get_completion_class

    from pegboard._cli.root import root

    complete = get_completion_class(shell)
    if complete is None:
        msg = f"no completion for {shell}"
        raise click.UsageError(msg)
    click.echo(complete(root, {}, "pegboard", "_PEGBOARD_COMPLETE").source())
