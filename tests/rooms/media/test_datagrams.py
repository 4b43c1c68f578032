"""Names of addresses as the kernel reads them, and the socket that everybody shares."""

import socket

import numpy as np
import pytest

from rooms.media import datagrams
from rooms.media.datagrams import Sheet


@pytest.mark.parametrize(
    ("family", "host"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "127.0.0.1"), (socket.AF_INET6, "::1")],
)
def test_a_packet_goes_where_its_name_says(family: socket.AddressFamily, host: str) -> None:
    with (
        datagrams.open_socket(bind=None if family == socket.AF_INET6 else "127.0.0.1", port=0) as out,
        socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as ear,
    ):
        if out.family != family:
            pytest.fail("This kernel has no IPv6, which listeners have. Switch it on for loopback at least.")
        ear.bind((host, 0))
        ear.settimeout(5)
        sheet = Sheet(out.family)
        sheet.fill(b"hello", 2)
        sheet.put(1, b"you")
        name = datagrams.pack_name(ear.getsockname(), family)
        sheet.address(np.frombuffer(name * 2, np.uint8).reshape(2, -1))
        sheet.send(out.fileno(), 0, 2)
        assert [ear.recv(100), ear.recv(100)] == [b"hello", b"you"]
        assert (sheet.full, sheet.failed) == (0, 0)


def test_an_address_that_cannot_be_had_is_refused() -> None:
    with pytest.raises(OSError, match="assign"):
        datagrams.open_socket(bind="192.0.2.254", port=0)
