from pathlib import Path

import numpy as np

from rooms.media import melody, player
from rooms.media.sound import dbfs


def test_it_is_half_a_minute_and_quiet() -> None:
    piece = melody.compose()
    assert 28 < piece.size / 48_000 < 33
    assert float(np.max(np.abs(piece))) < 0.36
    assert -35 < dbfs(piece) < -15


def test_it_loops_without_a_seam() -> None:
    piece = melody.compose()
    steps = np.abs(np.diff(piece))
    assert abs(float(piece[0] - piece[-1])) <= float(np.percentile(steps, 99.9))


def test_it_never_falls_silent() -> None:
    piece = melody.compose()
    quarters = piece[: piece.size // 12_000 * 12_000].reshape(-1, 12_000)
    assert min(dbfs(quarter) for quarter in quarters) > -50


def test_the_file_is_what_the_player_reads(tmp_path: Path) -> None:
    path = tmp_path / "melody.wav"
    melody.write(path)
    read = np.concatenate(list(player.frames(path, loop=False)))
    piece = melody.compose()
    assert np.allclose(read[: piece.size], piece, atol=1e-4)
