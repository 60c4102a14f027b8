"""`pegboard new`, `test` and `completion`: for those who write mods."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from pegboard._arguments import envelope_of
from pegboard._cli_option import as_json, project, with_app

__all__ = ["completion", "new", "test"]

_SHELLS = ("bash", "zsh", "fish")


@click.group()
def new() -> None:
    """Make something new."""


@new.command()
@click.argument("name")
@project
def mod(name: str, project: Path) -> None:
    """Make mods/NAME.py: a small mod that works."""
    from pegboard._scaffold import new_mod

    path = new_mod(project, name)
    click.echo(f"made {path}; try: pegboard call {name}.greet name=Ada, then pegboard serve")


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
    """Call each export with its samples; status 1 if one fails."""
    from pegboard._selftest import run_samples

    work = partial(run_samples, timeout=timeout)
    outcomes = with_app(
        project, work, log_level="ERROR", testing=True, mods=list(mods) if mods else None
    )
    counts = {
        state: sum(each.state == state for each in outcomes)
        for state in ("passed", "failed", "untested")
    }
    if as_json:
        click.echo(envelope_of({**counts, "outcomes": outcomes}))
    else:
        for each in outcomes:
            colour = {"passed": "green", "failed": "red"}.get(each.state, "bright_black")
            state = click.style(f"{each.state:<8}", fg=colour)
            click.echo(f"{state} {each.call}{': ' if each.reason else ''}{each.reason}")
        click.echo(", ".join(f"{count} {state}" for state, count in counts.items()))
    context.exit(1 if counts["failed"] else 0)


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

    from pegboard._cli_root import root

    complete = get_completion_class(shell)
    if complete is None:
        msg = f"no completion for {shell}"
        raise click.UsageError(msg)
    click.echo(complete(root, {}, "pegboard", "_PEGBOARD_COMPLETE").source())
