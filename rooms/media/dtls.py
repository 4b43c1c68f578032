"""The server half of DTLS-SRTP (RFC 5764, RFC 8827) on memory, without a socket: records in, records out.

One certificate and one context serve the whole process and die with it. pyOpenSSL is used here alone.
"""

import datetime as dt
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from rooms.media import srtp

MOST_BYTES: Final = 1_200  # of a datagram we send: it fits every path that WebRTC works on
_RECORD_HEAD: Final = 13
_READ_BYTES: Final = 16_384
_DTLS_1_2: Final = 0xFEFD
_ALERT: Final = 21
_APPLICATION: Final = 23
_CLOSE_NOTIFY: Final = b"\x01\x00"
_TAG_BYTES: Final = 16
_NONCE_BYTES: Final = 8
# The one suite that RFC 8827 §6.5 obliges every browser to have.
_SUITE: Final = b"ECDHE-ECDSA-AES128-GCM-SHA256"
_HASHES: Final = {"sha-256": hashlib.sha256, "sha-384": hashlib.sha384, "sha-512": hashlib.sha512}


class Failed(Exception):
    """The handshake cannot succeed any more. The text is for a counter, and names nobody."""


class HungUp(Exception):
    """The other side has ended the connection, and has proved that it was the other side."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What a finished handshake leaves behind."""

    profile: srtp.Profile
    ours: bytes  # key and salt with which we send
    theirs: bytes  # key and salt with which they report


class Identity:
    """The certificate of this process, P-256 and self-signed, and the context of all its handshakes."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(key)
        digest = certificate.fingerprint(hashes.SHA256()).hex().upper()
        self.fingerprint = ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
        context = SSL.Context(SSL.DTLS_SERVER_METHOD)
        context.set_min_proto_version(_DTLS_1_2)
        context.set_max_proto_version(_DTLS_1_2)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        # Whoever comes is known by the fingerprint in their offer, not by an authority.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_cipher_list(_SUITE)
        context.set_tlsext_use_srtp(b":".join(profile.openssl_name for profile in srtp.PROFILES))
        self._context = context

    def handshake(self, fingerprints: list[tuple[str, bytes]]) -> "Handshake":
        """Return the server half of a handshake with whom these fingerprints of the offer describe."""
        return Handshake(SSL.Connection(self._context), fingerprints)


class Handshake:
    """One handshake, and the few seconds after it in which its last flight may have to be said again."""

    def __init__(self, connection: SSL.Connection, fingerprints: list[tuple[str, bytes]]) -> None:
        self._connection = connection
        self._fingerprints = fingerprints
        self._done = False
        connection.set_accept_state()
        connection.set_ciphertext_mtu(MOST_BYTES)

    def take(self, datagram: bytes) -> Keys | None:
        """Read one datagram from the other side; return the keys the one time that they are agreed.

        Whatever is to be said in return is fetched with `to_send`, also after Failed. Raises Failed, and
        HungUp once they have said goodbye.
        """
        self._connection.bio_write(datagram)
        if self._done:
            self._read_on()
            return None
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return None
        except SSL.Error:
            raise Failed("The other side's handshake is not one we can answer.") from None
        self._done = True
        self._check_certificate()
        return self._keys()

    def to_send(self) -> list[bytes]:
        """Return the datagrams that are to be sent now."""
        said = b""
        while True:
            try:
                said += self._connection.bio_read(_READ_BYTES)
            except SSL.WantReadError:
                return _datagrams(said)

    def wait(self) -> float | None:
        """Return after how many seconds `say_again` is due, or None if nothing is waited for."""
        return self._connection.DTLSv1_get_timeout()

    def say_again(self) -> None:
        """Repeat the last flight if it is time, to be fetched with `to_send`. Raises Failed."""
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error:
            raise Failed("The other side does not answer.") from None

    def end(self) -> tuple[bytes, "Farewell"]:
        """Return the close_notify that we shall send one day, and what recognises theirs.

        The handshake is over with this, so that its 50 kB can go. Only once `take` has returned keys.
        """
        farewell = Farewell(_client_write(self._connection))
        try:
            self._connection.shutdown()
        except SSL.Error:
            return b"", farewell
        return b"".join(self.to_send()), farewell

    def _read_on(self) -> None:
        """Let OpenSSL see what came after the handshake: a flight said again, or a goodbye."""
        try:
            while True:
                self._connection.recv(_READ_BYTES)
        except SSL.ZeroReturnError:
            raise HungUp("The other side has said goodbye.") from None
        except SSL.Error:
            return  # nothing more to read; what was forged has no say in a connection that stands

    def _check_certificate(self) -> None:
        """Raise Failed unless the certificate shown is one of those the offer promised (RFC 8122 §5)."""
        shown = self._connection.get_peer_certificate(as_cryptography=True)
        if shown is None:
            raise Failed("The other side has shown no certificate.")
        whole = shown.public_bytes(Encoding.DER)
        for name, digest in self._fingerprints:
            if hmac.compare_digest(_HASHES[name](whole).digest(), digest):
                return
        raise Failed("The other side's certificate is not the one it promised.")

    def _keys(self) -> Keys:
        chosen = self._connection.get_selected_srtp_profile()
        profile = next((one for one in srtp.PROFILES if one.openssl_name == chosen), None)
        if profile is None:
            raise Failed("The other side knows no protection for sound that we know.")
        key, salt = profile.key_bytes, profile.salt_bytes
        both = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        salts = both[2 * key :]
        # RFC 5764 §4.2: client's key, server's key, client's salt, server's salt. We are the server.
        return Keys(
            profile=profile, ours=both[key : 2 * key] + salts[salt:], theirs=both[:key] + salts[:salt]
        )


class Farewell:
    """Recognises the other side's close_notify after the handshake's memory has been given back.

    Holds 20 bytes: the key and the fixed nonce with which the other side writes (RFC 5246 §6.3, RFC 5288).
    """

    __slots__ = ("_material",)

    def __init__(self, material: bytes) -> None:
        self._material = material

    def is_said_in(self, datagram: bytes) -> bool:
        """Return whether `datagram` is a genuine close_notify alert, or any fatal one."""
        size = len(datagram) - _RECORD_HEAD - _NONCE_BYTES - _TAG_BYTES
        if size != len(_CLOSE_NOTIFY) or datagram[0] != _ALERT:
            return False
        nonce_at = _RECORD_HEAD + _NONCE_BYTES
        nonce = self._material[16:] + datagram[_RECORD_HEAD:nonce_at]
        # RFC 6347 §4.1.2.1: epoch and sequence number, type, version, length of the plain text.
        beside = datagram[3:11] + datagram[:3] + size.to_bytes(2, "big")
        try:
            said = AESGCM(self._material[:16]).decrypt(nonce, datagram[nonce_at:], beside)
        except InvalidTag:
            return False
        return said == _CLOSE_NOTIFY or said[0] == 2


def is_handshake(datagram: bytes) -> bool:
    """Return whether the first record could belong to a handshake or its end, and holds no data."""
    return len(datagram) >= _RECORD_HEAD and datagram[0] < _APPLICATION


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(16))])
    now = dt.datetime.now(tz=dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365))
        .sign(key, hashes.SHA256())
    )


def _datagrams(records: bytes) -> list[bytes]:
    """Return the records packed whole into as few datagrams as their size allows."""
    packed: list[bytes] = []
    at = 0
    while at < len(records):
        end = at + _RECORD_HEAD + int.from_bytes(records[at + 11 : at + 13], "big")
        record = records[at:end]
        if packed and len(packed[-1]) + len(record) <= MOST_BYTES:
            packed[-1] += record
        else:
            packed.append(record)
        at = end
    return packed


def _client_write(connection: SSL.Connection) -> bytes:
    """Return the client's write key (16 bytes) and fixed nonce (4 bytes) of the finished handshake."""
    secret, ours, theirs = connection.master_key(), connection.server_random(), connection.client_random()
    if secret is None or ours is None or theirs is None:
        raise Failed("The handshake is not done.")
    seed = b"key expansion" + ours + theirs
    # Two keys of 16 bytes, then two fixed nonces of 4: 40 bytes, two rounds of P_SHA256 (RFC 5246 §5).
    link, block = seed, b""
    for _ in range(2):
        link = hmac.digest(secret, link, "sha256")
        block += hmac.digest(secret, link + seed, "sha256")
    return block[:16] + block[32:36]
