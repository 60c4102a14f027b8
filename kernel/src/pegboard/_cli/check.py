"""`pegboard check`: for those who write plugins."""

from __future__ import annotations

from collections import Counter

import click

from pegboard._check.finding import NAMES, Finding
from pegboard._cli.arguments import envelope_of
from pegboard._cli.option import as_json
from pegboard._cli.table import STATE_COLOURS
from pegboard._serving.log import configure

__all__ = ["check"]


@click.command(
    epilog="""\b
manifest        plugin.toml fits this kernel, and pyproject.toml bounds its version
documented      each hook has a docstring and stands in the README
described       each setting has a default, bounds and a line of help
conforms        the suite of all plugins passes
reloads         of old versions of its code nothing stays in memory, open or running
typed           py.typed is there, and mypy --strict finds nothing
tested          its own tests pass, and use the suites for what it answers with
installs alone  in a fresh environment it runs with what it declares"""
)
@click.argument("target", metavar="[FOLDER|NAME]", default=".")
@click.option(
    "--skip",
    type=click.Choice(NAMES),
    multiple=True,
    help="Leave a check out. Repeatable.",
)
@click.option("--only", type=click.Choice(NAMES), multiple=True, help="Only this. Repeatable.")
@as_json
@click.pass_context
def check(
    context: click.Context,
    target: str,
    skip: tuple[str, ...],
    only: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Hold an installed plugin to a checklist; status 1 if a check fails."""
    from pegboard._check.checklist import findings
    from pegboard._check.subject import find_subject

    configure("text", "CRITICAL")
    subject = find_subject(target)
    found: list[Finding] = []
    for each in findings(subject, [name for name in only or NAMES if name not in skip]):
        found.append(each)
        if not as_json:
            _show(each)
    counts = Counter(each.state for each in found)
    is_good = not counts["failed"]
    if as_json:
        click.echo(envelope_of({"plugin": subject.name, "ok": is_good, "findings": found}))
    else:
        total = ", ".join(f"{count} {state}" for state, count in counts.items())
        click.echo(f"{subject.name}: {total}")
    context.exit(0 if is_good else 1)


def _show(finding: Finding) -> None:
    state = click.style(f"{finding.state:<8}", fg=STATE_COLOURS.get(finding.state))
    click.echo(f"{state} {finding.name:<15} {finding.detail}".rstrip())
