from datetime import timedelta

from core import retries

TWICE = retries.Patience(pauses=(timedelta(seconds=10), timedelta(minutes=1)), most=2)


def test_a_pause_follows_each_try_and_the_last_one_stays() -> None:
    assert [TWICE.pause(attempts) for attempts in (1, 2, 3, 9)] == [
        timedelta(seconds=10),
        timedelta(minutes=1),
        timedelta(minutes=1),
        timedelta(minutes=1),
    ]
