"""The buffer on a virtual clock."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rooms.media.jitter import MOST_CONCEALED, MOST_HELD, MOST_SLACK, Buffer, Do, Turn
from tests.rooms.media.virtual_line import Fate, Line, well


@pytest.mark.parametrize("phase", [0.0, 0.004, 0.009, 0.014, 0.0199])
@pytest.mark.parametrize("length", [480, 960, 1920, 2880])
def test_on_a_clean_line_all_is_played_in_order_after_a_moment(length: int, phase: float) -> None:
    count = 10 * 48_000 // length
    line = Line(length=length, phase=phase).say(*well(count)).listen()
    waits = line.wait_between(3, 10)
    assert line.numbers() == list(range(count))
    assert 5 < waits < 45


def test_what_is_lost_is_recovered_from_the_next_packet_once_two_were() -> None:
    fates = [Fate(lost=number % 30 == 29) for number in range(600)]
    line = Line().say(*fates).listen()
    buffer = line.buffer
    assert (buffer.lost, buffer.received) == (19, 580)  # after the last one none came
    assert buffer.recovered >= 17
    assert line.wait_between(5, 11) < 60
    assert line.longest_gap() <= 2


def test_without_fec_a_lost_packet_is_concealed() -> None:
    line = Line(fec=False).say(*well(100), Fate(lost=True), *well(100)).listen()
    assert line.numbers() == [*range(100), *range(101, 201)]
    assert line.did()[Do.RECOVER] == 0
    assert line.longest_gap() == 1


def test_many_lost_in_a_row_are_concealed_and_the_last_of_them_recovered() -> None:
    fates = [Fate(lost=True), *well(20), Fate(lost=True), *well(20)]
    line = Line().say(*well(100), *fates, *[Fate(lost=True)] * 4, *well(100)).listen()
    assert line.buffer.lost == 6
    assert line.buffer.recovered >= 1
    assert line.wait_between(4, 5) < 60


@pytest.mark.parametrize("phase", [0.0, 0.007, 0.013])
def test_one_per_cent_of_loss_never_makes_a_longer_gap_than_sixty_milliseconds(phase: float) -> None:
    fates = [Fate(lost=number % 100 == 57) for number in range(3_000)]
    line = Line(phase=phase).say(*fates).listen()
    assert line.longest_gap() <= 3
    assert line.wait_between(50, 60) < 60


@pytest.mark.parametrize("most", [0.03, 0.08, 0.2])
def test_it_follows_jitter_within_a_second_or_two_and_comes_back_within_some(most: float) -> None:
    uneven = [Fate(late_by=(number * 7_919 % 100) / 100 * most) for number in range(500)]
    line = Line().say(*well(250), *uneven, *well(500)).listen()
    buffer = line.buffer
    before = [number for number in range(250, 300) if number not in set(line.numbers())]
    later = [number for number in range(350, 1_250) if number not in set(line.numbers())]
    assert len(before) <= 25
    assert len(later) <= 9
    assert line.wait_between(8, 14) < most * 1_000 + 60
    assert line.wait_between(23, 24) < 45
    assert buffer.late + buffer.skipped <= 34


def test_in_the_midst_of_music_too_the_delay_comes_back() -> None:
    uneven = [Fate(late_by=(number * 7_919 % 100) / 100 * 0.1) for number in range(250)]
    line = Line(quiet=lambda _: False).say(*uneven, *well(900)).listen()
    assert line.wait_between(21, 22) < 45


def test_after_a_hiccup_nothing_is_lost_and_the_delay_is_soon_small_again() -> None:
    hiccup = [Fate(late_by=0.150 - number * 0.020) for number in range(7)]
    line = Line().say(*well(200), *hiccup, *well(500)).listen()
    assert line.numbers() == list(range(707))
    assert line.wait_between(5, 6) < 190
    assert line.wait_between(12, 13) < 45


def test_after_a_long_hold_up_only_what_is_far_too_late_is_lost() -> None:
    held_up = [Fate(late_by=1.0 - number * 0.020) for number in range(50)]
    line = Line().say(*well(200), *held_up, *well(500)).listen()
    lost = sorted(set(range(750)) - set(line.numbers()))
    assert lost == list(range(200, 200 + len(lost)))
    assert len(lost) < 45
    assert line.wait_between(14, 15) < 45


def test_another_way_through_the_network_costs_half_a_second_and_no_more() -> None:
    line = Line().say(*well(200), *[Fate(late_by=0.4)] * 500).listen()
    missing = set(range(700)) - set(line.numbers())
    assert len(missing) < 40
    assert line.wait_between(13, 14) < 45


@pytest.mark.parametrize("payload", [b"\x78", b"\x78\x00"])
def test_with_dtx_the_last_words_come_on_time_and_silence_is_not_loss(payload: bytes) -> None:
    line = Line().say(*well(100), silence_after=1.0).say(*well(100)).listen()
    waits = {number: decoded - came for number, came, decoded in line.played}
    assert line.numbers() == list(range(200))
    assert max(waits[number] for number in range(90, 100)) < 0.045
    assert (line.buffer.lost, line.buffer.late) == (0, 0)
    assert line.buffer.concealed_samples == 2 * MOST_CONCEALED  # until it stops
    told = Buffer()
    for sequence in range(2):
        told.put(
            sequence=sequence, timestamp=960 * sequence, samples=960, payload=payload, at=sequence * 0.02
        )
    turns = [told.take(at=0.03 + tick * 0.02, quiet=True) for tick in range(5)]
    assert [turn.plays for turn in turns] == [True, True, False, False, False]


@pytest.mark.parametrize("drift", [0.001, -0.001])
def test_a_clock_that_runs_wrong_costs_one_frame_in_twenty_seconds(drift: float) -> None:
    line = Line(drift=drift).say(*well(50 * 120)).listen()
    shortened = sum(turn.shorten for turn in line.turns)
    assert line.numbers() == list(range(50 * 120))
    assert line.did()[Do.CONCEAL] + shortened <= 7 + MOST_CONCEALED // 960
    assert max(line.wait_between(start, start + 1) for start in range(5, 118)) < 55
    in_words = [
        turn for at, turn in enumerate(line.turns) if turn.shorten and not line.quiet(at * 0.02 + 0.007)
    ]
    assert in_words == []


def test_packets_in_the_wrong_order_are_played_in_the_right_one() -> None:
    swapped = [Fate(late_by=0.025 if number % 9 == 4 else 0.0) for number in range(500)]
    line = Line().say(*swapped).listen()
    assert line.numbers() == sorted(line.numbers())
    assert len(line.numbers()) >= 497


def test_what_comes_twice_is_played_once() -> None:
    line = Line().say(*[Fate(twice=True)] * 200).listen()
    assert line.numbers() == list(range(200))
    assert line.buffer.duplicated == 200


def test_what_was_said_before_a_mute_is_not_heard_after_it() -> None:
    line = Line(phase=0.0199).say(*well(100)).listen(until=1.5)
    line.buffer.hush()
    heard_before = len(line.played)
    line.listen()
    assert line.numbers()[heard_before] - line.numbers()[heard_before - 1] > 1
    assert line.numbers()[-1] == 99


def test_while_only_counted_the_network_is_known_and_nothing_waits() -> None:
    buffer = Buffer()
    for number in range(100):
        at = number * 0.020 + (0.080 if number % 10 == 0 else 0.0)
        buffer.put(sequence=number, timestamp=number * 960, samples=960, payload=b"", at=at, hold=False)
    assert len(buffer) == 0
    assert buffer.delays.nearly_most == pytest.approx(0.080 * 48_000)


@pytest.mark.parametrize(("sequence", "timestamp"), [(40_000, 123), (7, 3_000_000_000), (40_000, 97 * 960)])
def test_another_stream_is_taken_up_after_one_packet(sequence: int, timestamp: int) -> None:
    line = Line(first_sequence=0, first_timestamp=0).say(*well(100)).listen(until=2.0)
    heard_before = len(line.played)
    line.first_sequence, line.first_timestamp = sequence - 100, timestamp - 100 * 960
    line.say(*well(100)).listen()
    assert line.numbers()[heard_before:][-98:] == list(range(102, 200))


def test_one_stray_packet_changes_nothing() -> None:
    line = Line().say(*well(50)).listen(until=1.0)
    line.buffer.put(sequence=30_000, timestamp=5, samples=960, payload=b"stray", at=1.0)
    line.say(*well(100)).listen()
    assert line.numbers() == list(range(150))


def test_timestamps_that_go_back_are_followed_within_half_a_second() -> None:
    line = Line(first_timestamp=100_000).say(*well(100)).listen(until=2.0)
    line.first_timestamp -= 48_000
    line.say(*well(200)).listen()
    assert line.numbers()[-170:] == list(range(130, 300))


def test_what_is_no_packet_is_counted_and_left() -> None:
    buffer = Buffer()
    buffer.put(sequence=1, timestamp=2, samples=0, payload=b"", at=0.0)
    assert (buffer.malformed, len(buffer)) == (1, 0)
    assert buffer.take(at=1.0, quiet=True) == Turn((), plays=False)


fates = st.builds(
    Fate,
    lost=st.sampled_from([False, False, False, True]),
    late_by=st.one_of(st.just(0.0), st.floats(0.0, 0.5)),
    twice=st.booleans(),
)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    line = Line(
        length=draw(st.sampled_from([120, 480, 960, 1920, 2880])),
        drift=draw(st.sampled_from([0.0, 0.001, -0.001])),
        phase=draw(st.floats(0.0, 0.0199)),
        fec=draw(st.booleans()),
        first_sequence=draw(st.integers(0, 65_535)),
        first_timestamp=draw(st.integers(0, 2**32 - 1)),
    )
    for _ in range(draw(st.integers(1, 3))):
        line.say(*draw(st.lists(fates, max_size=60)), silence_after=draw(st.sampled_from([0.0, 0.1, 1.5])))
    return line


def overlapping(turns: list[Turn]) -> Iterator[int]:
    """Yield how many samples are left over after each tick, if each step yields what it says."""
    left = 0
    for turn in turns:
        left += sum(step.samples for step in turn.steps)
        if turn.plays:
            left -= 960 * (2 if turn.shorten else 1)
        else:
            left = 0
        yield left


@settings(max_examples=200, deadline=None)
@given(line=lines())
def test_whatever_the_network_does_order_is_kept_and_delay_and_memory_are_bounded(line: Line) -> None:
    most_held = 0
    end = line._time_of(line._sent) + 1.2
    while line._ticks * 0.020 < end:
        line.listen(until=line._ticks * 0.020 + 0.020 + line.phase)
        most_held = max(most_held, len(line.buffer))
    buffer = line.buffer
    numbers = line.numbers()
    assert numbers == sorted(set(numbers))
    assert most_held <= MOST_HELD
    assert all(decoded - came < MOST_SLACK / 48_000 + 0.045 for _, came, decoded in line.played)
    assert all(0 <= left < 2_880 + 960 for left in overlapping(line.turns))
    assert max(len(turn.steps) for turn in line.turns) <= 17
    # Whatever came is played, or came too late, or was let go to catch up, or had come before.
    unheard = buffer.received - len(numbers) - buffer.late - buffer.skipped - buffer.duplicated
    assert unheard == len(buffer) == 0


@settings(max_examples=50, deadline=None)
@given(
    jitter=st.floats(0.0, 0.010),
    drift=st.sampled_from([0.0, 0.001, -0.001]),
    phase=st.floats(0.0, 0.0199),
    length=st.sampled_from([480, 960, 2880]),
    seed=st.integers(0, 2**32),
)
def test_on_any_good_line_everything_that_comes_is_played(
    jitter: float, drift: float, phase: float, length: int, seed: int
) -> None:
    order = random.Random(seed)  # noqa: S311 -- to be repeated, not to be secret
    fates = [Fate(late_by=order.random() * jitter, lost=order.random() < 0.01) for _ in range(300)]
    line = Line(length=length, drift=drift, phase=phase).say(*fates).listen()
    came = [number for number, fate in enumerate(fates) if not fate.lost]
    # The first is taken before it is known how uneven the line is.
    assert len(line.numbers()) >= len(came) - 2
    assert line.buffer.skipped == 0


@settings(max_examples=60, deadline=None)
@given(line=lines())
def test_after_whatever_it_was_the_delay_is_small_again_within_ten_seconds(line: Line) -> None:
    line.say(*well(14 * 48_000 // line.length)).listen()
    end = line._ticks * 0.020
    most = 62 + line.length / 96
    assert line.wait_between(end - 2.5, end - 1.0) < most


@given(
    puts=st.lists(
        st.tuples(
            st.integers(0, 65_535),
            st.integers(0, 2**32 - 1),
            st.sampled_from([0, 120, 960, 5_760]),
            st.binary(max_size=3),
            st.floats(0.0, 0.2),
        ),
        max_size=80,
    )
)
def test_whatever_numbers_packets_bear_nothing_breaks(
    puts: list[tuple[int, int, int, bytes, float]],
) -> None:
    buffer, at = Buffer(), 0.0
    for sequence, timestamp, samples, payload, later in puts:
        at += later
        buffer.put(sequence=sequence, timestamp=timestamp, samples=samples, payload=payload, at=at)
        turn = buffer.take(at=at, quiet=False)
        assert sum(step.samples for step in turn.steps) <= 2 * 5_760
        assert len(buffer) <= MOST_HELD
