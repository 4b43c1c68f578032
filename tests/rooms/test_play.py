"""`manage.py play`: a file comes in through the same doors as any speaker."""

import wave
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils.timezone import now

from accounts.models import User
from rooms.management.commands import play as play_command
from rooms.media import melody, player
from rooms.models import Room, Seat
from tests.rooms import people
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


@pytest.fixture
def performances(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the sound be cut off twice before it plays to its end; return the grants it was played with."""
    played: list[str] = []

    async def cut_twice(*, grant: str, **_rest: Any) -> None:
        played.append(grant)
        if len(played) < 3:
            raise player.Cut("The room ended this connection.")

    monkeypatch.setattr(player, "play", cut_twice)
    monkeypatch.setattr(play_command, "PAUSES", (0.0,))
    return played


def test_a_player_that_goes_on_for_ever_comes_back_after_it_was_cut_off(
    performances: list[str], live_server: Any, ada: User, tonight: Event
) -> None:
    play(Path("any.wav"), tonight, "ada", live_server, loop=True)
    assert len(set(performances)) == 3  # each time with a grant of its own


def test_a_player_that_plays_once_tells_that_it_was_cut_off(
    performances: list[str], live_server: Any, ada: User, tonight: Event
) -> None:
    with pytest.raises(CommandError, match="The room ended this connection"):
        play(Path("any.wav"), tonight, "ada", live_server)
    assert len(performances) == 1


def test_a_player_throws_nobody_out_of_their_own_page(
    performances: list[str], live_server: Any, ada: User, tonight: Event
) -> None:
    seat = people.sit(ada, tonight, now())
    with pytest.raises(CommandError, match="in the room on a page"):
        play(Path("any.wav"), tonight, "ada", live_server, loop=True)
    assert (performances, people.now(seat).connection) == ([], seat.connection)
