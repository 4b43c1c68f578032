"""The gate for session descriptions: what a browser offers is untrusted text, and what we answer is our word.

An offer is read line by line against a list of what we know; whatever else stands in it never reaches aiortc.
Session descriptions hold addresses, so nothing here may be logged, and the refusals never quote the offer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST_BYTES: Final = 16_384
MOST_LINES: Final = 400
UPLINK_BITRATE: Final = (
    64_000  # bit/s; one generation more follows in the house mix, so the source may be better
)


class BadOffer(Exception):
    """The offer is not one this house can answer; the text says what is wrong, without quoting it."""


class Purpose(StrEnum):
    """What a connection is for. The value is the word used in events and calls."""

    LISTEN = "listen"
    SPEAK = "speak"


_DIRECTIONS: Final = {
    Purpose.LISTEN: ("recvonly", "sendrecv"),
    Purpose.SPEAK: ("sendonly", "sendrecv"),
}
_ANY_DIRECTION: Final = ("sendrecv", "sendonly", "recvonly", "inactive")

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}"  # noqa: S105 -- RFC 8866's word, no secret
_ICE_CHAR = r"[A-Za-z0-9+/]"
_HASHES: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}  # octets; weaker ones are passed over

# Attributes that pass, each with the only shape in which it does (RFC 8866, 8839, 8122, 5888, 8285, 6464).
_KNOWN: Final = {
    "group": re.compile(rf"BUNDLE {_TOKEN}"),
    "mid": re.compile(_TOKEN),
    "ice-ufrag": re.compile(rf"{_ICE_CHAR}{{4,256}}"),
    "ice-pwd": re.compile(rf"{_ICE_CHAR}{{22,256}}"),
    "fingerprint": re.compile(rf"{_TOKEN} [0-9A-Fa-f]{{2}}(?::[0-9A-Fa-f]{{2}}){{0,127}}"),
    "setup": re.compile(r"actpass|active|passive|holdconn", re.IGNORECASE | re.ASCII),
    "extmap": re.compile(
        r"([1-9]|1[0-4])(?:/(?:sendrecv|sendonly|recvonly))?"
        r" (urn:ietf:params:rtp-hdrext:(?:sdes:mid|ssrc-audio-level))(?: vad=(?:on|off))?"
    ),
    "rtcp-mux": re.compile(r""),
}
_ONCE: Final = ("mid", "ice-ufrag", "ice-pwd", "setup")
_OVERRIDDEN: Final = ("ice-ufrag", "ice-pwd", "setup", "fingerprint")  # in the head, by those of the section
_MEDIA_LINE: Final = re.compile(r"m=audio ([0-9]{1,5}) UDP/TLS/RTP/SAVPF ([0-9]{1,3}(?: [0-9]{1,3}){0,127})")
_OPUS: Final = re.compile(r"a=rtpmap:([0-9]{1,3}) opus/48000/2", re.IGNORECASE | re.ASCII)
_PAYLOAD_TYPES: Final = range(96, 128)  # dynamic, RFC 3551; below 96 RTCP multiplexing reads some as RTCP


@dataclass(frozen=True)
class Offer:
    """An offer taken apart: (name, value) of each attribute we know, in order, and what is said once.

    `mid`, `ice-ufrag`, `ice-pwd` and `setup` are there, each with one value, and so is a fingerprint.
    """

    payload_type: int
    attributes: tuple[tuple[str, str], ...]

    def said(self, name: str) -> str:
        """Return the first value of an attribute that every admitted offer has."""
        return next(value for known, value in self.attributes if known == name)

    @property
    def fingerprints(self) -> list[tuple[str, bytes]]:
        """Return (hash, digest) for each certificate fingerprint (RFC 8122): ("sha-256", 32 bytes)."""
        halves = (value.split(" ") for known, value in self.attributes if known == "fingerprint")
        return [(name, bytes.fromhex(digest.replace(":", ""))) for name, digest in halves]


def admit(offer: str, purpose: Purpose) -> str:
    """Return an offer of our own writing that says what `offer` says: one bundled audio section, Opus alone.

    All candidates and the end-of-candidates mark are left out. The browser's own checks, which carry the
    password of our answer, teach us where it is; so nothing is ever sent to an address somebody merely wrote
    down. A `.local` name would also cost a second of multicast, and with the mark ICE gives up on Firefox
    before its first check. Raises BadOffer.
    """
    return _write(read(offer, purpose), purpose)


def read(offer: str, purpose: Purpose) -> Offer:
    """Return what `offer` says, and nothing that we do not know. Raises BadOffer."""
    lines = _lines(offer)
    media_at = [number for number, line in enumerate(lines) if line.startswith("m=")]
    if len(media_at) != 1:
        raise BadOffer("The offer must have exactly one media section, for audio.")
    parts = _media_line(lines[media_at[0]])
    head, section = lines[: media_at[0]], lines[media_at[0] :]
    _check_direction(head, section, purpose)
    taken_apart = Offer(
        payload_type=_opus_type(section, parts),
        attributes=tuple(_of_both(_attributes(head), _attributes(section))),
    )
    _check_complete(taken_apart)
    return taken_apart


def finish(answer: str) -> str:
    """Return aiortc's answer as browsers and WHEP players want it.

    One fingerprint, sha-256 (some peers take the wrong one of three); `rtcp-mux-only` as RFC 9725 asks; Opus
    parameters that ask for in-band FEC and one channel, and never for DTX, which would hold back the last
    words of a sentence.
    """
    lines = []
    for line in answer.splitlines():
        if line.startswith("a=fingerprint:") and not line.startswith("a=fingerprint:sha-256 "):
            continue
        lines.append(line)
        if line == "a=rtcp-mux":
            lines.append("a=rtcp-mux-only")
        if opus := _OPUS.fullmatch(line):
            lines.append(
                f"a=fmtp:{opus[1]} minptime=10;useinbandfec=1;stereo=0;maxaveragebitrate={UPLINK_BITRATE}"
            )
            lines.append("a=ptime:20")
    return "\r\n".join(lines) + "\r\n"


def _lines(offer: str) -> list[str]:
    if len(offer.encode("utf-8", "replace")) > MOST_BYTES:
        raise BadOffer("The offer is larger than 16 kB.")
    lines = offer.replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(lines) > MOST_LINES:
        raise BadOffer("The offer has too many lines.")
    if lines[0] != "v=0":
        raise BadOffer("The offer is not a session description.")
    # Text that nobody reads may be in any language (RFC 8866 §5); what we read must have its own shape.
    if any(line[1:2] != "=" or "\0" in line or "\r" in line for line in lines):
        raise BadOffer("The offer has a line that no session description has.")
    return lines


def _media_line(line: str) -> set[int]:
    """Return the payload types that the media line offers."""
    media = _MEDIA_LINE.fullmatch(line)
    if media is None:
        raise BadOffer("The only media section must be audio over DTLS-SRTP (UDP/TLS/RTP/SAVPF).")
    if int(media[1]) == 0:
        raise BadOffer("The audio section is switched off.")
    return {int(number) for number in media[2].split()}


def _check_direction(session: list[str], media: list[str], purpose: Purpose) -> None:
    # Firefox says sendrecv for the session and its true wish in the section, which is the one that counts.
    said = [line[2:] for line in (*media, *session) if line[:2] == "a=" and line[2:] in _ANY_DIRECTION]
    if (said[0] if said else "sendrecv") not in _DIRECTIONS[purpose]:
        wanted = " or ".join(_DIRECTIONS[purpose])
        raise BadOffer(f"The audio section must be {wanted} to {purpose.value}.")


def _opus_type(lines: list[str], offered: set[int]) -> int:
    for line in lines:
        found = _OPUS.fullmatch(line)
        if found and int(found[1]) in offered and int(found[1]) in _PAYLOAD_TYPES:
            return int(found[1])
    raise BadOffer("The offer must include Opus.")


def _attributes(lines: list[str]) -> list[tuple[str, str]]:
    """Return the attributes we know. One that matters and has a shape we do not know is refused."""
    known = []
    for line in lines:
        name, _, value = line[2:].partition(":")
        shape = _KNOWN.get(name) if line.startswith("a=") else None
        if shape is None:
            continue
        if (found := shape.fullmatch(value)) is not None:
            known.extend(_plainly(name, found))
        elif name not in {"extmap", "group"}:
            raise BadOffer(f"The offer's {name} is not one this house can answer.")
    return known


def _plainly(name: str, found: re.Match[str]) -> list[tuple[str, str]]:
    """Return the attribute as we say it ourselves; nothing if it is one that we can do without."""
    if name == "setup":
        return [(name, found[0].lower())]
    if name == "extmap":
        return [(name, f"{found[1]} {found[2]}")]
    if name == "fingerprint":
        # Of several hashes those that we trust are enough, whatever the others are (RFC 8122 §5).
        method, digest = found[0].split(" ")
        size = _HASHES.get(method.lower())
        if size is None:
            return []
        if len(digest) != 3 * size - 1:
            raise BadOffer("The offer's fingerprint is not one this house can answer.")
        return [(name, f"{method.lower()} {digest.upper()}")]
    return [(name, found[0])]


def _of_both(head: list[tuple[str, str]], section: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield each attribute once, those of the section before those of the head that they stand for."""
    own = {name for name, _ in section if name in _OVERRIDDEN}
    yield from dict.fromkeys([*((name, value) for name, value in head if name not in own), *section])


def _check_complete(offer: Offer) -> None:
    names = [name for name, _ in offer.attributes]
    for name in _ONCE:
        if len({value for known, value in offer.attributes if known == name}) != 1:
            raise BadOffer(f"The offer must say {name} once.")
    if offer.said("setup") not in {"actpass", "active"}:
        raise BadOffer("The offer's setup is not one this house can answer.")
    if not 1 <= names.count("fingerprint") <= 8:
        raise BadOffer("The offer must have a fingerprint.")
    if "rtcp-mux" not in names:
        raise BadOffer("The offer must allow rtcp-mux.")


def _write(offer: Offer, purpose: Purpose) -> str:
    direction = _DIRECTIONS[purpose][0]
    head = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0", f"a=group:BUNDLE {offer.said('mid')}"]
    media = [f"m=audio 9 UDP/TLS/RTP/SAVPF {offer.payload_type}", "c=IN IP4 0.0.0.0", f"a={direction}"]
    said_once = [f"a={name}:{offer.said(name)}" for name in _ONCE]
    repeated = [f"a={name}:{value}" for name, value in offer.attributes if name in {"fingerprint", "extmap"}]
    codec = ["a=rtcp-mux", f"a=rtpmap:{offer.payload_type} opus/48000/2"]
    every = head + media + said_once + list(dict.fromkeys(repeated)) + codec
    return "\r\n".join(every) + "\r\n"
