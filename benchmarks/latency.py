"""Mouth to ear: a real client switches a tone on, and a real listener says when it arrives.

    python -m benchmarks.latency                      # 50 onsets each for packets of 20, 40 and 60 ms
    python -m benchmarks.latency --ptimes 20 --onsets 20

The speaker is an aiortc client of the mixer, the listener one of the edge, and mixer, edge and sender are the
processes that they are in the house. A tone begins at a moment drawn by lot, in the middle of a frame too. It
was spoken when a microphone would have taken it up, 20 ms before the packet that begins with it ends; and it
is heard when its first packet has arrived, at the place in the decoded packet where the tone begins. A jitter
buffer of the listener's own comes on top: `stock_buffer_ms` is what aiortc's adds to these very packets.

Prints one JSON object. Milliseconds; the parts add up to the whole, onset by onset:

* `packetising`  from the mouth to the packet on the wire: 20 ms less the place in it
* `mixer`        network, jitter buffer, waiting for the tick, mixing, and the wait for a packet to be full
* `edge`         from the mixer's packet to the listener's
* `place`        in the listener's packet, with the look-ahead of two encoders, 6.5 ms each

Of the mixer's part `jitter_buffer_ms` is what the speaker's buffer said it added, and `encode_ms` what one
packet of the house mix costs to encode.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from aiortc import RTCPeerConnection, RTCSessionDescription

from benchmarks.door import Caller
from benchmarks.onsets import Arrivals, Heard
from benchmarks.relay import LOOPBACK
from benchmarks.rig import Rig, machine
from benchmarks.sink import open_sink
from benchmarks.talker import BITRATE, Talker, Talking
from rooms.media import whip_client, wire
from rooms.media.machine import Reach
from rooms.media.opus import Encoder
from rooms.media.sound import FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE, Samples

PTIMES: Final = (20, 40, 60)
ONSETS: Final = 50
BAR_MS: Final = 150.0  # p95 at 20 ms
HERTZ: Final = 1_000.0
LOUDNESS: Final = 0.5
EVERY_SECONDS: Final = 0.5
TONE_SECONDS: Final = 0.2
_FIRST_SECONDS: Final = 1.0  # of silence, in which everything settles
_SETTLE_SECONDS: Final = 0.5
_FEED_AGAIN_SECONDS: Final = 2.0
_ENCODED: Final = 100  # packets, to time one


@dataclass(frozen=True)
class Said:
    """What the speaker says: its packets, and where in them, in seconds, the tones begin."""

    talk: list[bytes | None]
    onsets: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description="Mouth to ear, by the onset of a tone.")
    parser.add_argument("--ptimes", type=int, nargs="+", default=PTIMES, choices=PTIMES, help="ms")
    parser.add_argument("--onsets", type=int, default=ONSETS, help="for each length of packet")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    said = _say(given.onsets, random.Random(given.seed))  # noqa: S311 -- repeatable, no secret
    found: dict[str, Any] = {"machine": machine(), "onsets": given.onsets}
    for ptime in given.ptimes:
        with Rig() as rig:
            found[f"{ptime} ms"] = asyncio.run(_measure(rig, said, ptime=ptime))
    if "20 ms" in found:
        p95 = found["20 ms"]["mouth_to_ear_ms"]["p95"]
        found["bars"] = {"p95 ≤ 150 ms at 20 ms": {"kept": p95 is not None and p95 <= BAR_MS, "p95": p95}}
    print(json.dumps(found, indent=2, ensure_ascii=False))


def _say(onsets: int, dice: random.Random) -> Said:
    """Return tones of 0.2 s, one in each half second, each beginning at any sample of its frame."""
    begin = [_FIRST_SECONDS + number * EVERY_SECONDS + dice.uniform(0, 0.2) for number in range(onsets)]
    frames = round((_FIRST_SECONDS + onsets * EVERY_SECONDS + _SETTLE_SECONDS) / FRAME_SECONDS)
    sound = np.zeros(frames * FRAME_SAMPLES, dtype=np.float32)
    for at in begin:
        place = round(at * SAMPLE_RATE)
        sound[place : place + _TONE.size] = _TONE
    encoder = Encoder(bitrate=BITRATE)
    talk: list[bytes | None] = [encoder.encode(frame) for frame in sound.reshape(-1, FRAME_SAMPLES)]
    return Said(talk=talk, onsets=[round(at * SAMPLE_RATE) / SAMPLE_RATE for at in begin])


async def _measure(rig: Rig, said: Said, *, ptime: int) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    _, mixer_door = rig.server("mixer_under_test", "--ptime", ptime)
    _, edge_door = rig.server("house_under_test")
    mixer, edge = rig.call(mixer_door), rig.call(edge_door)
    arrivals, sent_at = Arrivals(loop.time), dict[int, float]()
    feeds = [edge.ask(op="facts")["feed"]]
    async with open_sink(lambda tick, at: sent_at.update({tick.number: at})) as name:
        waits: list[float] = []
        feeding = asyncio.create_task(_feed(mixer, [*feeds, name], waits))
        track = Talking(said.talk)
        speaker = await _speak(mixer, track)
        listener = await _listen(edge, arrivals)
        track.begin(began := loop.time() + 0.1)
        await track.done.wait()
        await asyncio.sleep(_SETTLE_SECONDS)
        feeding.cancel()
        await speaker.hang_up()
        await wire.hang_up(listener)
    return {
        **_figures(said, arrivals, sent_at, began=began),
        "jitter_buffer_ms": round(float(np.median(waits)), 1) if waits else None,
        "encode_ms": _encoding(frames=ptime // 20),
    }


async def _feed(mixer: Caller, names: Sequence[str], waits: list[float]) -> None:
    """Have the mixer feed all `names`, and note each time what its speaker's buffer says it adds, in ms."""
    while True:
        for name in names:
            mixer.ask(op="feed", name=name)
        waits += [one["delay_ms"] for one in mixer.ask(op="figures")["figures"] if one["delay_ms"]]
        await asyncio.sleep(_FEED_AGAIN_SECONDS)


def _encoding(*, frames: int) -> float:
    """Return how many ms it takes here to encode one packet of the house mix."""
    encoder = Encoder(frames=frames)
    sound = np.resize(_TONE, frames * FRAME_SAMPLES)
    began = time.thread_time()
    for _ in range(_ENCODED):
        encoder.encode(sound)
    return round((time.thread_time() - began) / _ENCODED * 1000, 2)


async def _speak(mixer: Caller, track: Talking) -> Talker[Talking]:
    async def answer_to(offer: str) -> str:
        return str(mixer.ask(op="speak", seat="mouth", offer=offer)["answer"])

    talker = Talker(track)
    await talker.call(answer_to)
    await talker.up()
    return talker


async def _listen(edge: Caller, arrivals: Arrivals) -> RTCPeerConnection:
    connection = wire.new_connection()
    transceiver = connection.addTransceiver("audio", direction="recvonly")
    wire.bind(transceiver, Reach([LOOPBACK]))
    arrivals.take_from(transceiver.receiver)
    await connection.setLocalDescription(await connection.createOffer())
    told = edge.ask(op="listen", number=1, offer=connection.localDescription.sdp)
    return await _answered(connection, told["answer"])


async def _answered(connection: RTCPeerConnection, answer: str) -> RTCPeerConnection:
    await connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    await whip_client.up(connection)
    return connection


def _figures(said: Said, arrivals: Arrivals, sent_at: dict[int, float], *, began: float) -> dict[str, object]:
    numbers = arrivals.numbers(sent_at)
    heard = arrivals.onsets(loudness=LOUDNESS)
    rows = []
    for onset in said.onsets:
        spoken_at = began + onset - FRAME_SECONDS
        packet_at = began + onset // FRAME_SECONDS * FRAME_SECONDS
        mine = [one for one in heard if 0.0 < one.heard_at - spoken_at < EVERY_SECONDS / 2]
        if mine:
            mixed_at = sent_at.get(numbers.get(mine[0].timestamp, -1))
            rows.append(_row(mine[0], spoken_at=spoken_at, packet_at=packet_at, mixed_at=mixed_at))
    return {
        "heard": len(rows),
        "mouth_to_ear_ms": _spread([row["whole"] for row in rows]),
        "parts_ms": {
            part: _spread([row[part] for row in rows if part in row])
            for part in ("packetising", "mixer", "edge", "place")
        },
        "stock_buffer_ms": _spread([row["stock"] for row in rows if "stock" in row]),
    }


def _row(heard: Heard, *, spoken_at: float, packet_at: float, mixed_at: float | None) -> dict[str, float]:
    row = {
        "whole": heard.heard_at - spoken_at,
        "packetising": packet_at - spoken_at,
        "place": heard.place,
    }
    if mixed_at is not None:
        row |= {"mixer": mixed_at - packet_at, "edge": heard.arrived_at - mixed_at}
    if heard.stock_at is not None:
        row["stock"] = heard.stock_at - heard.arrived_at
    return row


def _spread(seconds: list[float]) -> dict[str, float | None]:
    if not seconds:
        return dict.fromkeys(("p50", "p95", "most"))
    cuts = {"p50": np.percentile(seconds, 50), "p95": np.percentile(seconds, 95), "most": max(seconds)}
    return {name: round(float(value) * 1000, 1) for name, value in cuts.items()}


def _tone(seconds: float) -> Samples:
    at = np.arange(round(seconds * SAMPLE_RATE))
    return (LOUDNESS * np.sin(2 * np.pi * HERTZ * at / SAMPLE_RATE)).astype(np.float32)


_TONE: Final = _tone(TONE_SECONDS)


if __name__ == "__main__":
    main()
