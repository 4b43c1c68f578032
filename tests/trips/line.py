"""A telephone line between one person and the product, which can be cut as a bad network cuts it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

CHUNK = 65_536


class Line:
    """Passes bytes on between a port of its own and the one at `address`, until it is cut."""

    def __init__(self, address: str) -> None:
        there = urlsplit(address)
        self._host = there.hostname  # the same name, so that cookies count here too
        self._to = ("127.0.0.1", there.port)
        self._open: list[socket.socket] = []
        self._is_up = True
        self._door = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._take_calls, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._door.getsockname()[1]}"

    def cut(self) -> None:
        """Break every connection, and let no new one through."""
        self._is_up = False
        while self._open:
            _hang_up(self._open.pop())

    def mend(self) -> None:
        self._is_up = True

    def close(self) -> None:
        self.cut()
        _hang_up(self._door)

    def _take_calls(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _address = self._door.accept()
                if not self._is_up:
                    near.close()
                    continue
                far = socket.create_connection(self._to)
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):  # cut
        while heard := one.recv(CHUNK):
            other.sendall(heard)
    _hang_up(one)
    _hang_up(other)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):  # the far side was faster
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def line(address: str) -> Iterator[Line]:
    made = Line(address)
    try:
        yield made
    finally:
        made.close()
