import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.media.loudest import MOST, Loudest

SEATS = [f"seat-{number}" for number in range(10)]


def levels(**loud: float) -> dict[str, float]:
    """Return all ten seats, silent but for those named."""
    return {seat: loud.get(seat.replace("-", "_"), -90.0) for seat in SEATS}


def after(loudest: Loudest, ticks: int, **loud: float) -> frozenset[str]:
    chosen: frozenset[str] = frozenset()
    for _ in range(ticks):
        chosen = loudest.choose(levels(**loud))
    return chosen


@pytest.mark.parametrize("count", [0, 1, 5])
def test_up_to_five_all_are_decoded_however_silent(count: int) -> None:
    assert Loudest().choose(dict.fromkeys(SEATS[:count], -100.0)) == set(SEATS[:count])


def test_whoever_begins_to_talk_is_decoded_at_once_where_somebody_is_silent() -> None:
    loudest = Loudest()
    after(loudest, 50)
    assert "seat-9" in loudest.choose(levels(seat_9=-30.0))


def test_a_pause_of_half_a_second_does_not_cost_the_place() -> None:
    loudest = Loudest()
    five = dict.fromkeys(["seat_5", "seat_6", "seat_7", "seat_8", "seat_9"], -30.0)
    after(loudest, 100, **five)
    paused = {seat: level for seat, level in five.items() if seat != "seat_5"}
    assert "seat-5" in after(loudest, 25, **paused, seat_0=-30.0)
    assert "seat-5" not in after(loudest, 25, **paused, seat_0=-30.0)


def test_when_all_places_talk_a_sixth_voice_waits_unless_it_is_clearly_louder_for_a_while() -> None:
    loudest = Loudest()
    five = dict.fromkeys(["seat_0", "seat_1", "seat_2", "seat_3"], -30.0) | {"seat_4": -36.0}
    after(loudest, 100, **five)
    assert "seat-9" not in after(loudest, 500, **five, seat_9=-31.0)
    assert "seat-9" not in after(loudest, 5, **five, seat_9=-20.0)
    assert after(loudest, 15, **five, seat_9=-20.0) == {"seat-0", "seat-1", "seat-2", "seat-3", "seat-9"}


def test_of_many_who_begin_together_the_loudest_are_taken() -> None:
    loud = {f"seat_{number}": -20.0 - number for number in range(10)}
    assert Loudest(most=3).choose(levels(**loud)) == {"seat-0", "seat-1", "seat-2"}


def test_who_has_gone_leaves_the_place_to_others() -> None:
    loudest = Loudest()
    five = dict.fromkeys(["seat_0", "seat_1", "seat_2", "seat_3", "seat_4"], -30.0)
    after(loudest, 10, **five, seat_9=-30.0)
    left = {seat: level for seat, level in levels(**five, seat_9=-30.0).items() if seat != "seat-0"}
    assert loudest.choose(left) == {"seat-1", "seat-2", "seat-3", "seat-4", "seat-9"}


@given(
    ticks=st.lists(st.dictionaries(st.sampled_from(SEATS), st.floats(-127.0, 0.0), max_size=10), max_size=60)
)
def test_as_many_are_chosen_as_there_are_places_and_only_of_those_who_are_here(
    ticks: list[dict[str, float]],
) -> None:
    loudest = Loudest()
    for here in ticks:
        chosen = loudest.choose(here)
        assert chosen <= here.keys()
        assert len(chosen) == min(MOST, len(here))
