"""`pegboard mods`, `plugins`, `config` and `doctor`: what is here, and whether it works."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from pegboard._cli.arguments import envelope_of
from pegboard._cli.option import as_json, project, with_app
from pegboard._cli.setting import settings_of
from pegboard._cli.table import show_table
from pegboard._serving.advice import misconfigured, misnamed_mods
from pegboard._serving.log import configure

if TYPE_CHECKING:
    from pegboard._app import App

__all__ = ["config", "doctor", "mods", "plugins"]


@click.command()
@project
@as_json
def mods(project: Path, *, as_json: bool) -> None:
    """List the mods: what they export, and why one does not serve."""
    found = with_app(project, _mods)
    if as_json:
        click.echo(envelope_of({"mods": found}))
        return
    show_table(
        ("mod", "state", "exports", "from", "reason"),
        [
            (
                each["name"],
                each["state"],
                ", ".join(each["exports"]),
                each["origin"],
                each["reason"],
            )
            for each in found
        ],
    )


@click.group(invoke_without_command=True)
@project
@as_json
@click.pass_context
def plugins(context: click.Context, project: Path, *, as_json: bool) -> None:
    """List the plugins: what they are for, and why one is not active."""
    if context.invoked_subcommand:
        return
    found = with_app(project, _plugins)
    if as_json:
        click.echo(envelope_of({"plugins": found}))
        return
    show_table(
        ("plugin", "version", "state", "summary"),
        [
            (each["name"], each["version"], each["state"], each["reason"] or each["summary"])
            for each in found
        ],
    )


@plugins.command()
@click.argument("name")
@project
@click.pass_context
def enable(context: click.Context, name: str, project: Path) -> None:
    """Use a plugin from now on, also where the project is being served.

    The status is 1 if it does not serve there.
    """
    context.exit(int(_select(project, name, is_wanted=True)))


@plugins.command()
@click.argument("name")
@project
def disable(name: str, project: Path) -> None:
    """Never import a plugin from now on; where the project is being served it is taken away."""
    _select(project, name, is_wanted=False)


def _select(project: Path, name: str, *, is_wanted: bool) -> bool:
    """Write the manifest, have it followed, and tell what came of it; whether anything failed."""
    from pegboard._cli.reload import running
    from pegboard._cli.selection import select

    manifest = select(project, name, is_wanted=is_wanted)
    click.echo(f"{manifest}: plugin {name} is {'allowed' if is_wanted else 'denied'}")
    has_failed = False
    for process, outcomes in running(project, do="sync", name=name):
        for each in outcomes:
            has_failed = has_failed or each["outcome"] == "rejected"
            reason = f": {each['reason']}" if each["reason"] else ""
            line = f"process {process}: {each['kind']} {each['name']} {each['outcome']}{reason}"
            click.echo(line)
    return has_failed


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command()
@project
@as_json
@click.pass_context
def show(context: click.Context, project: Path, *, as_json: bool) -> None:
    """Print each setting with its value and where that comes from; secrets are hidden.

    A plugin whose section is wrong has none: that is said on standard error, and the status is 1.
    """
    found, wrong = with_app(project, _settings)
    if as_json:
        click.echo(envelope_of({"settings": found}))
    else:
        show_table(
            ("setting", "value", "from"),
            [(each["name"], _shown(each["value"]), each["origin"]) for each in found],
        )
    for each in wrong:
        click.secho(f"error: {each}", fg="red", err=True)
    context.exit(1 if wrong else 0)


@click.command()
@project
@as_json
@click.pass_context
def doctor(context: click.Context, project: Path, *, as_json: bool) -> None:
    """Check the set-up; status 1 if something does not work. A warning leaves it at 0."""
    from pegboard._cli.doctor import examine

    configure("text", "CRITICAL")
    with redirect_stdout(sys.stderr):  # which is for what mods print
        checks = anyio.run(examine, project)
    is_healthy = all(check.ok for check in checks)
    if as_json:
        click.echo(envelope_of({"ok": is_healthy, "checks": checks}))
    else:
        rows = [(check.name, check.state, check.detail) for check in checks]
        show_table(("check", "state", "detail"), rows)
    context.exit(0 if is_healthy else 1)


async def _mods(app: App) -> list[dict[str, Any]]:
    misnamed = [
        {
            "name": path.name.removesuffix(".py"),
            "state": "off",
            "exports": [],
            "origin": str(path),
            "reason": problem,
        }
        for path, problem in misnamed_mods(app.project)
    ]
    return misnamed + [
        {
            "name": name,
            "state": status.state,
            "exports": sorted(
                export.address for export in app.registry if export.generation.owner == name
            ),
            "origin": status.candidate.origin,
            "reason": status.reason,
        }
        for name, status in sorted(app.mods.status.items())
    ]


async def _plugins(app: App) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "version": status.candidate.version,
            "state": status.state,
            "summary": status.candidate.manifest.summary if status.candidate.manifest else "",
            "reason": status.reason,
        }
        for name, status in sorted(app.plugins.status.items())
    ]


async def _settings(app: App) -> tuple[list[dict[str, Any]], list[str]]:
    from pegboard.contracts.server import ServeSettings

    app.config.section("serve", ServeSettings)
    return settings_of(app.config), misconfigured(app)


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)
