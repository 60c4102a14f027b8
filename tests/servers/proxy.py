"""A proxy in front of a server, which tests cut, freeze, or let swallow an answer."""

import socket
from contextlib import suppress
from threading import Lock, Thread
from typing import Self

CHUNK = 65_536


class Proxy:
    """Passes bytes on to a port of this machine.

    Args:
        target: The port.
        keeps: Whether to remember what it has passed on, both ways.

    Attributes:
        seen: That.
        swallowed: How many answers were swallowed since the start.
    """

    def __init__(self, target: int, *, keeps: bool = False) -> None:
        self.target = target
        self.seen = bytearray()
        self._keeps = keeps
        self.swallowed = 0
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._swallow = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._is_cut = False
        self._thread: Thread | None = None

    def cut(self) -> None:
        """Close what is open and refuse what comes, as an unplugged service does."""
        with self._lock:
            self._is_cut = True
            self._close_all()

    def mend(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._is_cut = False

    def swallow_answers(self, count: int) -> None:
        """Deliver the next requests, and close in place of their answers."""
        with self._lock:
            self._swallow = count

    def _close_all(self) -> None:
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client:
            if self._is_cut:
                return
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as server:
                self._pass_on(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with self._lock:
            self._open |= {client, server}
        try:
            back = Thread(target=self._pump, args=(server, client, True), daemon=True)
            back.start()
            self._pump(client, server, False)
            back.join()
        finally:
            with self._lock:
                self._open -= {client, server}

    def _pump(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if self._is_cut or (is_answer and self._swallows()):
                    break
                if self._keeps:
                    self.seen += data
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _swallows(self) -> bool:
        with self._lock:
            if self._swallow == 0:
                return False
            self._swallow -= 1
            self.swallowed += 1
            return True

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        assert self._thread is not None
        self._thread.join()
