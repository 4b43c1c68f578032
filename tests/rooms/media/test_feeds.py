"""Where packets go. A listening socket of the test stands for a sender."""

import contextlib
import os
import secrets
import socket
from collections.abc import Iterator

import pytest

from rooms.media.feed import Tick, pack, unpack
from rooms.media.feeds import LEASE_SECONDS, Feeds, Lines, connect

TICK = Tick("the-room", 7, 1, 1, b"opus", {"ada": b"without ada"})


class Sender:
    """The far end of lines, as the sender has it."""

    def __init__(self) -> None:
        self.name = f"stagedoor-test-{secrets.token_hex(8)}"
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._door.bind(f"\0{self.name}")
        self._door.listen()
        self.lines: list[socket.socket] = []

    def accept(self) -> socket.socket:
        line, _ = self._door.accept()
        self.lines.append(line)
        return line

    def close(self) -> None:
        for one in (self._door, *self.lines):
            one.close()


@pytest.fixture
def sender() -> Iterator[Sender]:
    made = Sender()
    yield made
    made.close()


@pytest.fixture
def lines() -> Iterator[Lines]:
    made = Lines()
    yield made
    made.close()


def test_an_edge_on_this_machine_gets_the_packets_over_its_line(sender: Sender, lines: Lines) -> None:
    published: list[tuple[str, bytes]] = []
    feeds = Feeds(lines, publish=lambda *sent: published.append(sent))

    via = feeds.renew("edge-1", sender.name, at=100.0)
    feeds.send(TICK)

    assert via == "unix"
    assert unpack(sender.accept().recv(65_536)) == TICK
    assert published == []


def test_an_edge_that_is_nowhere_on_this_machine_gets_them_published_once(lines: Lines) -> None:
    published: list[tuple[str, bytes]] = []
    feeds = Feeds(lines, publish=lambda *sent: published.append(sent))

    vias = [feeds.renew(f"far-{number}", f"nobody-{number}", at=100.0) for number in range(3)]
    feeds.send(TICK)

    assert vias == ["redis"] * 3
    assert published == [("the-room", pack(TICK))]


def test_rooms_share_the_line_to_one_sender(sender: Sender, lines: Lines) -> None:
    first, second = (Feeds(lines, publish=lambda *_: None) for _ in range(2))
    first.renew("edge-1", sender.name, at=100.0)
    second.renew("edge-1", sender.name, at=100.0)
    first.send(TICK)
    second.send(Tick("another", 8, 1, 1, b"opus"))

    line = sender.accept()
    assert [unpack(line.recv(65_536)).room for _ in range(2)] == ["the-room", "another"]


def test_who_stops_asking_is_fed_no_more(sender: Sender, lines: Lines) -> None:
    feeds = Feeds(lines, publish=lambda *_: None)
    feeds.renew("edge-1", sender.name, at=100.0)
    feeds.forget_late(at=100.0 + LEASE_SECONDS)
    still = len(feeds)
    feeds.forget_late(at=100.1 + LEASE_SECONDS)
    assert (still, len(feeds)) == (1, 0)


def test_a_sender_that_has_ended_is_let_go_and_fed_again_when_it_is_back(
    sender: Sender, lines: Lines
) -> None:
    feeds = Feeds(lines, publish=lambda *_: None)
    feeds.renew("edge-1", sender.name, at=100.0)
    sender.accept().close()
    feeds.send(TICK)
    fed = len(feeds)
    feeds.renew("edge-1", sender.name, at=101.0)
    feeds.send(TICK)
    assert fed == 0
    assert unpack(sender.accept().recv(65_536)) == TICK


def test_a_sender_that_does_not_read_loses_packets_and_holds_nobody_up(sender: Sender, lines: Lines) -> None:
    feeds = Feeds(lines, publish=lambda *_: None)
    feeds.renew("edge-1", sender.name, at=100.0)
    while not feeds.left_out:
        feeds.send(Tick("the-room", 7, 1, 1, bytes(1_000)))
    assert len(feeds) == 1


def test_a_name_held_by_another_user_is_not_a_sender_of_ours(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    assert connect(sender.name) is None


def test_nobody_at_the_address_is_no_error() -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as other:
        other.bind(b"\0stagedoor-test-of-another-kind")
        other.listen()
        assert connect("stagedoor-test-of-another-kind") is None
    assert connect("stagedoor-test-nobody") is None
