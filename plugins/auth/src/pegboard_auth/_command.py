"""`pegboard users`: accounts from the command line, while the app serves or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import anyio
import click

from pegboard import App
from pegboard.contracts.server import ServeSettings
from pegboard.errors import PegboardError
from pegboard_auth._accounts import Accounts
from pegboard_auth._address import link_url, served_url
from pegboard_auth._policy import LEVELS
from pegboard_auth._post import LinkPost
from pegboard_auth._record import Account
from pegboard_auth._trail import Actor

__all__ = ["users"]

T = TypeVar("T")

ACTOR = Actor(uid="cli")

_project = click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    envvar="PEGBOARD_PROJECT",
    show_default="the current folder",
    help="Folder with pegboard.toml and mods/.",
)
_level = click.Choice([str(level) for level in LEVELS])


@click.group()
def users() -> None:
    """Add, list, level, disable and reset accounts, and renew the keys that sign.

    A running server knows of each change within a second. Passwords are never typed here: whoever
    an account is for sets one with a link that is good once.
    """


@users.command()
@click.argument("name")
@click.option("--level", type=_level, default="1", show_default=True, help="1, 5 or 10.")
@click.option("--mail", help="Mail address; the link is sent there where a mail server is set.")
@_project
def add(name: str, level: str, mail: str | None, project: Path) -> None:
    """Add an account, and print the link to set its password."""

    async def work(app: App, accounts: Accounts) -> None:
        account = await accounts.add(name, level=int(level), mail=mail, actor=ACTOR)
        await _hand_out(app, account, await accounts.link("password", account.uid, actor=ACTOR))

    _with_accounts(project, work)


@users.command(name="list")
@_project
def list_(project: Path) -> None:
    """List all accounts: name, level, state, identity."""

    async def work(app: App, accounts: Accounts) -> None:
        for each in await accounts.all():
            state = "disabled" if each.disabled else "active" if each.has_password else "invited"
            click.echo(f"{each.name}\t{each.level}\t{state}\t{each.uid}")

    _with_accounts(project, work)


@users.command(name="level")
@click.argument("name")
@click.argument("level", type=_level)
@_project
def level_(name: str, level: str, project: Path) -> None:
    """Change the level of an account: 1 user, 5 moderator, 10 administrator."""

    async def work(app: App, accounts: Accounts) -> None:
        account = await accounts.find(name)
        changed = await accounts.set_level(account.uid, int(level), actor=ACTOR)
        click.echo(f"{changed.name} has level {changed.level} now")

    _with_accounts(project, work)


@users.command()
@click.argument("name")
@click.option("--undo", is_flag=True, help="Let the account in again.")
@_project
def disable(name: str, project: Path, *, undo: bool) -> None:
    """Keep an account out: its sessions and API keys end."""

    async def work(app: App, accounts: Accounts) -> None:
        account = await accounts.find(name)
        if undo:
            await accounts.enable(account.uid, actor=ACTOR)
        else:
            await accounts.disable(account.uid, actor=ACTOR)
        click.echo(f"{account.name} is {'let in again' if undo else 'kept out'}")

    _with_accounts(project, work)


@users.command()
@click.argument("name")
@_project
def reset(name: str, project: Path) -> None:
    """End all sessions and API keys of an account, and print the link to set a new password."""

    async def work(app: App, accounts: Accounts) -> None:
        account = await accounts.find(name)
        await _hand_out(app, account, await accounts.reset(account.uid, actor=ACTOR))

    _with_accounts(project, work)


@users.command()
@click.argument("name")
@click.argument("address", required=False)
@_project
def mail(name: str, address: str | None, project: Path) -> None:
    """Note where an account gets mail; without ADDRESS, nowhere."""

    async def work(app: App, accounts: Accounts) -> None:
        account = await accounts.find(name)
        changed = await accounts.set_mail(account.uid, address, actor=ACTOR)
        click.echo(f"{changed.name} gets mail at {changed.mail or 'no address'}")

    _with_accounts(project, work)


@users.command()
@click.option("--grace", type=click.FloatRange(min=0), help="Seconds; by default `session_idle`.")
@_project
def rotate_keys(grace: float | None, project: Path) -> None:
    """Sign sessions and tokens with a new key from now on.

    What older keys have signed stays good for a time of grace, in which sessions that are used
    get the new signature. With --grace 0, for keys that were copied, all sessions end at once.
    """

    async def work(app: App, accounts: Accounts) -> None:
        seconds = app.settings("auth").session_idle if grace is None else grace
        older = await accounts.rotate_keys(grace=seconds, actor=ACTOR)
        click.echo(f"a new key signs; {older} older ones are good for {seconds:g} s at most")

    _with_accounts(project, work)


def _with_accounts(project: Path, work: Callable[[App, Accounts], Awaitable[T]]) -> T:
    async def run() -> T:
        async with App(project=project, plugins=["auth"], mods=[]) as app:
            return await work(app, app.service(Accounts, "pegboard-auth"))

    try:
        return anyio.run(run)
    except PegboardError as error:
        raise click.ClickException(str(error)) from error


async def _hand_out(app: App, account: Account, code: str) -> None:
    post = LinkPost(app, app.settings("auth"))
    if account.mail and post.is_open:
        await post.deliver(account.mail, "password", code)
        click.echo(f"a link was sent to {account.mail}")
        return
    base = app.settings("auth").public_url or served_url(app.config.section("serve", ServeSettings))
    minutes = int(app.settings("auth").link_lifetime // 60)
    click.echo(f"{account.name} sets a password within {minutes} minutes here:", err=True)
    click.echo(link_url(base, code))
