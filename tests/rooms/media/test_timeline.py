"""Numbers and timestamps of a room go on, whoever mixes it and however late."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rooms.media.timeline import HELD_PACKETS, HIGH_PACKETS, Timeline

WRAP = 1 << 32
Event = tuple[str, int, int, int, float]

events = st.lists(
    st.tuples(
        st.sampled_from(["mix", "mix", "mix", "fill"]),
        st.integers(0, 3),  # source
        st.integers(0, 200),  # number
        st.sampled_from([1, 2, 3]),
        st.floats(0, 3),  # seconds since the one before
    ),
    max_size=60,
)


@given(events, st.booleans())
def test_numbers_go_up_by_one_and_time_never_goes_back(happened: list[Event], high: bool) -> None:  # noqa: FBT001
    timeline, at = Timeline(high=high), 0.0
    marks, lengths = [], []
    for kind, source, number, frames, passed in happened:
        at += passed
        mark = (
            timeline.fill(at=at)
            if kind == "fill"
            else timeline.mark(source=source, number=number, frames=frames, at=at)
        )
        if mark is not None:
            marks.append(mark)
            lengths.append(960 * (1 if kind == "fill" else frames))
    assert {(later - earlier) & 0xFFFF for (earlier, _), (later, _) in pairwise(marks)} <= {1}
    for ((_, earlier), (_, later)), length in zip(pairwise(marks), lengths, strict=False):
        assert length <= (later - earlier) % WRAP < 1 << 31


def test_a_source_keeps_its_own_time_and_a_hole_in_it_is_a_hole() -> None:
    timeline = Timeline()
    marks = [timeline.mark(source=1, number=number, frames=1, at=0.0) for number in (5, 6, 9)]
    stamps = [mark[1] for mark in marks if mark is not None]
    assert [(stamp - stamps[0]) % WRAP for stamp in stamps] == [0, 960, 4 * 960]


def test_what_was_sent_or_overtaken_or_replaced_is_not_sent() -> None:
    timeline = Timeline()
    told = [(1, 5, 2), (1, 5, 2), (1, 6, 1), (1, 4, 1), (1, 7, 1), (2, 0, 1), (1, 8, 1), (2, 1, 1)]
    sent = [
        timeline.mark(source=source, number=number, frames=frames, at=0.0) is not None
        for source, number, frames in told
    ]
    assert sent == [True, False, False, False, True, True, False, True]


def test_a_new_source_begins_where_the_wall_clock_is() -> None:
    timeline = Timeline()
    before = timeline.mark(source=1, number=0, frames=1, at=10.0)
    after = timeline.mark(source=2, number=77, frames=1, at=11.5)
    assert before is not None
    assert after is not None
    assert (after[1] - before[1]) % WRAP == 72_000
    assert timeline.stamp(at=12.0) == (after[1] + 24_000) % WRAP


def test_joiners_are_held_before_the_wrap_and_only_then() -> None:
    timeline = Timeline(high=True)
    near = []
    for number in range(HIGH_PACKETS + 2):
        near.append(timeline.is_near_wrap)
        timeline.mark(source=1, number=number, frames=1, at=0.0)
    held = HIGH_PACKETS - HELD_PACKETS
    assert near == [False] * held + [True] * (HELD_PACKETS + 1) + [False]


def test_a_room_begins_in_the_lower_half() -> None:
    assert max(Timeline().sequence for _ in range(50)) < 1 << 15
