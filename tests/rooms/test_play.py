"""`manage.py play`: a file comes in through the same doors as any speaker."""

import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils.timezone import now

from accounts.models import User
from rooms import admission, doors, media_calls, placement, presence, remembered
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


def a_session(room_id: str, *, other_than: str = "") -> tuple[str, remembered.Held]:
    """Wait for a media session of the room that is not this one, and return it and where it is."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with placement.connection() as redis:
            known = cast("set[str]", redis.smembers(f"media-sessions:{room_id}")) - {other_than}
        for session in known:
            if (held := remembered.session(session)) is not None:
                return session, held
        time.sleep(0.05)
    raise TimeoutError


@contextmanager
def meanwhile(do: Callable[[], None]) -> Iterator[None]:
    """Do something in another thread while the block goes on, and see that it was done."""

    def carry_out() -> None:
        try:
            do()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(carry_out)
        yield
        done.result(timeout=30)


def test_a_player_that_is_cut_comes_back_and_goes_when_the_room_closes(
    media: None, live_server: Any, ada: User, tonight: Event, tmp_path: Path
) -> None:
    came: list[str] = []

    def cut_then_close() -> None:
        room = admission.room_of(tonight)
        session, held = a_session(room.pk)
        async_to_sync(media_calls.end)(process=held.process, room=room.pk, session=session)
        came.extend((session, a_session(room.pk, other_than=session)[0]))
        doors.close_room(by=Seat.objects.get(), at=now())

    melody.write(tmp_path / "melody.wav")
    with meanwhile(cut_then_close), pytest.raises(CommandError, match="The room is closed"):
        play(tmp_path / "melody.wav", tonight, "ada", live_server, open=True, loop=True)
    assert len(set(came)) == 2


def test_a_player_whose_seat_another_page_takes_leaves_it_to_that_page(
    media: None, live_server: Any, ada: User, tonight: Event, tmp_path: Path
) -> None:
    def walk_in() -> None:
        a_session(admission.room_of(tonight).pk)
        admitted = admission.admit(user=ada, event=tonight, tab=people.TAB, at=now(), take_over=True)
        presence.connect(seat=admitted.seat, at=now())

    melody.write(tmp_path / "melody.wav")
    with meanwhile(walk_in), pytest.raises(CommandError, match="from another page"):
        play(tmp_path / "melody.wav", tonight, "ada", live_server, open=True, loop=True)
    assert list(Seat.objects.values_list("status", "tab")) == [("present", people.TAB)]


def test_where_nobody_ever_answers_the_player_gives_up_in_words(
    media: None,
    ada: User,
    tonight: Event,
    short_song: Path,
    monkeypatch: pytest.MonkeyPatch,
    unused_tcp_port: int,
) -> None:
    monkeypatch.setattr(play_command, "PAUSES", (0.0,))
    with pytest.raises(CommandError, match="Nobody answers"):
        call_command(
            "play",
            str(short_song),
            room=tonight.slug,
            handle="ada",
            open=True,
            base_url=f"http://127.0.0.1:{unused_tcp_port}",
        )


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
def performances(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Let the sound be cut off twice before it plays to its end; return each grant, and where it began."""
    played: list[tuple[str, int]] = []

    async def cut_twice(*, grant: str, start: int, **_rest: Any) -> None:
        played.append((grant, start))
        if len(played) < 3:
            raise player.Cut("The room ended this connection.", played=start + 50)

    monkeypatch.setattr(player, "play", cut_twice)
    monkeypatch.setattr(play_command, "PAUSES", (0.0,))
    return played


@pytest.mark.parametrize("loop", [True, False])
def test_a_player_comes_back_with_another_grant_and_goes_on_where_it_was_cut_off(
    performances: list[tuple[str, int]],
    live_server: Any,
    ada: User,
    tonight: Event,
    loop: bool,  # noqa: FBT001
) -> None:
    play(Path("any.wav"), tonight, "ada", live_server, loop=loop)
    assert len({grant for grant, _ in performances}) == 3
    assert [start for _, start in performances] == [0, 50, 100]


def test_a_player_throws_nobody_out_of_their_own_page(
    performances: list[tuple[str, int]], live_server: Any, ada: User, tonight: Event
) -> None:
    seat = people.sit(ada, tonight, now())
    with pytest.raises(CommandError, match="in the room on a page"):
        play(Path("any.wav"), tonight, "ada", live_server, loop=True)
    assert (performances, people.now(seat).connection) == ([], seat.connection)
