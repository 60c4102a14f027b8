"""`pegboard call`: one export, once, from the command line."""

from __future__ import annotations

import logging
import sys
from base64 import b64decode
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click
import msgspec

from pegboard._arguments import envelope_of, read_arguments
from pegboard._cli_option import as_json, project, with_app
from pegboard._result import Result
from pegboard._stream import is_stream, items_of
from pegboard.errors import InputError, PegboardError

if TYPE_CHECKING:
    from pegboard._app import App

__all__ = ["call"]

_logger = logging.getLogger("pegboard.call")

_PART = 1 << 20  # bytes of a file that are read at once


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("address", metavar="MOD.FUNCTION")
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@project
@as_json
@click.pass_context
def call(
    context: click.Context, address: str, words: tuple[str, ...], project: Path, *, as_json: bool
) -> None:
    """Call an export and print what it answers.

    A value is read as JSON of the parameter's type where it is that, else as text; a key that
    comes several times makes a list. The items of a stream are printed line by line. Status 0
    means success, 1 an error, 2 wrong usage.
    """
    work = partial(_call, address=address, words=words, as_json=as_json)
    context.exit(with_app(project, work, log_level="WARNING"))


async def _call(app: App, *, address: str, words: tuple[str, ...], as_json: bool) -> int:
    result = await _answer(app, address, words)
    if as_json and not is_stream(result):
        click.echo(envelope_of(result.as_dict()))
    elif result.is_error():
        click.secho(f"{result.error}: {result.info.help_text}", fg="red", err=True)
        _print(result.get())
    else:
        try:
            await _show(result)
        except (BrokenPipeError, PegboardError):
            raise
        except Exception:
            _logger.exception("%s failed while its answer was read", address)
            return 1
    app.run_tasks(result)
    return int(result.is_error())


async def _answer(app: App, address: str, words: tuple[str, ...]) -> Result[Any]:
    from pegboard._context import CallContext

    slot = app.registry.table.get(address)
    if slot is None or slot.export is None:
        unknown: Result[Any] = await app.call(address)
        return unknown
    try:
        values = read_arguments(words, slot.export.binding)
    except InputError as error:
        raise click.UsageError(str(error)) from error
    try:
        args, kwargs = slot.export.binding.bind(values)
    except InputError as error:
        return Result.from_error(error).set_origin(slot.export.origin)
    return await app.invoke(slot, CallContext(app), args, kwargs)


async def _show(result: Result[Any]) -> None:
    kind = result.result.data_type
    if is_stream(result):
        async for item in items_of(result):
            _print(item)
        return
    data = await result.aget()
    if kind == "binary":
        _write(data["data"])
    elif kind == "file":
        _write(b64decode(data))
    elif kind == "file_path":
        async with await anyio.open_file(data, "rb") as file:
            while part := await file.read(_PART):
                _write(part)
    else:
        _print(data)


def _print(data: Any) -> None:
    if data is None:
        return
    if isinstance(data, bytes):
        _write(data)
    elif isinstance(data, str):
        click.echo(data)
    else:
        click.echo(msgspec.json.encode(data, enc_hook=repr))


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
