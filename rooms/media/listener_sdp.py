"""Our answer to a listener, as text: ICE-lite, DTLS server, one Opus section that only sends (RFC 8839).

It holds this machine's public addresses and random names, and nothing that could be linked to a person, a
seat or another session. Answers are never logged.
"""

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rooms.media.gate import Offer

LONGEST_MS: Final = 60  # a room may pack its sound in 20, 40 or 60 ms
_HOST_PREFERENCE: Final = 126  # RFC 8445 §5.1.2.2
_CRLF: Final = "\r\n"


@dataclass(frozen=True)
class Place:
    """Where every listener of this process finds us."""

    addresses: Sequence[str]  # public, IPv4 or IPv6, the best first
    port: int
    fingerprint: str  # of our certificate, "AB:CD:…", SHA-256


class Answers:
    """Writes the answers of one process. What they have in common is written once."""

    def __init__(self, place: Place) -> None:
        first = place.addresses[0]
        family = "IP6" if ":" in first else "IP4"
        self._port = place.port
        self._connection = f"c=IN {family} {first}"
        self._fingerprint = f"a=fingerprint:sha-256 {place.fingerprint}"
        candidates = [
            f"a=candidate:{number + 1} 1 udp {_priority(number)} {address} {place.port} typ host"
            for number, address in enumerate(place.addresses)
        ]
        self._candidates = _CRLF.join([*candidates, "a=end-of-candidates"])

    def write(self, offer: Offer, *, name: str, password: str, ssrc: int, cname: str) -> str:
        """Return the answer to `offer`, about 1 kB.

        `name` and `password` are our half of ICE; `ssrc` and `cname` say under which mark the room is sent.
        """
        mid, opus = offer.said("mid"), offer.payload_type
        return _CRLF.join(
            [
                "v=0",
                f"o=- {secrets.randbits(62)} 1 IN IP4 0.0.0.0",
                "s=-",
                "t=0 0",
                f"a=group:BUNDLE {mid}",
                "a=ice-lite",
                "a=msid-semantic:WMS *",
                f"m=audio {self._port} UDP/TLS/RTP/SAVPF {opus}",
                self._connection,
                f"a=mid:{mid}",
                "a=sendonly",
                f"a=msid:{secrets.token_hex(16)} {secrets.token_hex(16)}",
                f"a=ice-ufrag:{name}",
                f"a=ice-pwd:{password}",
                self._fingerprint,
                "a=setup:passive",
                "a=rtcp-mux",
                "a=rtcp-mux-only",
                f"a=rtpmap:{opus} opus/48000/2",
                f"a=fmtp:{opus} minptime=10;useinbandfec=1;stereo=0",
                "a=ptime:20",
                f"a=maxptime:{LONGEST_MS}",
                f"a=ssrc:{ssrc} cname:{cname}",
                self._candidates,
                "",
            ]
        )


def usable(addresses: Sequence[str], *, dual_stack: bool) -> list[str]:
    """Return those of `addresses` at which a socket of this kind is reached, each once and in order.

    Raises ValueError if none is left, and for what is no address: a name would have to be looked up.
    """
    parsed = [ipaddress.ip_address(address) for address in dict.fromkeys(addresses)]
    reached = [str(address) for address in parsed if dual_stack or address.version == 4]
    if not reached:
        raise ValueError("None of the public addresses is one at which this edge can be reached.")
    return reached


def _priority(number: int) -> int:
    """Return a host candidate's priority; earlier ones are tried first (RFC 8445 §5.1.2.1)."""
    return (_HOST_PREFERENCE << 24) + ((65_535 - number) << 8) + 255
