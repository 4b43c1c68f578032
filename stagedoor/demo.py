"""What `make demo` plays: an evening from the first announcement to the payout, each step checked.

Ada hosts, Ben and Noor buy, Max has no ticket, Rae reviews. They reach the product only as people do: by its
pages, its letters, its sound, and Stripe's page.
"""

import asyncio
import json
import re
import secrets
import threading
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin

import httpx
import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from rooms.media import ear
from rooms.media.ear import Heard
from rooms.media.sound import SAMPLE_RATE
from stagedoor import till, town
from stagedoor.mailbox import Mailbox, text_of
from stagedoor.odd_stripe import OddStripe
from stagedoor.processes import PYTHON, Company
from stagedoor.visitor import Visitor

TONE_HZ = 440.0
AS_GOOD_AS_HZ = 5.0
OTHER_HZ = 620.0  # nobody plays it: it must be absent
ABSENT_DB = -40.0
PATIENCE = 40.0
SILENT_WITHIN = 2.0
TAKES_PLACE_SECONDS = 24.0  # of a one-minute evening a fifth must be heard; it is counted every five seconds
NOTED_SECONDS = 8.0  # until it is noted who hears
SEAT_EUROS = "12.00"
PAYOUT = "11.04"  # a seat less the platform's 8 %
BAD_GRANT = 4001

Say = Callable[[str], None]


class Differs(Exception):
    """A step went otherwise than promised."""


@dataclass
class Stage:
    """Where the demo plays."""

    company: Company
    base_url: str
    var: Path
    odd: OddStripe | None = None

    @property
    def mail(self) -> Path:
        return self.var / "mail"

    @property
    def password(self) -> str:
        return (self.var / "secrets" / "demo-password").read_text().strip()


@dataclass(frozen=True)
class Evening:
    """The event that Ada puts on."""

    slug: str
    club: str
    starts: datetime

    @property
    def page(self) -> str:
        return f"/events/{self.slug}/"

    @property
    def room(self) -> str:
        return f"/rooms/{self.slug}/"


def play(stage: Stage, *, say: Say) -> None:
    """Play the whole evening. Raise Differs, Surprised, NoLetter or NotOdd where it goes otherwise."""
    began = time.monotonic()
    if stage.odd is not None:
        stage.odd.begin()
    say("Stagedoor is up: web, worker, clock, media, stagehand and the Stripe stand-in.\n")
    with (
        Visitor("Ada", stage.base_url) as ada,
        Visitor("Ben", stage.base_url) as ben,
        Visitor("Noor", stage.base_url) as noor,
        Visitor("Max", stage.base_url) as max_,
        Visitor("Rae", stage.base_url) as rae,
    ):
        evening = _announce(stage, ada, say)
        orders = [_buy(stage, fan, evening, say) for fan in (ben, noor)]
        _doors_open(stage, evening, say)
        _everybody_hears([ben, noor], evening, say)
        _max_is_refused(stage, max_, evening, say)
        _ben_is_refunded(ada, ben, evening, orders[0], say)
        _the_room_closes(ada, noor, evening, say)
        _ada_is_paid(stage, ada, rae, evening, say)
        if stage.odd is not None:
            stage.odd.let_an_hour_pass()
            say(stage.odd.prove())
        _the_books_hold(stage, say)
    say(f"\nEverything went as promised, in {time.monotonic() - began:.0f} s.")


# The evening is announced and sold.


def _announce(stage: Stage, ada: Visitor, say: Say) -> Evening:
    ada.sign_in(email="ada@stagedoor.localhost", password=stage.password)
    club = {
        "name": "Night Voices",
        "tagline": "Stories in the dark",
        "currency": "EUR",
        "timezone": "Europe/Berlin",
    }
    made = ada.submit(ada.open("/clubs/new/"), "/clubs/new/", club)
    slug = _found(r"/clubs/([a-z0-9-]+)/", made.url.path, "Ada's club has no page.")
    starts = (datetime.now(UTC) + timedelta(minutes=2)).replace(second=0, microsecond=0)
    event = {
        "title": "An evening of ghost stories",
        "starts": f"{starts:%Y-%m-%dT%H:%M}",
        "timezone": "UTC",
        "minutes": "1",
        "offers-0-name": "Seat",
        "offers-0-price": SEAT_EUROS,
        "offers-0-capacity": "50",
        "publish": "1",
    }
    page = ada.submit(ada.open(f"/manage/{slug}/events/new/"), "", event)
    evening = Evening(
        slug=_found(r"/events/([a-z0-9-]+)/", page.url.path, "Ada's event is not on sale."),
        club=slug,
        starts=starts,
    )
    say(f"Ada founded Night Voices and put an evening on sale: 50 seats at €{SEAT_EUROS}.")
    return evening


def _buy(stage: Stage, fan: Visitor, evening: Evening, say: Say) -> str:
    """Sign up, buy one seat, and walk to the door by the link in the letter; return the order's address."""
    handle = fan.name.lower()
    email = f"{handle}@example.com"
    fan.sign_up(handle=handle, email=email, password=secrets.token_urlsafe(12), mail=stage.mail)
    page = fan.open(evening.page)
    seats = _found(r'name="(seats_[0-9a-f]+)"', page.text, "There is nothing to buy.")
    to_stripe = fan.submit(page, "/buy/", {seats: "1"}, onward=False)
    order = till.pay(to_stripe.headers["location"], name=fan.name)
    began = time.monotonic()
    _until(lambda: "You are in" in fan.open(order).text, f"{fan.name}'s order is not confirmed.")
    waited = time.monotonic() - began
    door = Mailbox(stage.mail).wait_for(email, r"(http\S+/rooms/\S+/)").group(1)
    _expect(door.endswith(evening.room), f"The letter leads {fan.name} to {door}.")
    letters = [one for one in Mailbox(stage.mail).letters_to(email) if "/rooms/" in text_of(one)]
    _expect(len(letters) == 1, f"{fan.name} got {len(letters)} letters about one order.")
    say(
        f"{fan.name} signed up, paid €{SEAT_EUROS} with 4242…, was confirmed within {waited:.1f} s, "
        "and got one letter."
    )
    return order.split("?")[0]


# The room.


def _doors_open(stage: Stage, evening: Evening, say: Say) -> None:
    tone = stage.var / "tone.wav"
    _write_tone(tone)
    play = ["play", str(tone), "--room", evening.slug, "--as", "ada", "--open", "--loop"]
    stage.company.start("ada-plays", PYTHON, "manage.py", *play)
    say(f"Ada opened the doors and went on stage, with a tone of {TONE_HZ:.0f} Hz.")


def _everybody_hears(fans: list[Visitor], evening: Evening, say: Say) -> None:
    _until(lambda: _is_open(fans[0], evening), "The doors stay shut.")
    for fan in fans:
        heard = asyncio.run(_listen(fan, evening, seconds=4.0))
        hertz, other = heard.dominant_hz, heard.level_db(OTHER_HZ)
        _expect(hertz is not None and abs(hertz - TONE_HZ) <= AS_GOOD_AS_HZ, f"{fan.name} heard {hertz} Hz.")
        _expect(
            other <= ABSENT_DB, f"{fan.name} heard {OTHER_HZ:.0f} Hz, which nobody plays, at {other:.0f} dB."
        )
        say(
            f"{fan.name} walked in, heard {hertz:.1f} Hz after {heard.joined_in or 0:.2f} s, "
            f"and nothing at {OTHER_HZ:.0f} Hz ({other:.0f} dB)."
        )


def _max_is_refused(stage: Stage, max_: Visitor, evening: Evening, say: Say) -> None:
    max_.sign_in(email="max@stagedoor.localhost", password=stage.password)
    page = max_.open(evening.room, expect=403)
    _expect("ticket" in page.text.lower(), "Max is not shown the way to a ticket.")
    seat = max_.send_json(f"{evening.room}seat", {"tab": secrets.token_hex(16)})
    _expect((seat.status_code, seat.json()["code"]) == (403, "no_ticket"), f"Max's seat: {seat.status_code}.")
    for plane in ("whep", "whip"):
        headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {secrets.token_urlsafe(32)}"}
        answer = max_.http.post(f"{evening.room}{plane}", content="v=0", headers=headers)
        _expect(
            answer.status_code == httpx.codes.UNAUTHORIZED,
            f"{plane.upper()} answered Max {answer.status_code}.",
        )
    closed = _knock_at_socket(max_, evening)
    _expect(closed == BAD_GRANT, f"The socket answered Max {closed}.")
    say(
        f"Max has no ticket: page 403 with the way to one, seat 403 no_ticket, WHEP and WHIP 401, "
        f"socket {closed}."
    )


def _ben_is_refunded(ada: Visitor, ben: Visitor, evening: Evening, order: str, say: Say) -> None:
    pk = order.rstrip("/").rsplit("/", 1)[1]
    heard: list[Heard] = []
    listening = threading.Thread(target=lambda: heard.append(asyncio.run(_listen(ben, evening, seconds=9.0))))
    listening.start()
    time.sleep(4)  # he must be hearing when the refund falls
    page = ada.open(f"/manage/orders/{pk}/")
    refunded_at = time.time()
    ada.submit(page, "/refund/", {"reason": "The demo takes it back"})
    listening.join()
    silent_after = (heard[0].last_audible_at or 0) - refunded_at
    _expect(heard[0].cut, "Ben's connection was not ended.")
    _expect(
        0 < silent_after <= SILENT_WITHIN, f"Ben heard the room for {silent_after:.2f} s after his refund."
    )
    again = ben.send_json(f"{evening.room}seat", {"tab": secrets.token_hex(16)})
    _expect(
        (again.status_code, again.json()["code"]) == (403, "no_ticket"), f"Ben's seat: {again.status_code}."
    )
    say(
        f"Ada refunded Ben: silence after {silent_after:.2f} s, his ticket is dead, "
        f"his €{SEAT_EUROS} are on the way back."
    )


def _the_room_closes(ada: Visitor, noor: Visitor, evening: Evening, say: Say) -> None:
    # It must take place to be paid for: what is heard before the start, or by nobody, does not count.
    begins_in = (evening.starts - datetime.now(UTC)).total_seconds()
    time.sleep(max(0.0, begins_in - NOTED_SECONDS))
    asyncio.run(_listen(noor, evening, seconds=NOTED_SECONDS + TAKES_PLACE_SECONDS))
    page = ada.open(evening.room)
    headers = {"Referer": str(page.url), "X-CSRFToken": ada.http.cookies.get("csrftoken") or ""}
    ada.http.post(f"{evening.room}doors", data={"do": "close"}, headers=headers)
    answer = ada.http.get(evening.room)
    _expect(answer.status_code == httpx.codes.GONE, f"The closed room answers {answer.status_code}.")
    say("Ada closed the room: seats and sound are gone, the delivery facts say that the evening took place.")


# The money.


def _ada_is_paid(stage: Stage, ada: Visitor, rae: Visitor, evening: Evening, say: Say) -> None:
    manage = ada.open(f"/clubs/{evening.club}/manage/")
    payee = _found(r'"(/payments/payees/[0-9a-f-]+/)"', manage.text, "Ada's club shows no money.")
    ada.set_up_app(password=stage.password, code_of=town.code_of)
    to_stripe = ada.submit(ada.open(payee), "/stripe/", {"country": "DE"}, onward=False)
    back = till.onboard(to_stripe.headers["location"], name="Ada")
    ada.open(back)
    available = f"<dt>Available</dt><dd>€{PAYOUT}</dd>"
    _until(lambda: available in ada.open(payee).text, f"€{PAYOUT} never became available.")
    ada.submit(ada.open(payee), "/payout/", {"amount": PAYOUT})
    say(f"€{PAYOUT} became available (€{SEAT_EUROS} less 8 %); Ada asked for a payout.")
    code = stage.company.run(PYTHON, "manage.py", "town", "--code").strip()
    step = rae.sign_in(email="rae@stagedoor.localhost", password=stage.password)
    rae.submit(step, "", {"code": code})
    desk = rae.open("/payments/review/")
    review = _found(r'"(/payments/review/[0-9a-f-]+/)"', desk.text, "Rae's desk is empty.")
    rae.submit(rae.open(review), "/approve/", {})
    _until(
        lambda: bool(re.search(r">\s*Paid\s*<", rae.open(review).text)),
        "The payout was approved and never paid.",
    )
    say(f"Rae, with her second factor, approved it; Stripe took the transfer: €{PAYOUT} are paid.")


def _the_books_hold(stage: Stage, say: Say) -> None:
    answer = stage.company.run(PYTHON, "manage.py", "check_books")
    say(answer.strip())


# Small things.


async def _listen(fan: Visitor, evening: Evening, *, seconds: float) -> Heard:
    answer = fan.send_json(f"{evening.room}seat", {"tab": fan.tab})
    _expect(answer.is_success, f"{fan.name} got no seat: {answer.text}")
    seat = answer.json()
    whep = urljoin(str(fan.http.base_url), seat["whep_url"])
    return await ear.listen(whep_url=whep, grant=seat["grants"]["listen"], seconds=seconds)


def _is_open(fan: Visitor, evening: Evening) -> bool:
    return "data-inside" in fan.open(evening.room).text


def _knock_at_socket(person: Visitor, evening: Evening) -> int:
    """Say hello with a made-up grant and return the code by which the socket closes."""
    address = str(person.http.base_url).replace("http", "ws", 1).rstrip("/") + f"{evening.room}socket"
    origin = Origin(str(person.http.base_url).rstrip("/"))
    with connect(address, origin=origin) as socket:
        try:
            socket.send(json.dumps({"op": "hello", "v": 1, "id": 1, "grant": secrets.token_urlsafe(32)}))
            while True:
                socket.recv(timeout=10)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 0


def _write_tone(path: Path) -> None:
    """Write four seconds of the tone, a whole number of its periods, so that it loops without a click."""
    time_s = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    samples = (0.25 * np.sin(2 * np.pi * TONE_HZ * time_s) * np.iinfo(np.int16).max).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        _expect(time.monotonic() < deadline, otherwise)
        time.sleep(0.3)


def _expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 -- reads as a sentence
    if not holds:
        raise Differs(otherwise)


def _found(pattern: str, text: str, otherwise: str) -> str:
    found = re.search(pattern, text)
    if not found:
        raise Differs(otherwise)
    return found.group(1)
