"""Who listens where, with a wire that only remembers what the sender was told. No sockets, no clock."""

import time
from dataclasses import dataclass, field

import pytest
from aiortc.sdp import SessionDescription

from rooms.media import audience as audience_module
from rooms.media import pipe, srtp
from rooms.media.audience import Audience
from rooms.media.counters import Counters
from rooms.media.dtls import Keys
from rooms.media.gate import BadOffer
from rooms.media.listener_sdp import Answers, Place, usable
from rooms.media.paths import Path, Paths
from rooms.media.refusals import Closing, Denied, Full, Opened, Standing
from rooms.media.stun import Address
from tests.rooms.media.test_gate import FIREFOX

KEYS = Keys(srtp.PROFILES[0], b"o" * 28, b"t" * 28)


@dataclass
class Wire:
    told: list[pipe.Message] = field(default_factory=list)

    def tell_sender(self, message: pipe.Message) -> None:
        self.told.append(message)

    def name_of(self, path: Path) -> bytes:
        return str(path.id).encode()


@dataclass
class Owner:
    audience: Audience | None = None

    def expecting(self) -> None:
        return

    def connected(self, path: Path) -> None:
        raise NotImplementedError

    moved = left = lost = connected


def write(datagram: bytes, address: Address) -> None:
    raise AssertionError("Nobody has asked for anything.")


class House:
    def __init__(self, *, most: int = 100) -> None:
        self.events: list[dict[str, object]] = []
        self.wire = Wire()
        self.counters = Counters()
        self.paths = Paths(Owner(), write=write, counters=self.counters)
        place = Place(["192.0.2.1", "2001:db8::1"], 4_000, self.paths.identity.fingerprint)
        self.audience = Audience(
            self.wire,
            paths=self.paths,
            answers=Answers(place),
            tell=lambda event: self.events.append(dict(event)),
            most_listeners=most,
            counters=self.counters,
        )

    def listen(self, seat: str, *, epoch: int = 1, at: float = 0.0, room: str = "room") -> Opened:
        return self.audience.listen(room=room, seat=seat, epoch=epoch, offer=FIREFOX, at=at)

    def path(self, opened: Opened) -> Path:
        return self.audience._by_id[opened.session].path

    def connect(self, opened: Opened, *, flow: bool = True) -> Opened:
        path = self.path(opened)
        path.keys = KEYS
        self.audience.connected(path)
        if flow:
            self.audience.flowing([path.id], at=1.0)
        return opened

    def ended(self) -> list[tuple[object, object]]:
        return [
            (event["session"], event["reason"]) for event in self.events if event["event"] == "session_ended"
        ]


def test_an_answer_is_one_that_a_browser_takes_and_says_nothing_twice() -> None:
    house = House()
    answers = [house.listen("anna").answer, house.listen("ben").answer]
    (media,) = SessionDescription.parse(answers[0]).media
    assert (media.kind, media.direction, media.rtp.muxId, media.fmt) == ("audio", "sendonly", "0", [109])
    assert [(one.ip, one.port, one.type) for one in media.ice_candidates] == [
        ("192.0.2.1", 4_000, "host"),
        ("2001:db8::1", 4_000, "host"),
    ]
    assert media.ice_candidates[0].priority > media.ice_candidates[1].priority
    assert media.dtls is not None
    assert [(one.algorithm, one.value) for one in media.dtls.fingerprints] == [
        ("sha-256", house.paths.identity.fingerprint)
    ]
    lines = answers[0].splitlines()
    for line in (
        "a=ice-lite",
        "a=setup:passive",
        "a=rtcp-mux",
        "a=rtcp-mux-only",
        "a=group:BUNDLE 0",
        "a=fmtp:109 minptime=10;useinbandfec=1;stereo=0",
        "a=ptime:20",
        "a=maxptime:60",
        "a=end-of-candidates",
    ):
        assert lines.count(line) == 1
    own = {"a=ice-ufrag", "a=ice-pwd", "a=msid", "o=-"}
    alike = set(lines) & set(answers[1].splitlines())
    assert {line for line in alike if line.split(":")[0].split(" ")[0] in own} == set()


def test_addresses_are_told_once_and_only_where_they_can_be_reached() -> None:
    told = ["192.0.2.1", "2001:db8::1", "192.0.2.1"]
    assert usable(told, dual_stack=True) == ["192.0.2.1", "2001:db8::1"]
    assert usable(told, dual_stack=False) == ["192.0.2.1"]
    for useless in (["example.com"], ["2001:db8::1"], []):
        with pytest.raises(ValueError, match="address"):
            usable(useless, dual_stack=False)


def test_the_sender_is_told_who_hears_what_and_who_no_longer() -> None:
    house = House()
    first = house.connect(house.listen("anna"))
    path = house.path(first)
    house.audience.moved(path)
    house.audience.drop(room="room", seat="anna", epoch=1)
    added, moved, removed = house.wire.told
    assert isinstance(added, pipe.Add)
    assert (added.seat, added.room_name, added.secret, added.payload_type) == ("anna", "room", KEYS.ours, 109)
    assert (moved, removed) == (pipe.Move(path.id, added.name), pipe.Remove(path.id, b""))
    assert (house.paths._by_id, house.audience.listeners, house.counters.listeners) == ({}, 0, 0)


def test_who_was_never_connected_is_none_of_the_senders_business() -> None:
    house = House()
    opened = house.listen("anna")
    house.audience.moved(house.path(opened))
    house.audience.end(opened.session)
    assert house.wire.told == []
    assert house.ended() == [(opened.session, "left")]


def test_the_older_is_heard_until_the_newer_flows() -> None:
    house = House()
    first, second = house.connect(house.listen("anna")), house.listen("anna")
    assert house.ended() == []
    third = house.listen("anna")  # instead of the second, which never came
    house.connect(third, flow=False)
    assert house.ended() == [(second.session, "closed")]
    house.audience.flowing([house.path(third).id, 999], at=2.0)
    assert house.ended() == [(second.session, "closed"), (first.session, "closed")]
    took_over = [event["session"] for event in house.events if event["event"] == "took_over"]
    assert took_over == [first.session, third.session]


def test_a_denied_epoch_stays_denied_and_a_newer_one_is_welcome() -> None:
    house = House()
    house.audience.drop(room="room", seat="anna", epoch=3)
    house.audience.drop(room="room", seat="anna", epoch=2)
    for epoch in (2, 3):
        with pytest.raises(Denied):
            house.listen("anna", epoch=epoch)
    opened = house.listen("anna", epoch=4)
    house.audience.drop(room="room", seat="anna", epoch=3)
    assert house.ended() == []
    assert opened.session in house.audience._by_id
    house.audience.close_room("room")
    house.listen("anna", epoch=1)


def test_only_so_many_denials_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_module, "MOST_DENIED", 2)
    house = House()
    for seat in ("anna", "ben", "anna", "clara"):
        house.audience.drop(room="room", seat=seat, epoch=1)
    assert list(house.audience._rooms["room"].denied) == ["anna", "clara"]


def test_an_offer_that_cannot_be_answered_leaves_nothing_behind() -> None:
    house = House()
    with pytest.raises(BadOffer):
        house.audience.listen(room="room", seat="anna", epoch=1, offer="hello", at=0.0)
    assert (house.audience.rooms, house.audience.listeners, house.paths._by_id) == ([], 0, {})


def test_the_limit_is_of_the_whole_edge() -> None:
    house = House(most=2)
    house.listen("anna")
    house.listen("ben", room="another")
    with pytest.raises(Full):
        house.listen("clara", room="another")
    assert sorted(house.audience.rooms) == ["another", "room"]


def test_closing_puts_everybody_out_and_lets_nobody_in() -> None:
    house = House()
    opened = [house.listen("anna"), house.listen("ben", room="another")]
    house.audience.close()
    assert house.ended() == [(one.session, "closed") for one in opened]
    with pytest.raises(Closing):
        house.listen("anna")


def test_a_census_leaves_newer_sessions_and_other_rooms_alone() -> None:
    house = House()
    house.listen("anna", at=5.0)
    old = house.listen("ben", epoch=1, at=5.0)
    house.listen("ben", room="another", at=5.0)
    house.listen("clara", at=7.0)
    standings = {seat: Standing(epoch=1, stage=False, muted=False) for seat in ("anna",)}
    house.audience.census(room="room", standings=standings, at=6.0)
    house.audience.census(room="nowhere", standings={}, at=6.0)
    assert house.ended() == [(old.session, "dropped")]
    assert house.audience.seats("room") == ["anna", "clara"]
    assert house.audience.seats("nowhere") == []


def test_hearing_is_believed_at_first_and_then_only_when_it_is_said_and_the_mix_flows() -> None:
    house = House()
    here = house.path(house.connect(house.listen("anna", at=100.0)))
    house.connect(house.listen("ben", at=100.0))
    house.listen("clara", at=100.0)
    assert house.audience.hearing("room", at=114.9) == ["anna", "ben"]
    here.arrived_at = 120.0
    assert house.audience.hearing("room", at=125.0) == []
    house.audience.fed([house.audience._rooms["room"].number], at=120.0)
    assert house.audience.hearing("room", at=125.0) == ["anna"]
    assert house.audience.hearing("room", at=135.0) == []


def test_rooms_nobody_speaks_of_are_forgotten_and_others_are_not() -> None:
    house = House()
    now = time.time()
    house.audience.drop(room="idle", seat="anna", epoch=1)
    house.listen("anna", room="used", at=now - 10_000)
    house.audience.forget_idle(at=now + 599)
    assert sorted(house.audience._rooms) == ["idle", "used"]
    house.audience.forget_idle(at=now + 700)
    assert sorted(house.audience._rooms) == ["used"]


def test_joins_are_counted_by_how_long_they_took() -> None:
    counters = Counters()
    for seconds in (0.04, 0.05, 0.06, 100.0):
        counters.joined(seconds)
    assert (counters.join_seconds, counters.flowing) == ([2, 1, 0, 0, 0, 0, 0, 0, 1], 4)


def test_one_whose_keys_broke_is_lost() -> None:
    house = House()
    opened = house.connect(house.listen("anna"))
    house.audience.broken([house.path(opened).id, 77])
    assert house.ended() == [(opened.session, "lost")]
