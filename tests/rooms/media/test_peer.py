"""A speaker at the far end of a real connection: aiortc on both sides, and what the house makes of it."""

import asyncio
import functools
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame

from rooms.media import clock, machine, rtp, session, whip_client, wire
from rooms.media.ear import Heard
from rooms.media.opus import TIME_BASE
from rooms.media.peer import Speaker
from rooms.media.session import Reason
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE, Samples, silence
from tests.rooms.media.ground import Tone, offer_of, sine, until
from tests.rooms.media.test_gate import IN_THE_HEAD, IN_THE_SECTION, with_additions

pytestmark = pytest.mark.asyncio


@dataclass
class Stage:
    """A speaker, the client that is it, and what each tick took."""

    speaker: Speaker
    client: RTCPeerConnection
    answer: str
    decoding: bool = True
    frames: list[Samples | None] = field(default_factory=list)
    packets: list[rtp.Packet] = field(default_factory=list)
    ended: list[Reason] = field(default_factory=list)

    def heard(self, *, since: int = 0) -> Heard:
        """Return what was taken from tick `since` on, silence included."""
        samples = [silence() if one is None else one for one in self.frames[since:]]
        return Heard(np.concatenate(samples), 0.0, None, None, None, cut=False)

    async def ticks(self, count: int) -> int:
        """Let so many ticks go by, and return the number of the first."""
        start = len(self.frames)
        await until(lambda: len(self.frames) >= start + count, seconds=count * 0.02 + 5)
        return start

    def tick(self, _: int) -> None:
        self.frames.append(self.speaker.take(decode=self.decoding))


@asynccontextmanager
async def on_stage(
    track: MediaStreamTrack,
    *,
    muted: bool = False,
    public: Sequence[str] = (),
    before: Callable[["Stage"], Awaitable[object]] | None = None,
    offered: Callable[[str], str] = str,
) -> AsyncIterator[Stage]:
    """Bring `track` in. Before `public` addresses stands a router that hands their ports on to loopback's.

    `before` may do something between the answer and the moment at which the client has it; `offered` may say
    the offer in other words.
    """
    client = wire.new_connection()
    wire.bind(client.addTransceiver(track, direction="sendonly"), machine.near())
    ended: list[Reason] = []
    speaker = Speaker(
        seat="ada",
        epoch=1,
        reach=machine.Reach([machine.LOOPBACK], public) if public else machine.near(),
        at=time.time(),
        ended=lambda _, reason: ended.append(reason),
        muted=muted,
    )
    stage = Stage(speaker, client, await speaker.answer(offered(await offer_of(client))), ended=ended)
    speaker.on_packet = lambda packet, _: stage.packets.append(packet)
    if before is not None:
        await before(stage)
    way = functools.reduce(lambda sdp, one: sdp.replace(one, machine.LOOPBACK), public, stage.answer)
    await client.setRemoteDescription(RTCSessionDescription(sdp=way, type="answer"))
    ticking = asyncio.create_task(clock.run(stage.tick))
    try:
        await whip_client.up(client)
        yield stage
    finally:
        ticking.cancel()
        speaker.stop(Reason.CLOSED)
        await session.all_hung_up()
        await wire.hang_up(client)


class ToneOfFrames(MediaStreamTrack):
    """Sings 440 Hz as sound, not as packets, so that aiortc encodes it and says how loud it is (RFC 6464)."""

    kind = "audio"

    def __init__(self, *, loudness: float = 0.3) -> None:
        super().__init__()
        self.loudness = loudness
        self._start: float | None = None
        self._sent = 0

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        self._start = loop.time() if self._start is None else self._start
        await asyncio.sleep(self._start + self._sent * clock.TICK - loop.time())
        samples = sine(440.0, seconds=clock.TICK, loudness=self.loudness, start=self._sent * FRAME_SAMPLES)
        frame = AudioFrame.from_ndarray(
            (samples * 32_767).astype(np.int16).reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._sent * FRAME_SAMPLES, TIME_BASE
        self._sent += 1
        return frame


async def test_an_offer_with_all_that_may_be_said_besides_comes_about() -> None:
    head = [line for line in IN_THE_HEAD if "fingerprint:sha-" not in line or "sha-1" in line]
    section = [
        line for line in IN_THE_SECTION if "extmap" not in line and "fingerprint:sha-256" not in line.lower()
    ]
    async with on_stage(Tone(440.0), offered=lambda offer: with_additions(offer, head, section)) as stage:
        await until(lambda: stage.speaker.meter.speaking)


async def test_a_tone_is_heard_soon_and_whole() -> None:
    async with on_stage(Tone(440.0)) as stage:
        await until(lambda: stage.speaker.meter.speaking)
        start = await stage.ticks(100)
        heard = stage.heard(since=start)
        figures = stage.speaker.figures
    assert heard.dominant_hz == pytest.approx(440, abs=2)
    assert sum(one is None for one in stage.frames[start : start + 100]) <= 2
    assert figures.delay_ms < 120
    assert figures.received >= 90
    assert (figures.lost, figures.duplicated) == (0, 0)


async def test_behind_a_router_a_speaker_is_told_its_address_and_nothing_of_ours() -> None:
    async with on_stage(Tone(440.0), public=["203.0.113.5"]) as stage:
        await until(lambda: stage.speaker.meter.speaking)
    candidates = [line.split()[4] for line in stage.answer.splitlines() if line.startswith("a=candidate:")]
    assert candidates == ["203.0.113.5"]
    assert machine.LOOPBACK not in stage.answer


async def test_no_thread_and_no_queue_is_behind_it() -> None:
    before = threading.active_count()
    async with on_stage(Tone(440.0)) as stage:
        await until(lambda: stage.speaker.meter.speaking)
        decoders = [one.name for one in threading.enumerate() if one.name.endswith("-decoder")]
        (receiver,) = stage.speaker._connection.getReceivers()
        waiting = receiver.track._queue.qsize()  # type: ignore[attr-defined]
        during = threading.active_count()
    assert (decoders, waiting, during) == ([], 0, before)


async def test_muted_nothing_is_decoded_nor_handed_on_and_unmuting_starts_clean() -> None:
    async with on_stage(tone := Tone(440.0), muted=True) as stage:
        await until(lambda: stage.speaker.figures.received > 20)
        muted = [one for one in stage.frames if one is not None]
        handed_on = len(stage.packets)
        tone.hz = 1_000.0
        await stage.ticks(25)
        start = len(stage.frames)
        stage.speaker.mute(muted=False)
        await stage.ticks(75)
        heard = stage.heard(since=start)
        stage.speaker.mute(muted=True)
        start = await stage.ticks(20)
        level, speaking = stage.speaker.meter.dbfs, stage.speaker.meter.speaking
        after = stage.frames[start:]
        sending = stage.speaker.sending
    assert (muted, handed_on) == ([], 0)
    assert heard.dominant_hz == pytest.approx(1_000, abs=2)
    assert heard.level_db(440.0) < -30
    assert len(stage.packets) > 50
    assert all(one is None for one in after)
    assert (level, speaking, sending) == (-100.0, False, True)


async def test_receiver_reports_reach_the_sender_and_tell_the_truth() -> None:
    async with on_stage(Tone(440.0)) as stage:
        sender = stage.client.getSenders()[0]

        async def reported() -> dict[str, object]:
            stats = (await sender.getStats()).values()
            return next((vars(one) for one in stats if one.type == "remote-inbound-rtp"), {})

        async with asyncio.timeout(10):
            while (report := await reported()).get("roundTripTime") is None:  # noqa: ASYNC110 -- it tells nobody
                await asyncio.sleep(0.1)
    assert (report["packetsLost"], report["fractionLost"]) == (0, 0)
    assert isinstance(report["roundTripTime"], float)
    assert 0 <= report["roundTripTime"] < 1


async def test_a_goodbye_ends_the_session_at_once() -> None:
    async with on_stage(Tone(440.0)) as stage:
        await until(lambda: stage.speaker.meter.speaking)
        (transceiver,) = stage.client.getTransceivers()
        await transceiver.sender.stop()
        await until(lambda: stage.ended == [Reason.LEFT], seconds=1.0)
        frames = await stage.ticks(3)
        assert stage.frames[frames:] == [None] * len(stage.frames[frames:])


async def test_a_client_that_closes_without_a_word_has_left() -> None:
    async with on_stage(Tone(440.0)) as stage:
        await until(lambda: stage.speaker.meter.speaking)
        await stage.client.getSenders()[0].transport.stop()
        await until(lambda: stage.ended == [Reason.LEFT])


async def test_the_answer_asks_for_levels_and_packets_bring_them() -> None:
    async with on_stage(track := ToneOfFrames(loudness=0.3)) as stage:
        await until(lambda: len(stage.packets) > 20)
        loud = stage.speaker.loudness
        track.loudness = 0.003
        await stage.ticks(40)
        soft = stage.speaker.loudness
        levels = {packet.level for packet in stage.packets[:20]}
    assert f" {rtp.AUDIO_LEVEL}\r\n" in stage.answer
    assert levels <= {-13, -14}
    assert loud == pytest.approx(-13.5, abs=1.5)
    assert soft == pytest.approx(-53.5, abs=1.5)


async def test_known_by_its_packets_it_need_not_be_decoded_to_be_judged() -> None:
    async with on_stage(ToneOfFrames()) as stage:
        stage.decoding = False
        await until(lambda: len(stage.packets) > 50)
        loudness, taken = stage.speaker.loudness, [one for one in stage.frames if one is not None]
        stage.decoding = True
        start = await stage.ticks(75)
        heard = stage.heard(since=start)
    assert taken == []
    assert loudness == pytest.approx(-13.5, abs=1.5)
    assert heard.dominant_hz == pytest.approx(440, abs=2)


async def test_without_levels_in_its_packets_the_sound_itself_is_measured_though_it_is_not_heard() -> None:
    async with on_stage(Tone(440.0)) as stage:
        stage.decoding = False
        await until(lambda: len(stage.packets) > 50)
        loudness, taken = stage.speaker.loudness, [one for one in stage.frames if one is not None]
    assert taken == []
    assert loudness == pytest.approx(-13.5, abs=1.5)


async def test_forged_and_damaged_packets_are_left_out() -> None:
    async with on_stage(Tone(440.0)) as stage:
        await until(lambda: stage.speaker.meter.speaking)
        before = stage.speaker.figures.received
        for data in (b"\x80", b"\x80\x6f" + bytes(60), b"\x80\x6f" + bytes(4_000), b"\xbf\xff" * 20):
            stage.speaker._uplink._take_rtp(data)
        await stage.ticks(10)
        assert not stage.speaker.over
        assert stage.speaker.figures.received > before
        assert stage.speaker.figures.lost == 0
