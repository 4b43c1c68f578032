"""Handshakes with clients of pyOpenSSL's own, on memory."""

import hashlib
import time
from dataclasses import dataclass

import pytest
from aiortc import RTCCertificate
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from rooms.media import dtls, srtp
from rooms.media.dtls import Failed, Handshake, HungUp, Identity, Keys

BOTH = b"SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM"


@dataclass
class Far:
    """A DTLS client and the server half it speaks to."""

    client: SSL.Connection
    handshake: Handshake

    def shake(self) -> Keys | None:
        """Carry flights to and fro until neither says anything; return the server's keys."""
        keys = None
        while True:
            self.client_says()
            datagrams = self.from_client()
            for datagram in datagrams:
                keys = self.handshake.take(datagram) or keys
            answers = self.handshake.to_send()
            for answer in answers:
                self.client.bio_write(answer)
            if not datagrams and not answers:
                return keys

    def client_says(self) -> None:
        try:
            self.client.do_handshake()
        except SSL.WantReadError:
            return

    def from_client(self) -> list[bytes]:
        try:
            return [self.client.bio_read(16_384)]
        except SSL.WantReadError:
            return []


@pytest.fixture(scope="module")
def identity() -> Identity:
    return Identity()


def far(
    identity: Identity, *, profiles: bytes = BOTH, promised: bytes | None = None, algorithm: str = "sha-256"
) -> Far:
    certificate = RTCCertificate.generateCertificate()
    context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
    context.use_certificate(certificate._cert)
    context.use_privatekey(certificate._key)
    context.set_tlsext_use_srtp(profiles)
    client = SSL.Connection(context)
    client.set_connect_state()
    whole = certificate._cert.public_bytes(Encoding.DER)
    digest = hashlib.new(algorithm.replace("-", ""), whole).digest()
    return Far(client, identity.handshake([(algorithm, promised or digest)]))


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-384", "sha-512"])
def test_both_sides_have_the_same_keys_and_the_cheaper_protection_is_chosen(
    identity: Identity, algorithm: str
) -> None:
    one = far(identity, algorithm=algorithm)
    keys = one.shake()
    assert keys is not None
    assert keys.profile is srtp.PROFILES[0]
    exported = one.client.export_keying_material(b"EXTRACTOR-dtls_srtp", 56)
    assert keys.theirs == exported[:16] + exported[32:44]
    assert keys.ours == exported[16:32] + exported[44:56]


def test_who_does_not_know_gcm_gets_the_other(identity: Identity) -> None:
    keys = far(identity, profiles=b"SRTP_AES128_CM_SHA1_80").shake()
    assert keys is not None
    assert (keys.profile, len(keys.ours)) == (srtp.PROFILES[1], 30)


def test_who_knows_neither_is_refused(identity: Identity) -> None:
    with pytest.raises(Failed):
        far(identity, profiles=b"SRTP_AES128_CM_SHA1_32").shake()


def test_another_certificate_than_promised_is_refused(identity: Identity) -> None:
    with pytest.raises(Failed):
        far(identity, promised=b"\x00" * 32).shake()


def test_what_is_said_again_is_answered_again(identity: Identity) -> None:
    one = far(identity)
    one.client_says()
    (hello,) = one.from_client()
    one.handshake.take(hello)
    first = one.handshake.to_send()
    assert one.handshake.wait() == pytest.approx(1.0, abs=0.2)
    assert all(len(datagram) <= dtls.MOST_BYTES for datagram in first)
    for answer in first:
        one.client.bio_write(answer)
    one.client_says()
    (flight,) = one.from_client()
    assert one.handshake.take(flight) is not None
    lost = one.handshake.to_send()
    time.sleep((one.client.DTLSv1_get_timeout() or 0) + 0.01)
    one.client.DTLSv1_handle_timeout()
    for again in one.from_client():
        assert one.handshake.take(again) is None
    said_again = one.handshake.to_send()
    assert [len(datagram) for datagram in said_again] == [len(datagram) for datagram in lost]
    one.client.bio_write(said_again[0])
    one.client.do_handshake()


def test_their_goodbye_is_known_before_and_after_the_handshake_is_forgotten(identity: Identity) -> None:
    for forgotten in (False, True):
        one = far(identity)
        one.shake()
        last_words, farewell = one.handshake.end() if forgotten else (b"", None)
        one.client.shutdown()
        (goodbye,) = one.from_client()
        if farewell is None:
            with pytest.raises(HungUp):
                one.handshake.take(goodbye)
            continue
        assert farewell.is_said_in(goodbye)
        assert not farewell.is_said_in(goodbye[:-1] + bytes([goodbye[-1] ^ 1]))
        assert not farewell.is_said_in(goodbye[:-1])
        assert not far_from(identity).is_said_in(goodbye)
        one.client.bio_write(last_words)
        with pytest.raises(SSL.ZeroReturnError):
            one.client.recv(100)


def far_from(identity: Identity) -> dtls.Farewell:
    other = far(identity)
    other.shake()
    return other.handshake.end()[1]


def test_what_is_forged_after_the_handshake_changes_nothing(identity: Identity) -> None:
    one = far(identity)
    one.shake()
    for forged in (
        b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28",
        b"\x16" * 60,
        b"\x17\xfe\xfd" + bytes(50),
    ):
        assert one.handshake.take(forged) is None
    one.client.shutdown()
    with pytest.raises(HungUp):
        one.handshake.take(one.from_client()[0])


@given(st.binary(min_size=1, max_size=100), st.integers(20, 63))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_datagram_makes_it_stumble(identity: Identity, datagram: bytes, kind: int) -> None:
    handshake = identity.handshake([])
    for one in (datagram, bytes([kind]) + datagram, bytes([kind]) + b"\xfe\xfd" + bytes(8) + datagram):
        try:
            handshake.take(one)
        except Failed:
            break
    handshake.to_send()
    dtls.Farewell(bytes(20)).is_said_in(bytes([kind]) + datagram)
