"""Words of a command line as the arguments of an export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from pegboard._binding import Binding
from pegboard.errors import InputError

__all__ = ["read_arguments"]


def read_arguments(words: Iterable[str], binding: Binding) -> dict[str, Any]:
    """Read `key=value` words.

    A value that is JSON is that, unless the parameter takes it as text only; any other is text,
    which the binding converts. A key that comes several times is a list.

    Args:
        words: What stands on the command line.
        binding: How the export is called.

    Raises:
        InputError: If a word is not of this form.
    """
    types = {each.name: each.type for each in binding.parameters}
    repeated = {each.name for each in binding.parameters if each.repeated}
    values: dict[str, list[Any]] = {}
    for word in words:
        key, found, text = word.partition("=")
        if not found or not key:
            msg = f"{word!r} is not of the form key=value"
            raise InputError(msg)
        values.setdefault(key, []).append(
            _value(text, types.get(key, Any), is_list=key in repeated)
        )
    return {key: each if len(each) > 1 else each[0] for key, each in values.items()}


def _value(text: str, kind: Any, *, is_list: bool) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text
    if _fits(value, kind, is_list=is_list, strict=True):
        return value
    return text if _fits(text, kind, is_list=is_list, strict=False) else value


def _fits(value: Any, kind: Any, *, is_list: bool, strict: bool) -> bool:
    try:
        msgspec.convert(
            [value] if is_list and not isinstance(value, list) else value, kind, strict=strict
        )
    except msgspec.ValidationError:
        return False
    return True


def envelope_of(values: Mapping[str, Any], *, enc_hook: Callable[[Any], Any] = repr) -> bytes:
    """Return what `--json` prints.

    Args:
        values: What to print.
        enc_hook: Makes JSON of what msgspec does not know; by default as Python shows it.

    Raises:
        Exception: Whatever `enc_hook` raises.
    """
    return msgspec.json.format(msgspec.json.encode(values, enc_hook=enc_hook), indent=2)
