import socket
from collections.abc import Iterator

import pytest
from pylibsrtp import Policy, Session

from benchmarks.rig import Rig, join
from benchmarks.subject import ours
from benchmarks.swarm import description, sieve
from benchmarks.swarm.ear import Ear
from benchmarks.swarm.handshake import Handshake, HandshakeFailed, Keys, Papers
from benchmarks.swarm.listener import Listener, Stage
from rooms.media import gate

KEY = bytes(range(28))
KEYS = Keys(profile="SRTP_AEAD_AES_128_GCM", theirs=KEY, ours=KEY)
FINGERPRINT = ":".join(["AB"] * 32)
OFFER = description.offer(
    name="abcdefgh", password="p" * 24, fingerprint=FINGERPRINT, address=("127.0.0.1", 4000), setup="actpass"
)
RTP, RTCP, STUN, DTLS = b"\x80\x6f......", b"\x80\xc8......", b"\x00\x01......", b"\x16\xfe......"


def encrypted(*sequences: int) -> Iterator[bytes]:
    session = Session(
        Policy(
            key=KEY,
            ssrc_type=Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        )
    )
    for sequence in sequences:
        yield session.protect(b"\x80\x6f" + sequence.to_bytes(2, "big") + b"\x00" * 4 + b"ssrc" + b"sound")


def test_the_house_admits_what_a_listener_offers() -> None:
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" in gate.admit(OFFER, gate.Purpose.LISTEN)


def test_an_answer_is_read() -> None:
    answer = description.read(OFFER.replace("actpass", "passive"))

    assert answer == description.Answer(
        name="abcdefgh", password=b"p" * 24, fingerprint=FINGERPRINT, addresses=(("127.0.0.1", 4000),)
    )


@pytest.mark.parametrize("without", ["a=ice-pwd", "a=fingerprint", "a=candidate"])
def test_an_answer_that_lacks_something_is_refused(without: str) -> None:
    lines = [line for line in OFFER.splitlines() if not line.startswith(without)]

    with pytest.raises(description.BadAnswer):
        description.read("\r\n".join(lines))


def test_the_filter_drops_and_counts_sound_alone() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth,
    ):
        ear.bind(("127.0.0.1", 0))
        sieve.drop_rtp(ear)
        for datagram in (RTP, RTCP, RTP, STUN, DTLS):
            mouth.sendto(datagram, ear.getsockname())

        assert [ear.recv(100) for _ in range(3)] == [RTCP, STUN, DTLS]
        assert sieve.dropped(ear) == 2


def test_an_ear_counts_what_is_missing_late_and_no_sound_of_ours() -> None:
    ear = Ear(KEYS)
    first, second, _, fourth, fifth = encrypted(1, 2, 3, 4, 5)

    for number, packet in enumerate((first, fourth, second, fifth, b"\x80\x6f" + b"\x00" * 40)):
        ear.take(packet, at=number * 0.02)

    tally = ear.tally
    assert (tally.packets, tally.missing, tally.late, tally.undecryptable) == (4, 1, 1, 1)
    assert sum(tally.gaps.values()) == 3


def test_a_sequence_that_wraps_misses_nothing() -> None:
    ear = Ear(KEYS)
    for packet in encrypted(65_534, 65_535, 0, 1):
        ear.take(packet, at=0.0)

    assert (ear.tally.packets, ear.tally.missing, ear.tally.undecryptable) == (4, 0, 0)


def test_a_goodbye_to_who_had_the_port_before_is_not_ours() -> None:
    listener = Listener(1, host="127.0.0.1", sampled=False)
    papers = Papers()
    listener.offer(papers, setup="actpass", at=0.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as edge:
        edge.sendto(b"\x15\xfe\xfd" + bytes(40), listener.sock.getsockname())
        listener.readable(papers, at=0.0)
    listener.close()
    assert listener.stage is Stage.OFFERED


def shake_hands(client: Handshake, to_server: list[bytes], server: Handshake, to_client: list[bytes]) -> None:
    client.go_on()
    while to_server or to_client:
        while to_server:
            server.go_on(to_server.pop(0))
        while to_client:
            client.go_on(to_client.pop(0))


def test_a_server_with_another_certificate_than_its_answer_says_is_hung_up_on() -> None:
    ours, theirs = Papers(), Papers()
    to_server: list[bytes] = []
    to_client: list[bytes] = []
    client = Handshake(ours, fingerprint=FINGERPRINT, send=to_server.append)
    server = Handshake(theirs, fingerprint=ours.fingerprint, send=to_client.append)
    server._ssl.set_accept_state()

    with pytest.raises(HandshakeFailed, match="not the one of the answer"):
        shake_hands(client, to_server, server, to_client)


def test_a_swarm_hears_every_packet_of_an_edge() -> None:
    with Rig() as rig:
        subject = ours(rig, most=10, ptime=20, sample_every=2)
        joined = join(subject.swarm, 4, per_second=0)
        subject.swarm.ask(op="mark")
        sounding = subject.swarm.ask(op="count", expected=0)
        while sounding["packets_each"]["least"] < 25:
            sounding = subject.swarm.ask(op="count", expected=0)

    assert (joined["joined"], joined["failed"]) == (4, {})
    assert sounding["sample"]["ears"] == 2
    assert (sounding["sample"]["missing"], sounding["sample"]["undecryptable"]) == (0, 0)
