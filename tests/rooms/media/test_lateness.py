"""What counts as late."""

from rooms.media.feed import Tick
from rooms.media.lateness import WINDOW_SECONDS, Lateness


def lateness(
    *delays: float, takes: float = 0.001, source: int = 1, of: Lateness | None = None
) -> tuple[int, ...]:
    late = Lateness() if of is None else of
    for number, delay in enumerate(delays):
        began = 100 + number * 0.02 + delay
        late.note(Tick("room", source, number, 1, b"", {}), began=began, sent=began + takes)
    return late.over_5ms, late.over_20ms, late.over_40ms


def test_late_is_against_the_quickest() -> None:
    assert lateness(0.003, 0.0, 0.003, 0.006, 0.030, 0.045) == (3, 2, 1)


def test_a_long_send_makes_the_tick_late() -> None:
    assert lateness(0.0, 0.0, takes=0.025) == (2, 2, 0)


def test_a_clock_that_has_paused_is_forgiven_after_a_while() -> None:
    ticks = round(3 * WINDOW_SECONDS / 0.02)
    over, _, _ = lateness(*[0.0] * 10, *[1.0] * ticks)
    assert over <= 2 * WINDOW_SECONDS / 0.02


def test_another_source_has_a_clock_of_its_own() -> None:
    late = Lateness()
    lateness(0.0, of=late)
    assert lateness(5.0, 5.0, source=2, of=late) == (0, 0, 0)
