"""`pegboard storage`: keys, verifying, copying."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import anyio
import click
import msgspec
from anyio import to_thread

from pegboard import App
from pegboard.contracts.storage import KeyRange, Store, every_key
from pegboard.errors import InputError, PegboardError
from pegboard_storage._copy import Copied, Journal, copied_files
from pegboard_storage._scope import StorageScope
from pegboard_storage._service import Storage
from pegboard_storage._survey import Finding, key_uses, resealed, verified

__all__ = ["storage"]

T = TypeVar("T")

OUTBOX = "outbox"
WORDS = {
    "conflict": "in conflict",
    "gone": "deleted meanwhile",
    "left": "left here, since files of their scope stay on this machine",
    "same": "there already",
}
"""What is said of many files, where that is not the state of each."""

_project = click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    envvar="PEGBOARD_PROJECT",
    show_default="the current folder",
    help="Folder with pegboard.toml and mods/.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
_backend = click.option(
    "--backend", default="local", show_default=True, help="Where the files are: local, s3, redis."
)
_scope = click.option(
    "--scope",
    type=click.Choice([each.value for each in StorageScope]),
    default=None,
    help="Only the files of this scope.",
)


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a key.

    Attributes:
        id: Its id.
        created: When it was made; `missing` if files need it and it is not there.
        files: How many it has sealed.
        is_current: Whether it seals now.
    """

    id: str
    created: str
    files: int
    is_current: bool = False


class Tally(msgspec.Struct, kw_only=True):
    """What became of many files.

    Attributes:
        counts: How many, by what became of them.
        problems: Those that somebody has to look at.
    """

    counts: Counter[str] = msgspec.field(default_factory=Counter)
    problems: list[Copied | Finding] = msgspec.field(default_factory=list)

    @classmethod
    def of(cls, items: Iterable[Copied | Finding]) -> Self:
        """Count."""
        tally = cls()
        for each in items:
            tally.counts[each.state] += 1
            if each.is_problem:
                tally.problems.append(each)
        return tally

    def show(self, *, as_json: bool) -> int:
        """Print it, and return the exit status."""
        if as_json:
            click.echo(msgspec.json.encode({"counts": self.counts, "problems": self.problems}))
            return 1 if self.problems else 0
        status = self.complain()
        states = (f"{count} {WORDS.get(state, state)}" for state, count in self.counts.items())
        click.echo(", ".join(states) or "no files")
        return status

    def complain(self) -> int:
        """Print the problems, and return the exit status."""
        for each in self.problems:
            named = each.reason if str(each.key) in each.reason else f"{each.key}: {each.reason}"
            click.secho(f"{each.state}: {named}", fg="red", err=True)
        return 1 if self.problems else 0


class _Group(click.Group):
    """Leads to `pegboard outbox` as well, where a plugin has it: one looks for it here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        own = super().list_commands(ctx)
        return own if _of_root(ctx, OUTBOX) is None else sorted([*own, OUTBOX])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        return _of_root(ctx, OUTBOX) if own is None and cmd_name == OUTBOX else own


def _of_root(ctx: click.Context, name: str) -> click.Command | None:
    root = ctx.find_root().command
    return (
        root.get_command(ctx, name) if isinstance(root, click.Group) and root != storage else None
    )


@click.group(cls=_Group)
def storage() -> None:
    """Look after the files of scopes: their keys, their soundness, where they are kept."""


@storage.group()
def keys() -> None:
    """Look after the keys that files are encrypted with."""


@keys.command(name="list")
@_project
@_backend
@_as_json
def list_keys(project: Path, backend: str, *, as_json: bool) -> None:
    """List the keys and how many files each has sealed; never the keys themselves.

    A key without files can be removed from the key file, unless other backends, backups, the outbox
    or the contents before the last saves, which are not counted, have files of it.
    """

    def work(storage: Storage, data: Path) -> list[KeyRow]:
        del data
        uses = key_uses(storage.raw_store(backend))
        known = storage.keys.all()
        current = known[-1].id if known else ""
        rows = [
            KeyRow(id=each.id, created=each.created, files=uses.pop(each.id, 0)) for each in known
        ]
        missing = [KeyRow(id=each, created="missing", files=uses[each]) for each in uses]
        return [
            msgspec.structs.replace(row, is_current=row.id == current) for row in rows + missing
        ]

    rows = _run(project, work)
    if as_json:
        click.echo(msgspec.json.encode({"keys": rows}))
        return
    click.echo("id\tcreated\tfiles\tcurrent")
    for row in rows:
        is_current = "current" if row.is_current else ""
        click.echo(f"{row.id}\t{row.created}\t{row.files}\t{is_current}")


@keys.command()
@_project
@_backend
@click.option("--lazy", is_flag=True, help="Leave each file to its next save.")
@click.option("--resume", is_flag=True, help="Make no new key: seal what the last rotation left.")
@click.option(
    "--forget", is_flag=True, help="Give up the contents before the last saves: a key has leaked."
)
@click.pass_context
def rotate(
    context: click.Context, project: Path, backend: str, *, lazy: bool, resume: bool, forget: bool
) -> None:
    """Make a new key, and seal all files with it; the old keys stay. Status 1 if one is not sealed.

    The app may run meanwhile. A process that runs seals with the new key once it has read a file
    that is sealed with it. The content before the last save of each file stays sealed as it was
    until the next one, unless --forget is given.
    """

    def work(storage: Storage, data: Path) -> tuple[str, Tally]:
        del data
        key = storage.keys.current() if resume else storage.keys.rotate()
        if lazy:
            return key.id, Tally()
        store = storage.raw_store(backend)
        found = resealed(store, storage.keys, forget=forget)
        return key.id, Tally.of(_shown(found, _count(store), "sealing"))

    key_id, tally = _run(project, work)
    click.echo(f"key {key_id} is current; {tally.counts['sealed']} files were sealed with it")
    context.exit(tally.complain())


@storage.command()
@_project
@_backend
@_scope
@_as_json
@click.option("--restore", is_flag=True, help="Put the content before the last save back.")
@click.pass_context
def verify(
    context: click.Context,
    project: Path,
    backend: str,
    scope: str | None,
    *,
    as_json: bool,
    restore: bool,
) -> None:
    """Read and open every file; status 1 if one is damaged."""
    within = KeyRange(scope=scope)

    def work(storage: Storage, data: Path) -> Tally:
        del data
        store = storage.raw_store(backend)
        found = verified(store, storage.keys, within, restore=restore)
        return Tally.of(_shown(found, _count(store, within), "verifying"))

    context.exit(_run(project, work).show(as_json=as_json))


@storage.command()
@_project
@click.option("--from", "source", required=True, help="Backend that has the files, e.g. local.")
@click.option("--to", "target", required=True, help="Backend that shall have them, e.g. s3.")
@_scope
@_as_json
@click.option("--overwrite", is_flag=True, help="Replace what the target has in their place.")
@click.pass_context
def copy(
    context: click.Context,
    project: Path,
    source: str,
    target: str,
    scope: str | None,
    *,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Copy files to another backend, and read each again there; status 1 if one is not copied.

    A copy that was cut off goes on where it ended. What is written during the copy may be missed:
    stop the app, or copy twice and stop it for the second time.
    """
    within = KeyRange(scope=scope)

    def work(storage: Storage, data: Path) -> Tally:
        name = re.sub(r"[^a-z0-9]+", "-", f"{source} {target} {scope or 'all'}")
        journal = Journal(data / f"storage.copy-{name}")
        if journal.cursor():
            click.echo("going on where the last copy ended", err=True)
        stores = storage.raw_store(source), storage.raw_store(target)
        if stores[0] is stores[1]:
            raise InputError(f"{source} and {target} are one backend: nothing is to be copied")
        copied = copied_files(*stores, within, journal, overwrite=overwrite)
        return Tally.of(_shown(copied, _count(stores[0], within), "copying"))

    context.exit(_run(project, work).show(as_json=as_json))


def _run(project: Path, work: Callable[[Storage, Path], T]) -> T:
    """Do something with the storage of a project, in a thread."""

    async def main() -> T:
        async with App(project=project, mods=[]) as app:
            return await to_thread.run_sync(partial(work, app.service(Storage), app.data))

    try:
        return anyio.run(main)
    except PegboardError as error:
        raise click.ClickException(str(error)) from error


def _count(store: Store, within: KeyRange | None = None) -> int:
    return sum(1 for _ in every_key(store, within))


def _shown(items: Iterator[T], count: int, label: str) -> Iterator[T]:
    """Pass items on, and show on a terminal how far they have come."""
    if not sys.stderr.isatty():
        yield from items
        return
    with click.progressbar(items, count, label, file=sys.stderr) as bar:
        yield from bar
