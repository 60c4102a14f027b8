"""How an answer is written into a cache of bytes, and read again: plain data, never code."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

import msgspec

from pegboard import ErrorKind, Result, ResultData, ResultInfo
from pegboard_caching._kept import kept

__all__ = ["Wire"]

FORMAT = 1
"""First field of what is written; what has another number is a miss."""

_BESIDE = frozenset({"headers", "status"})


class _Written(msgspec.Struct, array_like=True, frozen=True):
    """An answer as it is written."""

    format: int
    data_to: str
    data_info: Any
    data_type: str | None
    exec_code: int
    help_text: str
    headers: dict[str, str] | None
    status: int | None
    data: msgspec.Raw


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Written).decode


class Wire:
    """Writes and reads the answers of one export.

    Data are read as the type that the function says it returns, so that a Struct comes back as
    one. What would come back as something else is not written.

    Args:
        function: The function of the export.
        origin: Its address.
    """

    def __init__(self, function: Callable[..., Any], origin: tuple[str, ...]) -> None:
        self._origin = origin
        self._decode_data = msgspec.msgpack.Decoder(_decodable(_returned(function))).decode

    def write(self, result: Result[Any]) -> bytes | None:
        """Return a success as bytes, None where it cannot be written."""
        own = kept(result)
        if own is None or own.beside.keys() - _BESIDE:
            return None
        data, info = own.data, own.info
        try:
            encoded = msgspec.Raw(_encode(data.data))
            again = self._decode_data(encoded)
            if type(again) is not type(data.data) or again != data.data:
                return None
            return _encode(
                _Written(
                    FORMAT,
                    data.data_to,
                    data.data_info,
                    data.data_type,
                    info.exec_code,
                    info.help_text,
                    own.beside.get("headers"),
                    own.beside.get("status"),
                    encoded,
                )
            )
        except (TypeError, ValueError, OverflowError, RecursionError):
            return None

    def read(self, value: bytes) -> Result[Any] | None:
        """Return the answer that was written, None where it is none that this version writes."""
        try:
            written = _decode(value)
            if written.format != FORMAT:
                return None
            data = self._decode_data(written.data)
        except msgspec.MsgspecError:
            return None
        result: Result[Any] = Result(
            ErrorKind.NONE,
            self._origin,
            ResultData(written.data_to, written.data_info, data, written.data_type),
            ResultInfo(written.exec_code, written.help_text),
        )
        if written.headers is not None:
            result.__dict__["headers"] = written.headers
        if written.status is not None:
            result.__dict__["status"] = written.status
        return result


def _returned(function: Callable[..., Any]) -> Any:
    """Return the type of the data that a function answers with, `Any` where it does not say."""
    try:
        hint = typing.get_type_hints(function, include_extras=True).get("return", Any)
    except NameError:  # a name that only the type checker knows
        return Any
    if typing.get_origin(hint) is Result:
        return typing.get_args(hint)[0]
    return Any if hint is Result else hint


def _decodable(hint: Any) -> Any:
    try:
        msgspec.msgpack.Decoder(hint)
    except (TypeError, NotImplementedError):
        return Any
    return hint
