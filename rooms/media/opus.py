"""Opus in, Opus out, and nothing else (RFC 6716, RFC 7587). libopus through PyAV."""

from fractions import Fraction
from typing import Final, TypeAlias

import av
from av import AudioCodecContext, AudioFrame, AudioStream, Packet

from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE, Samples

OpusPacket: TypeAlias = "Packet[AudioStream]"
TIME_BASE: Final = Fraction(1, SAMPLE_RATE)
HOUSE_BITRATE: Final = 40_000  # bit/s, mono; within RFC 7587's advice for fullband speech, and fair to music
EXPECTED_LOSS: Final = 5  # per cent; libopus spends bits on FEC only when it is told to expect loss
HOUSE_EFFORT: Final = 10  # libopus complexity: about 0.4 ms per frame with FEC, paid once per room
STAGE_EFFORT: Final = 5  # about 0.3 ms, paid for each mix that one person alone hears


class Encoder:
    """One stream of mono Opus with in-band FEC, 20 ms at a time, without DTX: silence is sent too."""

    def __init__(self, *, effort: int = HOUSE_EFFORT, bitrate: int = HOUSE_BITRATE) -> None:
        context = av.CodecContext.create("libopus", "w")
        if not isinstance(context, AudioCodecContext):
            raise TypeError("libopus must be an audio codec")
        context.bit_rate = bitrate
        context.format = "flt"
        context.layout = "mono"
        context.sample_rate = SAMPLE_RATE
        context.time_base = TIME_BASE
        context.options = {
            "application": "voip",
            "frame_duration": "20",
            "fec": "1",
            "packet_loss": str(EXPECTED_LOSS),
            "compression_level": str(effort),
        }
        self._context = context

    def encode(self, samples: Samples, *, pts: int) -> OpusPacket:
        """Return the packet for one frame, shape (960,), stamped `pts` in samples of the room's clock.

        Values beyond ±1.0 are clipped by libopus, so limit before. One frame in is always one packet out.
        """
        frame = AudioFrame.from_ndarray(samples.reshape(1, FRAME_SAMPLES), format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = TIME_BASE
        frame.pts = pts
        (encoded,) = self._context.encode(frame)
        # libopus counts its look-ahead into pts; on the room's own time a switch of mixes does not jump.
        encoded.pts = pts
        encoded.time_base = TIME_BASE
        return encoded
