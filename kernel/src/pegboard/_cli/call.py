"""`pegboard call`: one export, once, from the command line."""

from __future__ import annotations

import sys
from base64 import b64decode
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO

import anyio
import click
import msgspec

from pegboard._cli.arguments import envelope_of, read_arguments
from pegboard._cli.option import as_json, project, with_app
from pegboard._context import CallContext, entered
from pegboard._pipeline import failure
from pegboard._result import Result
from pegboard.contracts.stream import is_stream, items_of
from pegboard.errors import InputError, NotFoundError, PegboardError

if TYPE_CHECKING:
    from pegboard._app import App

__all__ = ["call"]

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

    A value is read as JSON where the parameter takes that, else as text; a key that comes several
    times makes a list. The items of a stream are printed line by line; what the mod itself prints
    goes to standard error. Status 0 means success, 1 an error, 2 wrong usage.
    """
    work = partial(
        _call, address=address, words=words, as_json=as_json, out=_Output(sys.stdout.buffer)
    )
    context.exit(with_app(project, work, log_level="WARNING"))


async def _call(
    app: App, *, address: str, words: tuple[str, ...], as_json: bool, out: _Output
) -> int:
    slot = app.registry.table.get(address)
    if slot is None or slot.export is None:
        return await _unknown(app, address, as_json=as_json, out=out)
    try:
        values = read_arguments(words, slot.export.binding)
    except InputError as error:
        raise click.UsageError(str(error)) from error
    try:
        args, kwargs = slot.export.binding.bind(values)
    except InputError as error:
        refused: Result[Any] = Result.from_error(error).set_origin(slot.export.origin)
        return out.tell(refused, as_json=as_json)
    result = await app.invoke(slot, CallContext(app), args, kwargs)
    if not result.is_error():
        try:
            if as_json and not is_stream(result):
                out.line(envelope_of(result.as_dict(), enc_hook=_plain))
            else:
                with entered(app):
                    await out.show(result)
        except (BrokenPipeError, PegboardError):
            raise
        except Exception as error:  # noqa: BLE001 - becomes the answer, and is logged
            return out.tell(failure(app, slot.export, error, args, kwargs), as_json=as_json)
    if slot.export.answer_type is not None and not as_json and not result.is_error():
        click.echo(result.info.help_text, err=True)  # what answers in its place says what it did
    app.run_tasks(result)
    return out.tell(result, as_json=as_json) if result.is_error() else 0


async def _unknown(app: App, address: str, *, as_json: bool, out: _Output) -> int:
    mod = address.rpartition(".")[0]
    status = app.mods.status.get(mod)
    if status is not None and status.state != "active":
        state = "failed" if status.state == "failed" else "is off"
        reason = status.reason.removeprefix(f"mod {mod}: ")
        result: Result[Any] = Result.from_error(NotFoundError(f"mod {mod} {state}: {reason}"))
    else:
        result = await app.call(address)
    return out.tell(result, as_json=as_json)


class _Output:
    """Standard output as it was before what mods print was led elsewhere."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target

    def tell(self, result: Result[Any], *, as_json: bool) -> int:
        """Write an error and return its status."""
        if as_json:
            self.line(envelope_of(result.as_dict()))
        else:
            click.secho(f"{result.error}: {result.info.help_text}", fg="red", err=True)
            if result.result.data_info != "internal":  # else it is the id, which the text has
                self.value(result.get())
        return 1

    async def show(self, result: Result[Any]) -> None:
        """Write the data of a result as what it is."""
        kind = result.result.data_type
        if is_stream(result):
            async for item in items_of(result):
                self.value(item)
            return
        data = await result.aget()
        if kind == "binary":
            self.write(data["data"])
        elif kind == "file":
            self.write(b64decode(data))
        elif kind == "file_path":
            async with await anyio.open_file(data, "rb") as file:
                while part := await file.read(_PART):
                    self.write(part)
        else:
            self.value(data)

    def value(self, data: Any) -> None:
        """Write bytes as they are, text as a line, all else as a line of JSON, None not at all."""
        if isinstance(data, bytes):
            self.write(data)
        elif isinstance(data, str):
            self.line(data.encode("utf-8", "replace"))
        elif data is not None:
            self.line(msgspec.json.encode(data, enc_hook=_plain))

    def line(self, data: bytes) -> None:
        """Write a line."""
        self.write(data + b"\n")

    def write(self, data: bytes) -> None:
        """Write bytes, and hand them on at once."""
        self._target.write(data)
        self._target.flush()


def _plain(value: Any) -> Any:
    """Say what a type that msgspec does not know is in JSON, as transports do."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, PurePath):
        return str(value)
    msg = f"{type(value).__qualname__} cannot be sent as JSON"
    raise TypeError(msg)
