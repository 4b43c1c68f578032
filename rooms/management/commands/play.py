"""`manage.py play FILE --room SLUG --as HANDLE`: a file on stage, through the same doors as any speaker.

It comes back after whatever ends its sound, until the file is over, it is told to end, the door says no, or
its person sits on another page.
"""

import asyncio
import signal
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from channels.db import database_sync_to_async
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseProblem
from django.urls import reverse
from django.utils.timezone import now
from redis.exceptions import RedisError

from accounts.models import User
from rooms import admission, callboard, doors, grants, presence, stage
from rooms.media import melody, player, whip_client
from rooms.models import Grant, Seat
from rooms.presence import LOST_SECONDS
from rooms.protocol import FINAL, PING_SECONDS
from ticketing.models import Event

# What ends the sound and need not be final.
ENDS: Final = (
    player.Cut,
    whip_client.NeverConnected,
    whip_client.Refused,
    httpx.HTTPError,
    DatabaseProblem,
    RedisError,
)
PAUSES: Final = (0.5, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds before another try, the last again and again
STEADY_SECONDS: Final = 30.0  # of playing, after which the pauses begin anew
FIRST_TRIES: Final = 5  # before anything was heard; then it is the address that is wrong
LASTING: Final = frozenset({400, 404, 405, 413, 415})  # a door that answers so answers so again


class Command(BaseCommand):
    help = "Put an audio file on stage by WHIP, like any speaker. Without a file, the house's own melody."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help="anything with sound in it")
        parser.add_argument("--room", required=True, help="the event's slug")
        parser.add_argument(
            "--as", required=True, dest="handle", help="who plays: a host, or somebody invited"
        )
        parser.add_argument("--loop", action="store_true", help="again and again, until Ctrl-C")
        parser.add_argument("--open", action="store_true", help="open the doors first, if they are shut")
        parser.add_argument("--base-url", default=settings.BASE_URL, help="where the web server listens")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 -- Django's signature
        user = User.objects.filter(handle__iexact=options["handle"]).first()
        event = Event.objects.filter(slug=options["room"]).select_related("club").first()
        if user is None or event is None:
            raise CommandError("There is no such person, or no such event.")
        seat = _on_stage(user, event, opening=options["open"])
        whip_url = options["base_url"] + reverse("rooms:whip", args=[event.slug])
        with tempfile.TemporaryDirectory() as folder:
            path = options["file"] or Path(folder) / "melody.wav"
            if options["file"] is None:
                melody.write(path)
            self.stdout.write(f"{user} plays in {event.slug}.")
            playing = _Playing(
                seat,
                path,
                whip_url=whip_url,
                loop=options["loop"],
                opening=options["open"],
                say=self.stderr.write,
            )
            try:
                asyncio.run(playing.go_on())
            except player.NotSound as problem:
                raise CommandError(str(problem)) from problem


def _on_stage(user: User, event: Event, *, opening: bool) -> Seat:
    """Sit the player down, on stage and unmuted."""
    try:
        seat = admission.seat_of(user=user, event=event, at=now())
        if _is_held_by_a_page(seat):
            raise CommandError(
                "This person is in the room on a page, and a person has one seat. Leave it there first."
            )
        seat = presence.connect(seat=seat, at=now())
        if opening:
            with suppress(doors.DoorsHaveMoved):
                doors.open_doors(by=seat, at=now())
        with suppress(stage.NotNow):  # on stage already
            stage.step_up(by=seat)
        stage.unmute(by=seat)
    except admission.NotAdmitted as refused:
        raise CommandError(str(refused.verdict.code.label)) from refused
    except stage.NotAllowed as refused:
        raise CommandError("This person is neither a host nor invited on stage.") from refused
    except doors.TooEarly as early:
        raise CommandError(str(early)) from early
    return seat


def _is_held_by_a_page(seat: Seat) -> bool:
    heard_of = now() - seat.seen_at < timedelta(seconds=LOST_SECONDS)
    return seat.status == Seat.Status.PRESENT and bool(seat.tab) and heard_of


class _Playing:
    """Plays, and comes back after every end that is not final, each time a little later."""

    def __init__(
        self,
        seat: Seat,
        path: Path,
        *,
        whip_url: str,
        loop: bool,
        opening: bool,
        say: Callable[[str], object],
    ) -> None:
        self._seat = seat
        self._opening = opening
        self._path = path
        self._whip_url = whip_url
        self._loop = loop
        self._say = say
        self._played = 0  # frames
        self._was_heard = False

    async def go_on(self) -> None:
        """Play to the end, or until told to stop. Raise player.NotSound, or CommandError for a final end."""
        stop = asyncio.Event()
        running = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            running.add_signal_handler(name, stop.set)
        tries = 0
        while not stop.is_set():
            began = running.time()
            try:
                if tries:
                    self._seat = await database_sync_to_async(_again)(self._seat, opening=self._opening)
                await self._play(stop)
                break
            except ENDS as problem:
                tries = 1 if running.time() - began > STEADY_SECONDS else tries + 1
                self._check_worth_another(problem, tries)
                self._say(f"{_in_words(problem)} Coming back.")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PAUSES[min(tries, len(PAUSES)) - 1])
        with suppress(presence.Gone):
            await database_sync_to_async(presence.leave)(seat=self._seat, at=now())

    async def _play(self, stop: asyncio.Event) -> None:
        """Play over one connection. Raise what ended it."""
        grant = await database_sync_to_async(grants.issue)(seat=self._seat, use=Grant.Use.SPEAK, at=now())
        over = asyncio.Event()
        watching = [asyncio.create_task(_stay(self._seat, over)), asyncio.create_task(_pass_on(stop, over))]
        try:
            await player.play(
                path=self._path,
                whip_url=self._whip_url,
                grant=grant,
                loop=self._loop,
                stop=over,
                start=self._played,
            )
        except player.Cut as cut:
            self._played = cut.played
            self._was_heard = True
            raise
        finally:
            for task in watching:
                task.cancel()
        if over.is_set() and not stop.is_set():
            self._was_heard = True
            raise player.Cut("The seat was taken away.", played=self._played)

    def _check_worth_another(self, problem: Exception, tries: int) -> None:
        """Raise CommandError where another try would end as this one, or five have come to nothing at all."""
        lasting = isinstance(problem, whip_client.Refused) and problem.status in LASTING
        if lasting or (not self._was_heard and tries >= FIRST_TRIES):
            raise CommandError(_in_words(problem)) from problem


def _in_words(problem: Exception) -> str:
    if isinstance(problem, httpx.HTTPError):
        return "Nobody answers at the door."
    return "Something is away." if isinstance(problem, DatabaseProblem | RedisError) else str(problem)


def _again(seat: Seat, *, opening: bool) -> Seat:
    """Return the seat to come back to: the same if it still is ours, a new one if it was given up.

    Raise CommandError where the end was final, in the words that a page would show.
    """
    try:
        presence.touch(seat=seat, at=now())
    except presence.Gone as gone:
        if gone.code in FINAL:
            raise CommandError(str(callboard.WORDS[gone.code]())) from gone
        return _on_stage(seat.user, seat.room.event, opening=opening)
    mine = Seat.objects.select_related("user", "room__event__club").get(pk=seat.pk)
    if not mine.is_on_stage:
        raise CommandError("This person is no longer on stage.")
    return mine


async def _pass_on(stop: asyncio.Event, over: asyncio.Event) -> None:
    await stop.wait()
    over.set()


async def _stay(seat: Seat, over: asyncio.Event) -> None:
    """Say every ten seconds that the player is here, as a socket would; end when the seat is taken away."""
    while True:
        await asyncio.sleep(PING_SECONDS)
        try:
            await database_sync_to_async(presence.touch)(seat=seat, at=now())
        except presence.Gone:
            over.set()
            return
