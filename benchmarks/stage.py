"""What a stage costs its mixer: more and more people who all talk at once, then the same people muted.

    python -m benchmarks.stage                        # 1, 5, 10 and 20 speakers
    python -m benchmarks.stage --speakers 1 3 --seconds 5

Each speaker is a real WebRTC client that reads sentences aloud without a pause and says in each packet how
loud it is (RFC 6464), as browsers do. The mixer is the process that it is in the house, with one sender to
feed. Only the loudest are decoded, but each unmuted speaker has a mix without themselves, and an encoder for
it.

Prints one JSON object. `core` is the mixer's CPU, user and system, as a share of one core; the marginal
figures are µs of it for each speaker and second.
"""

import argparse
import asyncio
import itertools
import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

import numpy as np
from aiortc import MediaStreamTrack
from av import AudioFrame
from numpy.typing import NDArray

from benchmarks import meter
from benchmarks.door import Caller
from benchmarks.rig import Rig, machine
from benchmarks.sink import open_sink
from benchmarks.speech import SENTENCES, say
from benchmarks.talker import Talker
from rooms.media import loudest
from rooms.media.opus import TIME_BASE
from rooms.media.room import MOST_SPEAKERS
from rooms.media.sound import FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE

SPEAKERS: Final = (1, loudest.MOST, 2 * loudest.MOST, MOST_SPEAKERS)
_SETTLE_SECONDS: Final = 1.5
_FEED_AGAIN_SECONDS: Final = 2.0

Frame = NDArray[np.int16]


class Reading(MediaStreamTrack):
    """Reads our sentences aloud again and again, beginning with sentence `first`, a frame each 20 ms."""

    kind = "audio"

    def __init__(self, first: int) -> None:
        super().__init__()
        self._frames = _frames(first)
        self._sent = 0
        self._began_at: float | None = None

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        self._began_at = loop.time() if self._began_at is None else self._began_at
        await asyncio.sleep(self._began_at + self._sent * FRAME_SECONDS - loop.time())
        frame = AudioFrame.from_ndarray(next(self._frames), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._sent * FRAME_SAMPLES, TIME_BASE
        self._sent += 1
        return frame


def main() -> None:
    parser = argparse.ArgumentParser(description="What speakers cost their mixer.")
    parser.add_argument(
        "--speakers",
        type=int,
        nargs="+",
        default=SPEAKERS,
        choices=range(1, MOST_SPEAKERS + 1),
        metavar=f"1…{MOST_SPEAKERS}",
        help="how many, step by step",
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of measuring, for each step")
    given = parser.parse_args()
    _sentences()  # before anything is measured
    with Rig() as rig:
        steps = asyncio.run(_measure(rig, sorted(given.speakers), seconds=given.seconds))
    print(json.dumps({"machine": machine(), **steps}, indent=2, ensure_ascii=False))


async def _measure(rig: Rig, sizes: Sequence[int], *, seconds: float) -> dict[str, object]:
    mixer, path = rig.server("mixer_under_test")
    door = rig.call(path)
    pids = {"mixer": [mixer.pid]}
    talkers: list[Talker[Reading]] = []
    async with open_sink(lambda _tick, _at: None) as name:
        feeding = asyncio.create_task(_feed(door, name))
        nobody = await _share(pids, seconds=seconds)
        talking = {}
        for size in sizes:
            while len(talkers) < size:
                talkers.append(await _come(door, seat=len(talkers)))
            talking[size] = await _share(pids, seconds=seconds)
        figures = door.ask(op="figures")["figures"]
        for seat in range(len(talkers)):
            door.ask(op="mute", seat=str(seat), muted=True)
        muted = await _share(pids, seconds=seconds)
        feeding.cancel()
        for talker in talkers:
            await talker.hang_up()
    return {
        "seconds": seconds,
        "nobody": {"core": nobody},
        "all talking": {str(size): {"core": core} for size, core in talking.items()},
        "all muted": {str(len(talkers)): {"core": muted}},
        "us_per_speaker_s": {
            **{
                f"from {less} to {more}": round((talking[more] - talking[less]) / (more - less) * 1e6)
                for less, more in itertools.pairwise(talking)
            },
            "muted": round((muted - nobody) / len(talkers) * 1e6),
        },
        "most_decoded_at_once": loudest.MOST,
        "concealed_frames": round(sum(one["concealed"] for one in figures), 1),
    }


async def _feed(door: Caller, name: str) -> None:
    while True:
        door.ask(op="feed", name=name)
        await asyncio.sleep(_FEED_AGAIN_SECONDS)


async def _come(door: Caller, *, seat: int) -> Talker[Reading]:
    async def answer_to(offer: str) -> str:
        return str(door.ask(op="speak", seat=str(seat), offer=offer)["answer"])

    talker = Talker(Reading(seat % len(SENTENCES)))
    await talker.call(answer_to)
    await talker.up()
    return talker


async def _share(pids: dict[str, list[int]], *, seconds: float) -> float:
    """Return the share of a core that the mixer takes in the coming seconds, once all has settled."""
    await asyncio.sleep(_SETTLE_SECONDS)
    before = meter.read(pids)
    await asyncio.sleep(seconds)
    return meter.read(pids).shares_since(before)["mixer"]


def _frames(first: int) -> Iterator[Frame]:
    """Return frames of 16-bit samples, shape (1, 960), without end, beginning with sentence `first`."""
    sentences = _sentences()
    return itertools.cycle(itertools.chain(*sentences[first:], *sentences[:first]))


@cache
def _sentences() -> list[Frame]:
    spoken = (say(text, voice=voice) for voice, text in SENTENCES)
    return [(sound.reshape(-1, 1, FRAME_SAMPLES) * 32_767).astype(np.int16) for sound in spoken]


if __name__ == "__main__":
    main()
