import pytest

from rooms.media import ear
from tests.rooms.media.ground import sine


def test_levels_are_told_relative_to_the_strongest() -> None:
    samples = sine(440, seconds=2.0, loudness=0.5) + sine(1000, seconds=2.0, loudness=0.05)
    heard = ear.Heard(
        samples=samples, asked_at=0, first_packet_at=0, last_packet_at=2, last_audible_at=2, cut=False
    )
    assert heard.dominant_hz == pytest.approx(440, abs=1)
    assert heard.level_db(440) == 0
    assert heard.level_db(1000) == pytest.approx(-20, abs=0.5)
    assert heard.level_db(700) < -60
