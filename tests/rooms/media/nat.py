"""A router between listeners and an edge, as in most homes, which may give them other ports at any time."""

import asyncio
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

Address = tuple[str, int]
MOST_BYTES = 2_048


class Nat:
    """Passes on what comes to its port, from a port of its own for each who sends, and back."""

    def __init__(self, address: str, port: int) -> None:
        self._address = address
        self._edge = (address, port)
        self._outside: dict[Address, socket.socket] = {}
        self._inside = self._open(self._outward)

    def in_answer(self, answer: str) -> str:
        """Return an answer that leads through here, and nowhere else."""
        port = self._inside.getsockname()[1]
        lines = [line for line in answer.splitlines() if not line.startswith("a=candidate:")]
        lines.insert(-1, f"a=candidate:1 1 udp 2130706431 {self._address} {port} typ host")
        return re.sub(r"m=audio [0-9]+", f"m=audio {port}", "\r\n".join([*lines, ""]))

    def rebind(self) -> None:
        """Forget every port: what the edge sends to them is lost, and who sends next gets another."""
        while self._outside:
            self._close(self._outside.popitem()[1])

    def close(self) -> None:
        self.rebind()
        self._close(self._inside)

    def _open(self, take: Callable[[bytes, Address], None]) -> socket.socket:
        ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ours.setblocking(False)
        ours.bind((self._address, 0))
        asyncio.get_running_loop().add_reader(ours, self._read, ours, take)
        return ours

    def _close(self, ours: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(ours)
        ours.close()

    def _read(self, ours: socket.socket, take: Callable[[bytes, Address], None]) -> None:
        try:
            take(*ours.recvfrom(MOST_BYTES))
        except OSError:
            return  # nobody is at the other end any more

    def _outward(self, datagram: bytes, address: Address) -> None:
        if address not in self._outside:
            self._outside[address] = self._open(partial(self._inward, address))
        self._outside[address].sendto(datagram, self._edge)

    def _inward(self, listener: Address, datagram: bytes, _: Address) -> None:
        self._inside.sendto(datagram, listener)


@contextmanager
def nat(address: str, port: int) -> Iterator[Nat]:
    """Stand before the edge at `port` of `address`, an IPv4 address of ours, while the block lasts."""
    between = Nat(address, port)
    try:
        yield between
    finally:
        between.close()
