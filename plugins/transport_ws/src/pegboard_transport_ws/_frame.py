"""Messages on the wire: payload to ASGI message and back. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pegboard.errors import InputError

if TYPE_CHECKING:
    from pegboard.contracts.asgi import Message

__all__ = ["Frame", "decode", "encode", "exceeds"]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class Frame:
    """A payload as the server takes it; made once, whatever the number of receivers.

    Attributes:
        message: The ASGI message; shared, so nobody changes it.
        size: Bytes of the payload.
    """

    __slots__ = ("message", "size")

    def __init__(self, message: Message, size: int) -> None:
        self.message = message
        self.size = size


def encode(payload: Any) -> Frame:
    """Make a frame: bytes travel as they are, everything else as JSON text.

    Raises:
        TypeError: If the payload cannot be expressed in JSON.
    """
    if isinstance(payload, (bytes, bytearray, memoryview)):
        data = bytes(payload)
        return Frame({"type": "websocket.send", "bytes": data}, len(data))
    try:
        data = _encoder.encode(payload)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError) as error:
        msg = f"a payload of type {type(payload).__name__} cannot be sent as JSON: {error}"
        raise TypeError(msg) from error
    return Frame({"type": "websocket.send", "text": data.decode()}, len(data))


def decode(message: Message) -> Any:
    """Return the payload of a message from a client: decoded JSON of text, bytes as they are.

    Raises:
        InputError: If text is not JSON.
    """
    text = message.get("text")
    if text is None:
        return message.get("bytes") or b""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        msg = f"a text message has to be JSON: {error}"
        raise InputError(msg) from error


def exceeds(message: Message, limit: int) -> bool:
    """Whether a message from a client has more than `limit` bytes."""
    text = message.get("text")
    if text is None:
        return len(message.get("bytes") or b"") > limit
    if len(text) > limit or text.isascii():
        return len(text) > limit
    # At most four bytes are needed for a character, so that most text need not be encoded.
    return len(text) * 4 > limit and len(text.encode("utf-8", "surrogatepass")) > limit
