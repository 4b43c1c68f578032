"""A light listener's session descriptions: its offer, and what it needs of an answer (RFC 8866)."""

import re
from dataclasses import dataclass
from typing import Final

OPUS: Final = 111  # the payload type we offer, which is Chromium's
_CANDIDATE: Final = re.compile(
    r"a=candidate:\S+ 1 (?i:udp) \d+ (\d{1,3}(?:\.\d{1,3}){3}) (\d{1,5}) typ host.*"
)
_SAID: Final = re.compile(r"a=(ice-ufrag|ice-pwd|setup|fingerprint:sha-256)[: ](\S+)", re.IGNORECASE)
_WANTED: Final = ("ice-ufrag", "ice-pwd", "setup", "fingerprint:sha-256")


class BadAnswer(Exception):
    """The answer lacks what a connection needs, or wants us to be the DTLS server."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the far side said of itself."""

    name: str  # ICE user fragment
    password: bytes
    fingerprint: str  # sha-256 of its certificate, AB:CD:…
    addresses: tuple[tuple[str, int], ...]  # IPv4 host candidates


def offer(*, name: str, password: str, fingerprint: str, address: tuple[str, int], setup: str) -> str:
    """Return an offer to listen to Opus at `address`; `setup` is "actpass" or "active" (RFC 8842)."""
    host, port = address
    return "\r\n".join(
        (
            "v=0",
            f"o=- 1 1 IN IP4 {host}",
            "s=-",
            "t=0 0",
            "a=group:BUNDLE 0",
            f"m=audio {port} UDP/TLS/RTP/SAVPF {OPUS}",
            f"c=IN IP4 {host}",
            "a=mid:0",
            "a=recvonly",
            "a=rtcp-mux",
            f"a=rtpmap:{OPUS} opus/48000/2",
            f"a=fmtp:{OPUS} minptime=10;useinbandfec=1",
            f"a=ice-ufrag:{name}",
            f"a=ice-pwd:{password}",
            f"a=fingerprint:sha-256 {fingerprint}",
            f"a=setup:{setup}",
            f"a=candidate:1 1 udp 2130706431 {host} {port} typ host",
            "a=end-of-candidates",
            "",
        )
    )


def read(answer: str) -> Answer:
    """Return what `answer`, or an offer that we answer, says. Raises BadAnswer."""
    lines = answer.splitlines()
    said = {found[1].lower(): found[2] for line in lines if (found := _SAID.fullmatch(line))}
    missing = [name for name in _WANTED if name not in said]
    if missing:
        raise BadAnswer(f"The answer does not say {missing[0]}.")
    if said["setup"] == "active":
        raise BadAnswer("The answer wants us to be the DTLS server.")
    candidates = (_CANDIDATE.fullmatch(line) for line in lines)
    addresses = tuple((found[1], int(found[2])) for found in candidates if found)
    if not addresses:
        raise BadAnswer("The answer has no address.")
    return Answer(
        name=said["ice-ufrag"],
        password=said["ice-pwd"].encode("ascii"),
        fingerprint=said["fingerprint:sha-256"].upper(),
        addresses=addresses,
    )
