"""What the tests of the sound share."""

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from redis import Redis

from rooms.media.sound import SAMPLE_RATE
from stagedoor import embedded


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    """Return a WAV file of 440 Hz for the fake microphone: whole waves only, so it loops cleanly."""
    path = tmp_path / "microphone.wav"
    at = np.arange(5 * SAMPLE_RATE)
    wave_form = 0.3 * 32_767 * np.sin(2 * np.pi * 440.0 * at / SAMPLE_RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(wave_form.astype(np.int16).tobytes())
    return path


@pytest.fixture(scope="session")
def _own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("own")
    with embedded.servers(folder, postgres=False):
        yield embedded.redis_url(folder)


@pytest.fixture
def own_redis(_own_redis: str) -> str:
    """Return a Redis in which no other test's processes are registered."""
    with Redis.from_url(_own_redis) as connection:
        connection.flushall()
    return _own_redis
