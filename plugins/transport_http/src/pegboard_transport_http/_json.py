"""JSON on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import msgspec

__all__ = ["decode", "encode"]


def _plain(value: Any) -> Any:
    """Say what a type that msgspec does not know is in terms of those that it does."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, PurePath):
        return str(value)
    msg = f"{type(value).__qualname__} cannot be sent as JSON"
    raise TypeError(msg)


encode = msgspec.json.Encoder(enc_hook=_plain).encode
decode = msgspec.json.Decoder().decode
