"""The gate reads offers of real browsers, and whatever else somebody may post."""

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from rooms.media import gate
from rooms.media.gate import BadOffer, Purpose

FINGERPRINT = (
    "AE:27:B2:C6:B3:46:5D:54:01:0E:9D:9A:23:A0:28:CF:5A:FD:F1:D2:D5:1C:75:9E:46:21:9D:99:54:9A:24:97"
)

# Firefox ESR, listening, as it was offered; its direction for the session is not the one that counts.
FIREFOX = f"""v=0
o=mozilla...THIS_IS_SDPARTA-99.0 1302653220481901837 0 IN IP4 0.0.0.0
s=-
t=0 0
a=sendrecv
a=fingerprint:sha-256 {FINGERPRINT}
a=group:BUNDLE 0
a=ice-options:trickle
a=msid-semantic:WMS *
m=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101
c=IN IP4 0.0.0.0
a=candidate:0 1 UDP 2122187007 e0d5eea8-5b9d-471a-9672-2085119ff465.local 45648 typ host
a=candidate:2 1 TCP 2105458943 e0d5eea8-5b9d-471a-9672-2085119ff465.local 9 typ host tcptype active
a=candidate:3 1 UDP 2105458943 203.0.113.7 4242 typ host
a=recvonly
a=end-of-candidates
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level
a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap-allow-mixed
a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1
a=fmtp:101 0-15
a=ice-pwd:8436af1737401176db34d6d8a8050628
a=ice-ufrag:abdbe1cd
a=mid:0
a=rtcp:51590 IN IP4 e0d5eea8-5b9d-471a-9672-2085119ff465.local
a=rtcp-mux
a=rtpmap:109 opus/48000/2
a=rtpmap:9 G722/8000/1
a=rtpmap:101 telephone-event/8000
a=setup:actpass
a=ssrc:1649581517 cname:{{eaee89e1-8e56-4b86-b16c-b803c6b2c542}}
""".replace("\n", "\r\n")

SPEAKING = FIREFOX.replace("a=recvonly\r\n", "a=sendonly\r\n")


def test_what_passes_is_written_anew_and_holds_no_address() -> None:
    assert gate.admit(FIREFOX, Purpose.LISTEN).splitlines() == [
        "v=0",
        "o=- 0 0 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 109",
        "c=IN IP4 0.0.0.0",
        "a=recvonly",
        "a=mid:0",
        "a=ice-ufrag:abdbe1cd",
        "a=ice-pwd:8436af1737401176db34d6d8a8050628",
        "a=setup:actpass",
        f"a=fingerprint:sha-256 {FINGERPRINT}",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=rtcp-mux",
        "a=rtpmap:109 opus/48000/2",
    ]


def test_a_speaker_may_offer_to_send() -> None:
    assert "a=sendonly" in gate.admit(SPEAKING, Purpose.SPEAK).splitlines()


@pytest.mark.parametrize("purpose", list(Purpose))
def test_an_offer_of_both_directions_is_taken_for_the_one_that_is_meant(purpose: Purpose) -> None:
    admitted = gate.admit(FIREFOX.replace("a=recvonly\r\n", "a=sendrecv\r\n"), purpose)
    assert {"a=recvonly", "a=sendonly", "a=sendrecv"} & set(admitted.splitlines()) == {
        {"listen": "a=recvonly", "speak": "a=sendonly"}[purpose.value]
    }


@pytest.mark.parametrize(
    ("offer", "purpose"),
    [
        pytest.param("", Purpose.LISTEN, id="nothing"),
        pytest.param("hello", Purpose.LISTEN, id="no description"),
        pytest.param(FIREFOX + "a=x:" + "y" * 16_384, Purpose.LISTEN, id="too large"),
        pytest.param(FIREFOX + "a=x\r\n" * 500, Purpose.LISTEN, id="too many lines"),
        pytest.param(
            FIREFOX.replace("a=mid:0", "a=mid:\u00e9"), Purpose.LISTEN, id="not ASCII where we read"
        ),
        pytest.param(FIREFOX.replace("opus/48000", "opu\u017f/48000"), Purpose.LISTEN, id="nearly Opus"),
        pytest.param(FIREFOX.replace("sha-256", "sha-512"), Purpose.LISTEN, id="a digest too short"),
        pytest.param(FIREFOX + "a=x\x00y\r\n", Purpose.LISTEN, id="a control character"),
        pytest.param(SPEAKING, Purpose.LISTEN, id="sends but wants to listen"),
        pytest.param(FIREFOX, Purpose.SPEAK, id="receives but wants to speak"),
        pytest.param(FIREFOX.replace("a=recvonly", "a=inactive"), Purpose.LISTEN, id="inactive"),
        pytest.param(
            FIREFOX + "m=audio 9 UDP/TLS/RTP/SAVPF 109\r\n", Purpose.LISTEN, id="two audio sections"
        ),
        pytest.param(FIREFOX + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", Purpose.LISTEN, id="video too"),
        pytest.param(
            FIREFOX + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
            Purpose.LISTEN,
            id="a data channel",
        ),
        pytest.param(FIREFOX.replace("m=audio", "m=video"), Purpose.LISTEN, id="video alone"),
        pytest.param(FIREFOX.replace("m=audio 9 ", "m=audio 0 "), Purpose.LISTEN, id="switched off"),
        pytest.param(FIREFOX.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), Purpose.LISTEN, id="in the clear"),
        pytest.param(FIREFOX.replace("opus/48000/2", "speex/8000"), Purpose.LISTEN, id="no Opus"),
        pytest.param(
            FIREFOX.replace("SAVPF 109 ", "SAVPF "), Purpose.LISTEN, id="Opus mapped but not offered"
        ),
        pytest.param(FIREFOX.replace("setup:actpass", "setup:passive"), Purpose.LISTEN, id="DTLS server"),
        pytest.param(FIREFOX.replace("sha-256", "md5"), Purpose.LISTEN, id="a weak fingerprint"),
        pytest.param(
            FIREFOX.replace(f"a=fingerprint:sha-256 {FINGERPRINT}\r\n", ""),
            Purpose.LISTEN,
            id="no fingerprint",
        ),
        pytest.param(FIREFOX.replace("a=rtcp-mux\r\n", ""), Purpose.LISTEN, id="no rtcp-mux"),
        pytest.param(FIREFOX + "a=ice-ufrag:other\r\n", Purpose.LISTEN, id="two names for ICE"),
        pytest.param(
            FIREFOX.replace("ice-ufrag:abdbe1cd", "ice-ufrag:a b"), Purpose.LISTEN, id="a bad ICE name"
        ),
    ],
)
def test_what_this_house_cannot_answer_is_refused_without_being_quoted(offer: str, purpose: Purpose) -> None:
    with pytest.raises(BadOffer) as refused:
        gate.admit(offer, purpose)
    assert "8436af17" not in str(refused.value)


# What an offer may say besides (RFC 8866, 8839, 8122, 8285, 6464, 8842, 7587), in its head and its section.
SHA_1 = "a=fingerprint:sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB"
ANYWHERE = [
    SHA_1,
    SHA_1.replace("sha-1", "SHA-1"),
    "a=fingerprint:md5 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B",
    f"a=fingerprint:sha-256 {FINGERPRINT}",
    f"a=fingerprint:SHA-256 {FINGERPRINT.lower()}",
    f"a=fingerprint:sha3-256 {FINGERPRINT}",
    "a=ice-options:trickle renomination",
    "a=ice-options:ice2",
    "a=ice-pacing:50",
    "a=tls-id:1e5e4a5c2b4d4d9a9e0d5a2c8b7f6e5d",
    "a=extmap-allow-mixed",
    "a=x-of-tomorrow",
    "a=x-of-tomorrow:\u00fcber \u65e5\u672c \U0001f3a4",
    "a=tool:caf\u00e9\ttab",
]
IN_THE_HEAD = [
    *ANYWHERE,
    f"a=fingerprint:sha-512 {FINGERPRINT}:{FINGERPRINT}",
    "a=setup:active",
    "a=setup:passive",
    "a=ice-ufrag:another",
    "a=ice-pwd:anotherpasswordof24letters",
    f"a=fingerprint:sha-256 {FINGERPRINT[::-1]}",
    "a=group:LS 0",
    "a=group:BUNDLE 0 1",
    "a=msid-semantic: WMS",
    "a=identity:eyJpZHAi",
    "a=inactive",
]
IN_THE_SECTION = [
    *ANYWHERE,
    "i=Ada\u2019s microphone",
    "b=AS:64",
    "a=setup:ACTPASS",
    "a=setup:actpass",
    "a=extmap:4/inactive urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=extmap:5/sendrecv http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "a=extmap:6 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on",
    "a=extmap:4096 urn:ietf:params:rtp-hdrext:toffset",
    "a=extmap:200 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "a=fmtp:109 minptime=10;useinbandfec=1;usedtx=1;cbr=1;x-google-min-bitrate=10",
    "a=fmtp:109 sprop-stereo=1; maxaveragebitrate=510000",
    "a=rtcp-fb:109 transport-cc",
    "a=rtcp-fb:* nack",
    "a=rtcp-rsize",
    "a=rtcp-mux-only",
    "a=rtcp:9 IN IP6 ::",
    "a=rtpmap:63 red/48000/2",
    "a=ptime:20",
    "a=maxptime:120",
    "a=msid:- d1f0c8a2",
    "a=ssrc-group:FID 1 2",
    "a=candidate:1 1 TCP 1518280447 192.0.2.1 9 typ host tcptype passive",
    "a=candidate:2 1 UDP 41885439 192.0.2.2 4242 typ relay raddr 0.0.0.0 rport 0 network-cost 999",
    "a=candidate:3 1 SCTP 41885439 192.0.2.2 4242 typ host",
    "a=candidate:4 1 udp 1 2001:db8::1 4242 typ of-tomorrow ufrag abcd",
    "a=candidate:5 2 udp 1 1c7a6bd8-1fb4-4a57-9a02-1a1f8bd4e4cc.local 4242 typ srflx raddr 0.0.0.0 rport 0",
    "a=remote-candidates:1 192.0.2.3 4242",
]


def with_additions(offer: str, head: list[str], section: list[str]) -> str:
    first, media = offer.split("m=audio ")
    lines = media.split("\r\n")
    return "".join(
        [
            first,
            *(f"{line}\r\n" for line in head),
            "m=audio ",
            "\r\n".join([*lines[:2], *section, *lines[2:]]),
        ]
    )


@given(
    head=st.lists(st.sampled_from(IN_THE_HEAD), unique=True),
    section=st.lists(st.sampled_from(IN_THE_SECTION), unique=True),
)
def test_nothing_that_may_be_said_besides_turns_an_offer_away(head: list[str], section: list[str]) -> None:
    for offer, purpose in ((FIREFOX, Purpose.LISTEN), (SPEAKING, Purpose.SPEAK)):
        # Firefox says its fingerprint in the head, where one in the section comes before it.
        plain = gate.read(offer, purpose)
        read = gate.read(with_additions(offer, head, section), purpose)
        assert [read.said(name) for name in ONCE] == [plain.said(name) for name in ONCE]
        assert plain.fingerprints[0] in read.fingerprints
        assert {name for name, _ in read.fingerprints} <= {"sha-256", "sha-512"}


ONCE = ("mid", "ice-ufrag", "ice-pwd", "setup")


def test_of_how_loud_somebody_is_more_may_be_said() -> None:
    loud = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
    admitted = gate.admit(
        SPEAKING.replace(f"extmap:1 {loud}", f"extmap:1/sendonly {loud} vad=on"), Purpose.SPEAK
    )
    assert f"a=extmap:1 {loud}" in admitted.splitlines()


def test_what_a_section_says_counts_before_what_the_head_says() -> None:
    other = ":".join(["AB"] * 32)
    own = with_additions(FIREFOX, [], [f"a=fingerprint:sha-256 {other}"])
    assert gate.read(own, Purpose.LISTEN).fingerprints == [("sha-256", bytes.fromhex("AB" * 32))]


@given(
    at=st.integers(0, len(FIREFOX)),
    cut=st.integers(0, 40),
    put=st.text(alphabet=st.characters(max_codepoint=255), max_size=40),
)
def test_however_an_offer_is_broken_it_is_refused_or_still_one_that_aiortc_reads(
    at: int, cut: int, put: str
) -> None:
    try:
        admitted = gate.admit(FIREFOX[:at] + put + FIREFOX[at + cut :], Purpose.LISTEN)
    except BadOffer:
        return
    (media,) = SessionDescription.parse(admitted).media
    assert (media.kind, media.direction, media.ice_candidates) == ("audio", "recvonly", [])


def test_the_answer_has_one_fingerprint_and_asks_for_fec_but_not_dtx() -> None:
    answer = "\r\n".join(
        ["v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=rtcp-mux", "a=rtpmap:111 opus/48000/2"]
        + [f"a=fingerprint:sha-{size} AA:BB" for size in (256, 384, 512)]
    )
    assert gate.finish(answer).splitlines() == [
        "v=0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=rtcp-mux",
        "a=rtcp-mux-only",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1;stereo=0;maxaveragebitrate=64000",
        "a=ptime:20",
        "a=fingerprint:sha-256 AA:BB",
    ]
