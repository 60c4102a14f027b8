"""Requests byte by byte, to see what a server does."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import struct

__all__ = ["Client", "get_request", "http2_get"]


class Client:
    """A socket with just enough of HTTP and WebSocket to see what a server does."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def read_until(self, end: bytes) -> bytes:
        """Read up to and with `end`, or to the end of the connection."""
        while end not in self._buffer and (data := self._read()):
            self._buffer += data
        part, found, self._buffer = self._buffer.partition(end)
        return part + found

    def read_all(self) -> bytes:
        """Read until the server closes."""
        while data := self._read():
            self._buffer += data
        data, self._buffer = self._buffer, b""
        return data

    def read_some(self) -> bytes:
        """Read what comes next, at least one byte, or nothing if the connection ends."""
        data, self._buffer = self._buffer or self._read(), b""
        return data

    def read(self, size: int) -> bytes:
        """Read exactly `size` bytes, or fewer if the connection ends."""
        while len(self._buffer) < size and (data := self._read()):
            self._buffer += data
        part, self._buffer = self._buffer[:size], self._buffer[size:]
        return part

    def upgrade(self, path: str = "/") -> bytes:
        """Open a WebSocket and return the head of the answer."""
        key = base64.b64encode(os.urandom(16)).decode()
        self.send(
            f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\n"
            f"upgrade: websocket\r\nsec-websocket-version: 13\r\n"
            f"sec-websocket-key: {key}\r\n\r\n".encode()
        )
        return self.read_until(b"\r\n\r\n")

    def send_frame(self, payload: bytes, opcode: int = 1) -> None:
        """Send one masked frame."""
        mask = os.urandom(4)
        size = len(payload)
        extended = size >= 126
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | (126 if extended else size))
        head += struct.pack("!H", size) if extended else b""
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.send(head + mask + masked)

    def read_frame(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame that is no ping; -1 at the end."""
        while True:
            head = self.read(2)
            if len(head) < 2:
                return -1, b""
            size = head[1] & 0x7F
            if size >= 126:
                size = int.from_bytes(self.read(2 if size == 126 else 8), "big")
            opcode, payload = head[0] & 0x0F, self.read(size)
            if opcode != 9:
                return opcode, payload

    def close(self) -> None:
        """Close the connection, without a goodbye."""
        self._socket.close()

    def _read(self) -> bytes:
        try:
            return self._socket.recv(65_536)
        except (ConnectionError, ssl.SSLError):
            return b""


def get_request(path: str, *, close: bool = False) -> bytes:
    """Return the bytes of a GET."""
    connection = "close" if close else "keep-alive"
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: {connection}\r\n\r\n".encode()


def http2_get(client: Client, path: str) -> bytes:
    """Return the body that a server answers with over HTTP/2."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import DataReceived, StreamEnded

    connection = H2Connection(H2Configuration(client_side=True))
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    headers = [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", "a")]
    connection.send_headers(stream, headers, end_stream=True)
    body = b""
    while True:
        client.send(connection.data_to_send())
        data = client.read_some()
        if not data:
            msg = "the connection ended before the answer"
            raise AssertionError(msg)
        for event in connection.receive_data(data):
            if isinstance(event, DataReceived):
                body += event.data
            elif isinstance(event, StreamEnded):
                return body
