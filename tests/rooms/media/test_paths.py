"""The way to a listener, on a virtual clock and without sockets: who may say where it is, and who is lost."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rooms.media import gate, paths, srtp, stun
from rooms.media.counters import Counters
from rooms.media.dtls import Keys
from rooms.media.paths import Path, Paths
from rooms.media.stun import Address
from tests.rooms.media.test_gate import FIREFOX

OFFER = gate.read(FIREFOX, gate.Purpose.LISTEN)
HERE, THERE, ELSEWHERE = ("192.0.2.1", 1), ("192.0.2.2", 2), ("2001:db8::3", 3, 0, 0)
KEYS = Keys(srtp.PROFILES[0], b"o" * 28, b"t" * 28)


@dataclass
class Door:
    """Paths, and all that became of them."""

    written: list[tuple[bytes, Address]] = field(default_factory=list)
    expected: int = 0
    became: list[tuple[str, int]] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        self.paths = Paths(self, write=lambda *sent: self.written.append(sent), counters=self.counters)

    def open(self, *, connected: bool = True, now: float = 0.0) -> Path:
        path = self.paths.open(OFFER, ssrc=1, now=now)
        path.keys = KEYS if connected else None
        return path

    def ask(self, path: Path, address: Address, *, now: float = 0.0, nominate: bool = False) -> bytes:
        """Send an authenticated request from `address`, and return it."""
        request = stun.ask(
            name=f"{path.name}:{path.them}",
            password=path.password,
            transaction=stun.new_transaction(),
            priority=1,
            tie_breaker=1,
            nominate=nominate,
        )
        self.paths.take(request, address, now=now)
        return request

    def expecting(self) -> None:
        self.expected += 1

    def connected(self, path: Path) -> None:
        self.became.append(("connected", path.id))

    def moved(self, path: Path) -> None:
        self.became.append(("moved", path.id))

    def left(self, path: Path) -> None:
        self.became.append(("left", path.id))

    def lost(self, path: Path) -> None:
        self.became.append(("lost", path.id))
        self.paths.close(path)


@pytest.fixture
def door() -> Door:
    return Door()


def test_the_first_authenticated_request_says_where_the_listener_is(door: Door) -> None:
    path = door.open()
    door.ask(path, HERE)
    ((answer, address),) = door.written
    assert (path.address, address, door.became) == (HERE, HERE, [])
    assert stun.read_answer(answer, password=path.password) is not None


@pytest.mark.parametrize(
    ("nominate", "after", "moves"), [(True, 0.1, True), (False, 3.0, False), (False, 3.1, True)]
)
def test_it_moves_when_it_says_so_or_was_silent_where_it_was(
    door: Door,
    nominate: bool,  # noqa: FBT001
    after: float,
    moves: bool,  # noqa: FBT001
) -> None:
    path = door.open()
    door.ask(path, HERE)
    door.ask(path, THERE, now=after, nominate=nominate)
    assert path.address == (THERE if moves else HERE)
    assert door.became == [("moved", path.id)] * moves
    assert door.counters.address_moves == moves
    assert [address for _, address in door.written] == [HERE, THERE]


def test_requests_from_elsewhere_do_not_make_the_old_place_look_alive(door: Door) -> None:
    path = door.open()
    door.ask(path, HERE)
    for now in (1.0, 2.0, 3.1):
        door.ask(path, THERE, now=now)
    assert path.address == THERE


def test_a_request_seen_before_neither_moves_nor_keeps_anything_alive(door: Door) -> None:
    path = door.open()
    requests = [door.ask(path, HERE, nominate=True) for _ in range(30)]
    for request in requests:
        door.paths.take(request, THERE, now=29.0)
    assert (path.address, path.known, path.heard_at, len(door.written)) == (HERE, (HERE,), 0.0, 30)
    door.paths.take(requests[0], HERE, now=29.0)  # whose answer was lost
    assert (path.heard_at, len(door.written)) == (0.0, 31)


def test_a_listener_has_only_so_many_addresses_and_keeps_the_one_in_use(door: Door) -> None:
    path = door.open()
    door.ask(path, HERE)
    for port in range(10):
        door.ask(path, ("192.0.2.9", port), now=0.1)
    assert len(path.known) == stun.MOST_ADDRESSES
    assert HERE in path.known
    assert set(door.paths._by_address) == set(path.known)


@pytest.mark.parametrize(("after", "taken"), [(2.9, False), (3.1, True)])
def test_an_address_is_taken_from_another_only_when_that_one_is_silent(
    door: Door,
    after: float,
    taken: bool,  # noqa: FBT001
) -> None:
    first, second = door.open(), door.open()
    door.ask(first, HERE)
    door.ask(second, HERE, now=after)
    assert door.paths._by_address[HERE] is (second if taken else first)
    assert first.known == (() if taken else (HERE,))
    door.paths.close(first)
    assert door.paths._by_address == ({HERE: second} if taken else {})


def test_who_never_comes_and_who_falls_silent_is_lost(door: Door) -> None:
    never, silent, here = door.open(connected=False), door.open(), door.open()
    door.ask(never, HERE, now=10.0)
    door.paths.look_for_lost(now=15.0)
    assert door.became == []
    door.paths.look_for_lost(now=15.1)
    door.ask(here, THERE, now=20.0)
    door.paths.look_for_lost(now=30.1)
    assert door.became == [("lost", never.id), ("lost", silent.id)]
    door.paths.look_for_lost(now=50.1)
    assert door.became[2:] == [("lost", here.id)]
    assert (door.paths._by_id, door.paths._by_name, door.paths._by_address) == ({}, {}, {})


@given(st.binary(max_size=120), st.sampled_from([0, 1, 22, 128, 255]), st.booleans())
@settings(max_examples=300)
def test_nothing_that_a_stranger_says_is_answered_or_changes_anything(
    datagram: bytes,
    first: int,
    whole: bool,  # noqa: FBT001
) -> None:
    path = DOOR.open()
    said = bytes([first]) + datagram if whole else datagram
    DOOR.paths.take(said, ELSEWHERE, now=0.0)
    assert (DOOR.written, path.address, path.known) == ([], None, ())
    DOOR.paths.close(path)


@given(st.binary(min_size=1, max_size=120), st.sampled_from([20, 21, 22, 23, 63, 128, 200, 255]))
@settings(max_examples=200, deadline=None)
def test_garbage_from_a_listener_harms_only_its_own_handshake(datagram: bytes, first: int) -> None:
    door = BUSY
    path = door.open(connected=False)
    door.ask(path, HERE, now=0.0)
    door.paths.take(bytes([first]) + datagram, HERE, now=0.0)
    door.paths.take(datagram, HERE, now=0.0)
    door.paths.say_again(now=100.0)
    assert {what for what, _ in door.became} <= {"lost"}
    if path.id in door.paths._by_id:
        door.paths.close(path)
    assert (door.paths._by_address, door.paths._shaking) == ({}, {})


def test_reports_are_read_now_and_then_and_forged_ones_rarely(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []

    def read_rtcp(profile: srtp.Profile, secret: bytes, datagram: bytes) -> bytes | None:
        read.append(datagram)
        return None if b"forged" in datagram else report

    monkeypatch.setattr(srtp, "read_rtcp", read_rtcp)
    report = b"\x81\xc9\x00\x07" + bytes(4) + b"\x00\x00\x00\x01\x40" + bytes(3) + bytes(4) + bytes(12)
    path = door.open()
    door.ask(path, HERE)

    def say(index: int, now: float, text: bytes = b"genuine") -> int:
        datagram = b"\x80\xc9\x00\x01" + text + (0x8000_0000 | index).to_bytes(4, "big")
        door.paths.take(datagram, HERE, now=now)
        return len(read)

    assert say(1, 1.0) == 1
    assert say(2, 5.9) == 1  # too soon
    assert say(1, 6.1) == 1  # said before
    assert say(2, 6.1) == 2
    assert say(3, 12.0, b"forged") == 3
    assert say(3, 12.5) == 3
    assert say(3, 13.1) == 4
    assert (door.counters.reports, door.counters.reports_forged) == (3, 1)
    assert door.counters.lost_share_sum == 0.75


DOOR, BUSY = Door(), Door()


def test_it_is_not_calm_until_who_was_expected_is_given_up(door: Door) -> None:
    assert door.paths.is_calm
    path = door.open(connected=False)
    assert (door.expected, door.paths.is_calm) == (1, False)
    door.paths.look_for_lost(now=paths.CONNECT_SECONDS + 0.1)
    assert door.became == [("lost", path.id)]
    assert door.paths.is_calm
