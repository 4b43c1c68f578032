"""A speaker that is a file: decodes it, encodes Opus and keeps time, and enters by WHIP like anybody else."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler

from rooms.media import whip_client
from rooms.media.opus import MUSIC_BITRATE, Encoder, OpusPacket, packet
from rooms.media.sound import FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE, Samples

_LINGER: Final = 0.3  # seconds, so that the last frames are heard before the goodbye


class NotSound(Exception):
    """The file cannot be read as sound."""


class Cut(Exception):
    """The other side ended the connection while the file was playing. `played` frames had gone out."""

    def __init__(self, text: str, *, played: int) -> None:
        super().__init__(text)
        self.played = played


async def play(
    *, path: Path, whip_url: str, grant: str, loop: bool, stop: asyncio.Event, start: int = 0
) -> None:
    """Put the first audio stream of `path` on stage until it ends (never, with `loop`) or `stop` is set.

    `start` frames are left out, so that who was cut may go on. Raises NotSound before knocking; Cut when put
    out; whip_client.Refused or NeverConnected at the door.
    """
    track = _FileTrack(path, loop=loop, start=start)
    async with whip_client.connect(
        url=whip_url,
        grant=grant,
        add=lambda connection: connection.addTransceiver(track, direction="sendonly"),
    ) as connection:
        await whip_client.up(connection)
        cut = _cut(connection)
        waiting = [asyncio.create_task(event.wait()) for event in (stop, track.finished, cut)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if track.finished.is_set():
            await asyncio.sleep(_LINGER)
        elif cut.is_set() and not stop.is_set():
            raise Cut("The room ended this connection.", played=start + track.sent)


def frames(path: Path, *, loop: bool) -> Iterator[Samples]:
    """Yield the file's sound in frames of shape (960,), mono, 48 kHz, the last filled up. Raises NotSound."""
    while True:
        rest = np.empty(0, dtype=np.float32)
        for piece in _decoded(path):
            rest = np.concatenate((rest, piece))
            while rest.size >= FRAME_SAMPLES:
                yield rest[:FRAME_SAMPLES]
                rest = rest[FRAME_SAMPLES:]
        if rest.size:
            yield np.pad(rest, (0, FRAME_SAMPLES - rest.size))
        if not loop:
            return


def _decoded(path: Path) -> Iterator[Samples]:
    try:
        with av.open(str(path)) as file:
            if not file.streams.audio:
                raise NotSound(f"{path.name} has no sound in it.")
            resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
            for frame in file.decode(audio=0):
                yield from (_samples(one) for one in resampler.resample(frame))
            yield from (_samples(one) for one in resampler.resample(None))
    except (av.FFmpegError, OSError) as wrong:
        raise NotSound(f"{path.name} cannot be read as sound.") from wrong


def _samples(frame: AudioFrame) -> Samples:
    return frame.to_ndarray().reshape(-1).astype(np.float32)


def _cut(connection: RTCPeerConnection) -> asyncio.Event:
    cut = asyncio.Event()

    def look() -> None:
        if connection.connectionState in {"failed", "closed"}:
            cut.set()

    connection.on("connectionstatechange", look)
    return cut


class _FileTrack(MediaStreamTrack):
    """Gives aiortc one ready packet every 20 ms, on deadlines that do not drift."""

    kind = "audio"

    def __init__(self, path: Path, *, loop: bool, start: int) -> None:
        super().__init__()
        self.finished = asyncio.Event()
        self.sent = 0
        self._frames = islice(frames(path, loop=loop), start, None)
        self._next = next(
            self._frames, None
        )  # reads now, so that a file that is no sound is told before the door
        self._encoder = Encoder(bitrate=MUSIC_BITRATE)
        self._start: float | None = None

    async def recv(self) -> OpusPacket:
        loop = asyncio.get_running_loop()
        if self._start is None:
            self._start = loop.time()
        if self._next is None:
            self.finished.set()
            raise MediaStreamError
        await asyncio.sleep(self._start + self.sent * FRAME_SECONDS - loop.time())
        encoded = packet(self._encoder.encode(self._next), pts=self.sent * FRAME_SAMPLES)
        self.sent += 1
        self._next = next(self._frames, None)
        return encoded
