"""The answer's envelope as typed structs, for contenders that write it by hand."""

from typing import Any

import msgspec

JSON = b"application/json"


class Body(msgspec.Struct):
    """The member ``result`` of the envelope."""

    data_to: str
    data_info: str
    data: Any
    data_type: str


class Info(msgspec.Struct):
    """The member ``info`` of the envelope."""

    exec_code: int
    help_text: str


class Envelope(msgspec.Struct):
    """What travels for a call that succeeded."""

    error: str
    origin: tuple[str, str, str]
    result: Body
    info: Info


OK = Info(exec_code=0, help_text="OK")
GET_ORIGIN = ("Bench", "get", "tb")
POST_ORIGIN = ("Bench", "post", "tb")


def envelope(origin: tuple[str, str, str], data: Any, data_type: str) -> Envelope:
    """Wrap ``data`` as a successful answer of the export at ``origin``."""
    return Envelope("none", origin, Body("NATIVE", "", data, data_type), OK)
