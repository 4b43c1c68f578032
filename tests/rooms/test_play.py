"""`manage.py play`: a file comes in through the same doors as any speaker."""

import wave
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from rooms.media import melody
from rooms.models import Room, Seat
from ticketing.models import Event, Ticket

pytestmark = pytest.mark.django_db(transaction=True)


def play(path: Path, event: Event, who: str, live_server: Any, **options: Any) -> None:
    call_command(
        "play", str(path), room=event.slug, handle=who, base_url=live_server.url, verbosity=0, **options
    )


@pytest.fixture
def short_song(tmp_path: Path) -> Path:
    """Return a file of half a second."""

    path = tmp_path / "song.wav"
    melody.write(path)
    with wave.open(str(path)) as whole:
        settings, frames = whole.getparams(), whole.readframes(whole.getframerate() // 2)
    with wave.open(str(path), "wb") as part:
        part.setparams(settings)
        part.writeframes(frames)
    return path


def test_a_host_plays_a_file_to_its_end_and_leaves(
    media: None, live_server: Any, ada: User, tonight: Event, short_song: Path
) -> None:
    play(short_song, tonight, "ada", live_server, open=True)
    assert Room.objects.get().status == Room.Status.OPEN
    assert list(Seat.objects.values_list("status", "stage")) == [("left", "off")]


@pytest.mark.parametrize(("who", "words"), [("ben", "neither a host nor invited"), ("max", "need a ticket")])
def test_who_may_not_speak_plays_nothing(
    who: str,
    words: str,
    live_server: Any,
    bens_ticket: Ticket,
    max: User,
    adas_seat: Seat,
    tonight: Event,
    tmp_path: Path,
) -> None:
    with pytest.raises(CommandError, match=words):
        play(tmp_path / "any.wav", tonight, who, live_server)


def test_what_is_no_sound_is_told_before_the_door(
    media: None, live_server: Any, ada: User, tonight: Event, tmp_path: Path
) -> None:
    (tmp_path / "letter.txt").write_text("Dear all")
    with pytest.raises(CommandError, match=r"letter\.txt cannot be read as sound"):
        play(tmp_path / "letter.txt", tonight, "ada", live_server)
