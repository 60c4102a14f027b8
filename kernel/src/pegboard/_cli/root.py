"""The commands of `pegboard`: ours, and those that plugins bring."""

from __future__ import annotations

import sys

import click

from pegboard import __version__
from pegboard._catalogue import KNOWN_COMMANDS, missing_plugin
from pegboard._cli.call import call
from pegboard._cli.check import check
from pegboard._cli.inspect import config, doctor, mods, plugins
from pegboard._cli.make import completion, new, test
from pegboard._cli.reload import reload
from pegboard._cli.serve import serve
from pegboard._discovery import PluginCandidate, find_plugins
from pegboard._hooks import HookCaller

__all__ = ["Root", "root"]


class Root(click.Group):
    """Adds the commands that plugins name in their `plugin.toml`.

    A plugin is imported only when one of its commands is asked for or listed.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names: ours in the order in which one needs them, then those of plugins."""
        own = list(self.commands)
        return own + sorted(set(_offered()) - set(own))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; one that a plugin fails to give is reported and left out."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        candidate = _offered().get(cmd_name)
        return None if candidate is None else _load(candidate, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for.

        Raises:
            MissingPluginError: If a plugin of ours that is not installed has it.
        """
        name = args[0]
        if name in KNOWN_COMMANDS and name not in _offered():
            raise missing_plugin(f"pegboard {name}", KNOWN_COMMANDS[name])
        return super().resolve_command(ctx, args)


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings come from pegboard.toml and PEGBOARD_... variables: pegboard config show.",
)
@click.version_option(
    __version__, message=f"pegboard %(version)s (Python {sys.version.partition(' ')[0]})"
)
def root() -> None:
    """Run, call and look after Python functions that are marked with @export."""


for _command in (serve, reload, call, mods, plugins, test, new, check, config, doctor, completion):
    root.add_command(_command)


def _offered() -> dict[str, PluginCandidate]:
    return {
        name: candidate
        for candidate in find_plugins()
        if candidate.manifest is not None
        for name in candidate.manifest.commands
    }


def _load(candidate: PluginCandidate, name: str) -> click.Command | None:
    try:
        hooks = HookCaller()
        hooks.add(candidate.name, candidate.load())
        commands = hooks.call(candidate.name, "cli_commands") or ()
        return next((each for each in commands if each.name == name), None)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin must not take the others along
        text = f"plugin {candidate.name} cannot give its command {name}: {error}"
        click.secho(text, fg="red", err=True)
        return None
