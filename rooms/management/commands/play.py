"""`manage.py play FILE --room SLUG --as HANDLE`: a file on stage, through the same doors as any speaker.

With --loop it comes back after whatever ends its sound, until it is told to end, the door says no, or its
person sits on another page.
"""

import asyncio
import signal
import tempfile
import time
from argparse import ArgumentParser
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from channels.db import database_sync_to_async
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils.timezone import now

from accounts.models import User
from rooms import admission, doors, grants, presence, stage
from rooms.media import melody, player, whip_client
from rooms.models import Grant, Seat
from rooms.presence import LOST_SECONDS
from rooms.protocol import PING_SECONDS
from ticketing.models import Event

CUT_OFF = (player.Cut, whip_client.Refused, whip_client.NeverConnected, httpx.HTTPError)
PAUSES = (1.0, 2.0, 5.0, 15.0, 30.0)  # before coming back; the last stands for all later ones
SETTLED_SECONDS = 60.0  # who played so long begins again with the shortest pause


class SeatLost(Exception):
    """The player's seat was taken away, or another page has taken it."""


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
        whip_url = options["base_url"] + reverse("rooms:whip", args=[event.slug])
        with tempfile.TemporaryDirectory() as folder:
            path = options["file"] or Path(folder) / "melody.wav"
            if options["file"] is None:
                melody.write(path)
            self._perform(user, event, path, whip_url, loop=options["loop"], opening=options["open"])

    def _perform(
        self, user: User, event: Event, path: Path, whip_url: str, *, loop: bool, opening: bool
    ) -> None:
        tries = 0
        while True:
            seat = _on_stage(user, event, opening=opening)
            self.stdout.write(f"{user} plays in {event.slug}.")
            began = time.monotonic()
            try:
                asyncio.run(_play(path, seat, whip_url=whip_url, loop=loop))
            except (player.NotSound, SeatLost) as problem:
                raise CommandError(str(problem)) from problem
            except CUT_OFF as problem:
                words = f"Nobody answers at {whip_url}." if _is_silence(problem) else str(problem)
                if not loop:
                    raise CommandError(words) from problem
                tries = 0 if time.monotonic() - began > SETTLED_SECONDS else tries + 1
                pause = PAUSES[min(tries, len(PAUSES) - 1)]
                self.stderr.write(f"{words} Coming back in {pause:.0f} s.")
                time.sleep(pause)
            else:
                return


def _is_silence(problem: Exception) -> bool:
    return isinstance(problem, httpx.HTTPError)


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


async def _play(path: Path, seat: Seat, *, whip_url: str, loop: bool) -> None:
    stop = asyncio.Event()
    running = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(name, stop.set)
    grant = await database_sync_to_async(grants.issue)(seat=seat, use=Grant.Use.SPEAK, at=now())
    lost = asyncio.Event()
    alive = asyncio.create_task(_stay(seat, stop, lost))
    try:
        await player.play(path=path, whip_url=whip_url, grant=grant, loop=loop, stop=stop)
    finally:
        alive.cancel()
        with suppress(presence.Gone):
            await database_sync_to_async(presence.leave)(seat=seat, at=now())
    if lost.is_set():
        raise SeatLost("The player's seat was taken away, or another page has taken it.")


async def _stay(seat: Seat, stop: asyncio.Event, lost: asyncio.Event) -> None:
    """Say every ten seconds that the player is here, as a socket would; end when the seat is taken away."""
    while True:
        await asyncio.sleep(PING_SECONDS)
        try:
            await database_sync_to_async(presence.touch)(seat=seat, at=now())
        except presence.Gone:
            lost.set()
            stop.set()
            return
