"""The few WebSocket frames a load generator needs (RFC 6455); no I/O."""

from collections.abc import Iterator

HEAD_LIMIT = 16_384
"""Bytes of an opening handshake's answer."""

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_MASK = b"\x12\x34\x56\x78"


def handshake(path: str) -> bytes:
    """Return the request that opens a connection."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def encode(opcode: int, payload: bytes) -> bytes:
    """Return one masked frame from client to server.

    Raises:
        ValueError: when the payload needs more than a two-byte length.
    """
    size = len(payload)
    if size >= 2**16:
        raise ValueError(f"{size} bytes are too long for this frame")
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    masked = bytes(byte ^ _MASK[index % 4] for index, byte in enumerate(payload))
    return bytes([0x80 | opcode]) + length + _MASK + masked


class Reader:
    """Cuts the bytes of a server into frames."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take bytes in and yield (opcode, payload) of each frame that is complete."""
        buffer = self._buffer + data if self._buffer else data
        start, end = 0, len(buffer)
        while end - start >= 2:
            size, head = buffer[start + 1], start + 2
            if size >= 126:
                width = 2 if size == 126 else 8
                size, head = int.from_bytes(buffer[head : head + width], "big"), head + width
            if end < head + size:
                break
            yield buffer[start] & 0x0F, buffer[head : head + size]
            start = head + size
        self._buffer = buffer[start:]
