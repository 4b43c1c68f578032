from hypothesis import given
from hypothesis import strategies as st

from rooms.media.delays import KNOWN, WINDOW_PACKETS, WINDOW_SECONDS, Delays


def noted(*transits: float, every: float = 0.020, delays: Delays | None = None, start: float = 0.0) -> Delays:
    delays = delays or Delays()
    for number, transit in enumerate(transits):
        delays.note(transit, at=start + number * every)
    return delays


def test_before_anything_has_come_nothing_is_known() -> None:
    delays = Delays()
    assert (delays.fastest, delays.nearly_most, delays.known) == (None, 0.0, False)


def test_the_fastest_is_known_at_once_and_the_rest_is_measured_from_it() -> None:
    delays = noted(*[1_000.0, 1_500.0] * 20, 400.0)
    assert delays.fastest == 400.0
    assert noted(*[900.0] * 10, delays=delays, start=1.0).nearly_most == 1_100.0


def test_one_packet_in_a_hundred_may_be_later_than_that() -> None:
    assert noted(*[0.0] * 150, 9_600.0, *[0.0] * 49).nearly_most == 0.0
    assert noted(*[0.0] * 150, *[9_600.0] * 3, *[0.0] * 47).nearly_most == 9_600.0


def test_after_some_seconds_a_hiccup_is_forgotten() -> None:
    delays = noted(*[0.0] * 50, *[7_000.0] * 5, *[0.0] * 100)
    before = delays.nearly_most
    noted(*[0.0] * 220, delays=delays, start=3.1)
    assert (before, delays.nearly_most) == (7_000.0, 0.0)


def test_a_slower_way_is_the_measure_after_half_a_second() -> None:
    delays = noted(*[0.0] * 100, *[24_000.0] * (KNOWN + 10))
    assert (delays.fastest, delays.nearly_most) == (24_000.0, 0.0)


def test_it_can_begin_anew() -> None:
    delays = noted(*[5.0] * 50)
    delays.forget()
    assert (delays.fastest, delays.nearly_most, delays.known) == (None, 0.0, False)


@given(
    transits=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400),
    every=st.sampled_from([0.002, 0.020, 0.400]),
)
def test_whatever_comes_it_is_bounded_and_the_fastest_is_one_of_the_window(
    transits: list[float], every: float
) -> None:
    delays = noted(*transits, every=every)
    assert delays.fastest in transits
    assert 0.0 <= delays.nearly_most <= max(transits) - min(transits)
    assert len(delays._noted) <= WINDOW_PACKETS
    assert len(delays._noted) * every <= max(WINDOW_SECONDS + 11 * every, WINDOW_PACKETS * 0.0201)
