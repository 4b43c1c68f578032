from datetime import datetime

from core import pieces


def test_it_goes_on_until_a_piece_finds_nothing() -> None:
    left = [3, 2, 1]

    def piece(_at: datetime) -> int:
        return left.pop() if left else 0

    assert (pieces.until_done(piece), left) == (True, [])


def test_it_stops_when_its_time_is_over_and_the_next_one_goes_on() -> None:
    left = [1] * 5

    def piece(_at: datetime) -> int:
        return left.pop() if left else 0

    assert [pieces.until_done(piece, seconds=0) for _ in range(6)] == [False] * 5 + [True]
