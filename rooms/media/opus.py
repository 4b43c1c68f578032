"""Opus in, Opus out, and nothing else (RFC 6716, RFC 7587): libopus itself, as PyAV's wheel brings it.

Straight to the library, since what concealment and in-band FEC need has no door in PyAV. Calls keep the GIL:
the longest takes half a millisecond, and taking it back from a busy thread could take five.
"""

import ctypes
import ctypes.util
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeAlias

import av
import numpy as np
from av import AudioStream, Packet

from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE, Samples

OpusPacket: TypeAlias = "Packet[AudioStream]"
TIME_BASE: Final = Fraction(1, SAMPLE_RATE)
SPEECH_BITRATE: Final = 32_000  # bit/s, mono: the middle of RFC 7587's advice for fullband speech
MUSIC_BITRATE: Final = 64_000  # bit/s, mono; below it cymbals tell
EXPECTED_LOSS: Final = 10  # per cent; told 5 or less, libopus may leave FEC out to keep the band wide
HOUSE_EFFORT: Final = 10  # libopus complexity, paid once per room
STAGE_EFFORT: Final = 8  # as good to the ear, nearly; below it speech suffers, and little time is won
MOST_SAMPLES: Final = 5_760  # 120 ms, the longest packet there is (RFC 6716 §3.2.5)

_MOST_BYTES: Final = 1_275 * 3  # of one packet of up to 60 ms
_VOIP, _LOW_DELAY = 2048, 2051
_WIDEBAND: Final = 1103
_SET_BITRATE, _SET_WIDEST, _SET_COMPLEXITY, _SET_FEC, _SET_LOSS, _SET_DTX, _RESET = (
    4002,
    4004,
    4010,
    4012,
    4014,
    4016,
    4028,
)


class NotOpus(Exception):
    """The payload is not an Opus packet that can be decoded."""


class Encoder:
    """One stream of mono Opus with in-band FEC and without DTX: silence is sent too.

    `frames` is the length of a packet in frames of 20 ms: 1, 2 or 3. `music` takes CELT alone, which is truer
    to instruments and has no FEC (only SILK has); otherwise a packet also carries the one before it in small.
    Speech in longer packets has sound up to 8 kHz, not 20: above that libopus makes it of parts of 20 ms, and
    of a lost packet only the last of them could be recovered.
    `effort` is libopus' complexity, 0 to 10; `expected_loss` is in per cent.
    """

    def __init__(
        self,
        *,
        frames: int = 1,
        bitrate: int | None = None,
        music: bool = False,
        effort: int = HOUSE_EFFORT,
        expected_loss: int = EXPECTED_LOSS,
    ) -> None:
        self._samples = frames * FRAME_SAMPLES
        self._state = ctypes.create_string_buffer(_opus.opus_encoder_get_size(1))
        application = _LOW_DELAY if music else _VOIP
        _check(_opus.opus_encoder_init(self._state, SAMPLE_RATE, 1, application))
        self._set(_SET_BITRATE, bitrate or (MUSIC_BITRATE if music else SPEECH_BITRATE))
        self._set(_SET_COMPLEXITY, effort)
        self._set(_SET_FEC, int(not music))
        if frames > 1 and not music:
            self._set(_SET_WIDEST, _WIDEBAND)
        self._set(_SET_LOSS, expected_loss)
        self._set(_SET_DTX, 0)
        self._in = np.empty(self._samples, dtype=np.float32)
        self._out = ctypes.create_string_buffer(_MOST_BYTES)
        self._in_at = self._in.ctypes.data

    def encode(self, samples: Samples) -> bytes:
        """Return the packet for `samples`, shape (960 * frames,). One call is always one packet.

        Values beyond ±1.0 are clipped by libopus, so limit before.
        """
        self._in[:] = samples
        length = _opus.opus_encode_float(self._state, self._in_at, self._samples, self._out, _MOST_BYTES)
        return self._out.raw[: _check(length)]

    def expect(self, *, loss: int) -> None:
        """Prepare from now on for `loss` per cent of packets to be lost on their way."""
        self._set(_SET_LOSS, loss)

    def _set(self, what: int, value: int) -> None:
        _check(_opus.opus_encoder_ctl(self._state, what, ctypes.c_int(value)))


class Decoder:
    """One stream of Opus, of one or two channels, into mono sound at 48 kHz."""

    def __init__(self) -> None:
        self._state = ctypes.create_string_buffer(_opus.opus_decoder_get_size(1))
        _check(_opus.opus_decoder_init(self._state, SAMPLE_RATE, 1))
        self._out = np.empty(MOST_SAMPLES, dtype=np.float32)
        self._out_at = self._out.ctypes.data

    def decode(self, payload: bytes) -> Samples:
        """Return the sound of `payload`, shape (duration(payload),). Raises NotOpus."""
        return self._decode(payload, MOST_SAMPLES, fec=False)

    def conceal(self, samples: int = FRAME_SAMPLES) -> Samples:
        """Return what may have been in a packet that is lost, shape (samples,), a multiple of 120.

        It fades by itself to comfort noise as one call follows another.
        """
        return self._decode(None, samples, fec=False)

    def recover(self, following: bytes, samples: int = FRAME_SAMPLES) -> Samples:
        """Return a lost packet of `samples`, shape (samples,), from the FEC in the one that follows it.

        What has no FEC in there is concealed. Decode `following` itself afterwards. Raises NotOpus.
        """
        return self._decode(following, samples, fec=True)

    def reset(self) -> None:
        """Forget the stream so far: what follows is another one."""
        _check(_opus.opus_decoder_ctl(self._state, _RESET))

    def save(self) -> bytes:
        """Return the whole state, some 20 kB, for `restore`."""
        return self._state.raw

    def restore(self, saved: bytes) -> None:
        """Be as when `saved` was: nothing has been decoded or concealed since."""
        ctypes.memmove(self._state, saved, len(saved))

    def _decode(self, payload: bytes | None, most: int, *, fec: bool) -> Samples:
        size = 0 if payload is None else len(payload)
        if payload is not None and not size:
            raise NotOpus("The packet is empty.")  # libopus would take it for a lost one
        got = _opus.opus_decode_float(self._state, payload, size, self._out_at, most, int(fec))
        return self._out[: _check(got)].copy()


def packet(payload: bytes, *, pts: int) -> OpusPacket:
    """Return `payload` as aiortc's tracks send it, stamped `pts` in samples of the room's clock."""
    made: Packet[Any] = Packet(payload)
    made.pts = pts
    made.time_base = TIME_BASE
    return made


def duration(payload: bytes) -> int:
    """Return how many samples at 48 kHz `payload` holds, from its first octets (RFC 6716 §3.1, §3.2).

    0 for what is no packet: empty, or longer than 120 ms.
    """
    if not payload:
        return 0
    count = (1, 2, 2, 0)[payload[0] & 3]
    if not count:
        count = payload[1] & 63 if len(payload) > 1 else 0
    samples = count * _FRAME_OF[payload[0] >> 3]
    return samples if samples <= MOST_SAMPLES else 0


def has_fec(payload: bytes) -> bool:
    """Return whether `payload` can recover the packet before it (RFC 6716 §4.2.4, LBRR)."""
    return bool(payload) and _opus.opus_packet_has_lbrr(payload, len(payload)) > 0


def is_celt(payload: bytes) -> bool:
    """Return whether `payload` is CELT alone, as browsers send it on a good network (RFC 6716 §3.1)."""
    return bool(payload) and payload[0] >= 128


# Samples per frame for each configuration: SILK 10/20/40/60 ms, hybrid 10/20, CELT 2.5/5/10/20.
_FRAME_OF: Final = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4


def _check(result: int) -> int:
    """Return `result` if it is not one of libopus' errors, which are negative."""
    if result < 0:
        raise NotOpus(f"libopus refuses: {_opus.opus_strerror(result).decode()}.")
    return result


def _library() -> ctypes.PyDLL:
    """Load the libopus of PyAV's wheel, or the system's where PyAV was built from source."""
    beside = sorted((Path(av.__file__).parent.parent / "av.libs").glob("libopus-*.so*"))
    name = str(beside[0]) if beside else ctypes.util.find_library("opus")
    if name is None:
        raise ImportError("There is no libopus, neither in PyAV's wheel nor on this system.")
    return _typed(ctypes.PyDLL(name))


def _typed(library: ctypes.PyDLL) -> ctypes.PyDLL:
    pointer, number = ctypes.c_void_p, ctypes.c_int
    for name, takes in {
        "opus_encoder_get_size": (number,),
        "opus_encoder_init": (pointer, ctypes.c_int32, number, number),
        "opus_encode_float": (pointer, pointer, number, pointer, ctypes.c_int32),
        "opus_encoder_ctl": (pointer, number),  # and one more: it is variadic
        "opus_decoder_get_size": (number,),
        "opus_decoder_init": (pointer, ctypes.c_int32, number),
        "opus_decode_float": (pointer, ctypes.c_char_p, ctypes.c_int32, pointer, number, number),
        "opus_decoder_ctl": (pointer, number),
        "opus_packet_has_lbrr": (ctypes.c_char_p, ctypes.c_int32),
        "opus_strerror": (number,),
    }.items():
        getattr(library, name).argtypes = takes
    library.opus_strerror.restype = ctypes.c_char_p
    return library


_opus: Final = _library()
