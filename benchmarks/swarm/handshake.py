"""The client's half of DTLS-SRTP (RFC 5764, RFC 7714): one certificate and one context for a whole swarm."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from pylibsrtp import Policy, Session

_CIPHERS: Final = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256"
_MTU: Final = 1_200
_RECORD_HEAD: Final = 13  # RFC 6347 §4.1; the last two octets are the length of the rest
_LABEL: Final = b"EXTRACTOR-dtls_srtp"

# OpenSSL's name -> libsrtp's profile, key and salt in octets; in the order in which we offer them.
_PROFILES: Final = {
    b"SRTP_AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    b"SRTP_AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
    b"SRTP_AES128_CM_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}


class HandshakeFailed(Exception):
    """The handshake broke off, or the far side is not who its answer said."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What decrypts the far side's packets, and encrypts our reports to it: key and salt of each."""

    profile: str
    theirs: bytes
    ours: bytes

    def to_decrypt(self) -> Session:
        return self._session(self.theirs, Policy.SSRC_ANY_INBOUND)

    def to_encrypt(self) -> Session:
        return self._session(self.ours, Policy.SSRC_ANY_OUTBOUND)

    def _session(self, key_and_salt: bytes, direction: int) -> Session:
        profile, _, _ = _PROFILES[self.profile.encode("ascii")]
        return Session(Policy(key=key_and_salt, ssrc_type=direction, srtp_profile=profile))


class Papers:
    """A certificate, and the OpenSSL context that shows it."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(key)
        self.fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)  # by fingerprint, after the handshake
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_cipher_list(_CIPHERS)
        context.set_tlsext_use_srtp(b":".join(_PROFILES))
        self.context = context


class Handshake:
    """One handshake. `send` takes a datagram; `keys` is None until it is over."""

    __slots__ = ("_fingerprint", "_send", "_ssl", "keys")

    def __init__(self, papers: Papers, *, fingerprint: str, send: Callable[[bytes], None]) -> None:
        self._fingerprint = fingerprint
        self._send = send
        self._ssl = SSL.Connection(papers.context, None)
        self._ssl.set_connect_state()
        self._ssl.set_ciphertext_mtu(_MTU)
        self.keys: Keys | None = None

    def go_on(self, datagram: bytes | None = None) -> None:
        """Begin, or take what the far side sent. Raises HandshakeFailed."""
        if datagram is not None:
            self._ssl.bio_write(datagram)
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return
        except SSL.Error as wrong:
            self._flush()
            raise HandshakeFailed("The DTLS handshake failed.") from wrong
        self._flush()
        self.keys = self._keys()

    def repeat(self) -> None:
        """Send again what OpenSSL's own timer says is lost."""
        if self._ssl.DTLSv1_get_timeout() == 0 and self._ssl.DTLSv1_handle_timeout():
            self._flush()

    def _flush(self) -> None:
        try:
            waiting = self._ssl.bio_read(65_536)
        except SSL.WantReadError:
            return
        for datagram in _in_datagrams(waiting):
            self._send(datagram)

    def _keys(self) -> Keys:
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        if (
            certificate is None
            or certificate.fingerprint(hashes.SHA256()).hex(":").upper() != self._fingerprint
        ):
            raise HandshakeFailed("The certificate is not the one of the answer.")
        profile = self._ssl.get_selected_srtp_profile()
        if profile not in _PROFILES:
            raise HandshakeFailed("No SRTP profile was chosen.")
        _, key, salt = _PROFILES[profile]
        material = self._ssl.export_keying_material(_LABEL, 2 * (key + salt))
        # Client's key, server's key, client's salt, server's salt (RFC 5764 §4.2).
        return Keys(
            profile=profile.decode("ascii"),
            theirs=material[key : 2 * key] + material[2 * key + salt :],
            ours=material[:key] + material[2 * key : 2 * key + salt],
        )


def _in_datagrams(records: bytes) -> list[bytes]:
    """Return whole DTLS records packed into datagrams no larger than the MTU."""
    datagrams = [b""]
    at = 0
    while at < len(records):
        size = _RECORD_HEAD + int.from_bytes(records[at + 11 : at + 13], "big")
        if datagrams[-1] and len(datagrams[-1]) + size > _MTU:
            datagrams.append(b"")
        datagrams[-1] += records[at : at + size]
        at += size
    return datagrams


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "listener")])
    now = datetime.now(tz=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
