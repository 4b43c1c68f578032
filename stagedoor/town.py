"""A small living town for development: people, clubs, evenings past and to come, money on its way.

Everything is made by the product's own functions, and every ticket is paid for at the Stripe stand-in. Only
then are the dates of the past moved back, so that the sales have a history. A filling that was stopped goes
on where it was; one more changes nothing. An evening of the past is one transaction: no sweep meets it half
over.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from accounts import audit, links
from accounts.models import AuditEntry, User
from clubs import founding, memberships, officers
from clubs.models import Club, Officer
from payments import payees, payouts, summary
from payments.models import Payout
from payments.money import Money
from rooms import admission, delivery, doors, presence, stage
from stagedoor import embedded, till
from ticketing import offers, programme, sales
from ticketing.models import Event, Order
from ticketing.offers import Offer

TOTP_OF_RAE = "totp-of-rae"
GUESTS = [
    "Amara", "Bruno", "Chiara", "Dmitri", "Elif", "Farah", "Goran", "Hanne", "Idris", "Jonas", "Kim", "Lena",
]  # fmt: skip
NIGHT = "Night Voices"
KITCHEN = "The Kitchen Table"
MUSIC = "Slow radio for night owls"
MUSICIAN = (
    "nightjar"  # plays it, and is nobody whom a developer signs in as: each person has one seat in a room
)
STANDS = "demo-town-stands"

Say = Callable[[str], object]


def password() -> str:
    return embedded.demo_password(settings.VAR_DIR)


def fill(*, at: datetime, say: Say) -> None:
    """Build what is missing of the town, until it stands; `say` is told what is being built."""
    people = {name: person(name) for name in ["ada", "ben", "rae", "max", "noor"]}
    give_second_factor(people["rae"])
    if AuditEntry.objects.filter(verb=STANDS).exists():
        return
    say("People and clubs")
    night, kitchen = _found_clubs(people, at)
    guests = [person(name.lower(), name=name) for name in GUESTS]
    say("An evening of yesterday: sold, heard, its money asked for")
    first_night = _put_on(
        night, people["ada"], "Ghost stories, the first night", days=1, minutes=20, price=900, at=at
    )
    _sell(first_night, guests, at=at, say=say)
    _take_place(first_night, people["ada"], guests[:9], at=at)
    _ask_for_payout(night, people["ada"], at=at)
    say("Evenings to come")
    second = _put_on(
        night, people["ada"], "Ghost stories, the second night", days=6, minutes=90, price=1200, at=at
    )
    _sell(second, [people["ben"], *guests[:7]], at=at, say=say)
    _put_on(kitchen, people["noor"], "Jazz at the kitchen table", days=12, minutes=60, price=0, at=at)
    _put_on(
        kitchen, people["noor"], "Questions a cellist never gets asked", days=20, minutes=75, price=700, at=at
    )
    _draft(night, people["ada"], "Ghost stories, the last night", at=at)
    say("Tonight's music")
    tonight(at=at)
    audit.record(actor=None, verb=STANDS, subject=night, at=at)


def tonight(*, at: datetime) -> Event:
    """Return the evening that plays the house's melody now; a new one when the last is over."""
    playing = Event.objects.filter(title=MUSIC, status__in=[Event.Status.PUBLISHED, Event.Status.LIVE])
    latest = playing.filter(starts_at__gt=at - timedelta(hours=12)).order_by("-starts_at").first()
    if latest is not None:
        return latest
    noor = User.objects.get(handle="noor")
    kitchen = Club.objects.get(name=KITCHEN)
    return _announce(kitchen, noor, MUSIC, starts_at=at + timedelta(minutes=1), minutes=600, price=0, at=at)


def musician(*, at: datetime) -> User:
    """Return who plays tonight's music: a host of the kitchen's, made on first use."""
    player = person(MUSICIAN)
    kitchen = Club.objects.get(name=KITCHEN)
    _make_officer(kitchen, player, Officer.Role.HOST, by=User.objects.get(handle="noor"), at=at)
    return player


def person(handle: str, *, name: str = "") -> User:
    """Return one of the town's people, with a confirmed address and the town's one password."""
    found = User.objects.filter(handle=handle).first()
    if found is not None:
        return found
    with transaction.atomic():
        user = User.objects.create_user(
            email=f"{handle}@stagedoor.localhost",
            handle=handle,
            password=password(),
            name=name or handle.capitalize(),
            timezone="Europe/Berlin",
            is_finance=handle == "rae",
        )
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def give_second_factor(user: User) -> None:
    """Give a finance reviewer a second factor whose secret this machine keeps, for code_of_rae()."""
    if not Authenticator.objects.filter(user=user).exists():
        totp.TOTP.activate(user, _totp_secret())


def code_of_rae() -> str:
    """Return the six figures that Rae's phone would show now."""
    return code_of(_totp_secret())


def code_of(key: str) -> str:
    """Return the six figures that an authenticator app with this key would show now."""
    _before, counter, _after = totp.yield_hotp_counters_from_time()
    return str(totp.format_hotp_value(totp.hotp_value(key, counter)))


def _totp_secret() -> str:
    path = Path(settings.VAR_DIR) / "secrets" / TOTP_OF_RAE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(totp.generate_totp_secret())
    return path.read_text()


def _found_clubs(people: dict[str, User], at: datetime) -> tuple[Club, Club]:
    night = Club.objects.filter(name=NIGHT).first() or founding.found(
        name=NIGHT,
        tagline="Stories told in the dark, to whoever stays up.",
        description="One voice, one lamp, and a story nobody has written down. Every other Friday.",
        currency="EUR",
        timezone="Europe/Berlin",
        by=people["ada"],
        at=at,
    )
    kitchen = Club.objects.filter(name=KITCHEN).first() or founding.found(
        name=KITCHEN,
        tagline="Musicians talk while the soup is on.",
        description="Noor asks, her guests play and answer. Come for the music, stay for the recipes.",
        currency="GBP",
        timezone="Europe/London",
        by=people["noor"],
        at=at,
    )
    if not night.plans.exists():
        price = Money(600, "EUR")
        promise = "A seat at every first night, and questions before everybody else."
        memberships.open_plan(
            club=night, name="Friends of the night", promise=promise, price=price, by=people["ada"], at=at
        )
    _make_officer(night, people["noor"], Officer.Role.MODERATOR, by=people["ada"], at=at)
    return night, kitchen


def _make_officer(club: Club, user: User, role: Officer.Role, *, by: User, at: datetime) -> None:
    if not Officer.objects.filter(club=club, user=user).exists():
        _invitation, token = officers.invite(club=club, role=role, by=by, at=at)
        officers.accept(token=token, user=user, at=at)


def _put_on(club: Club, by: User, title: str, *, days: int, minutes: int, price: int, at: datetime) -> Event:
    """Return the evening of this title; a new one is published for `days` from now, at eight there."""
    starts_at = (at + timedelta(days=days)).replace(hour=19, minute=0, second=0, microsecond=0)
    there = Event.objects.filter(club=club, title=title).exclude(status=Event.Status.DRAFT).first()
    return there or _announce(club, by, title, starts_at=starts_at, minutes=minutes, price=price, at=at)


@transaction.atomic
def _announce(
    club: Club, by: User, title: str, *, starts_at: datetime, minutes: int, price: int, at: datetime
) -> Event:
    event = programme.draft(
        club=club,
        by=by,
        title=title,
        description="Bring headphones and sit somewhere comfortable. Questions by raised hand, to the end.",
        starts_at=starts_at,
        timezone=club.timezone,
        minutes=minutes,
        at=at,
    )
    seats = [Offer(name="Seat", price=Money(price, club.currency), capacity=60 if price else None)]
    if price:
        seats.append(
            Offer(name="Front row", price=Money(price * 2, club.currency), capacity=10, per_person=2)
        )
    offers.put_up(event=event, offers=seats)
    return programme.publish(event=event, by=by, at=at)


def _draft(club: Club, by: User, title: str, *, at: datetime) -> None:
    if not Event.objects.filter(club=club, title=title).exists():
        programme.draft(
            club=club,
            by=by,
            title=title,
            description="Still being written.",
            starts_at=at + timedelta(days=30),
            timezone=club.timezone,
            minutes=90,
            at=at,
        )


def _sell(event: Event, buyers: Sequence[User], *, at: datetime, say: Say) -> None:
    """Sell one ticket to each who has none, and spread the sales over the last fortnight."""
    kinds = list(event.ticket_types.all())
    for number, buyer in enumerate(buyers):
        if Order.objects.filter(event=event, buyer=buyer, status=Order.Status.PAID).exists():
            continue
        kind = kinds[1] if number % 5 == 0 else kinds[0]
        order = sales.place(buyer=buyer, event=event, basket={kind.pk: 1}, at=at)
        _pay(order, buyer, at=at)
        if (number + 1) % 4 == 0 or number + 1 == len(buyers):
            say(f"{event.title}: {number + 1} of {len(buyers)} tickets paid for")
        days_ago = timedelta(days=(number * 5) % 14, hours=number)
        Order.objects.filter(pk=order.pk).update(placed_at=at - days_ago, paid_at=at - days_ago)


def _pay(order: Order, buyer: User, *, at: datetime) -> None:
    sales.look_again(order=order, at=at)  # an earlier try may have been stopped between Stripe and us
    order.refresh_from_db()
    if order.is_held:
        till.pay(sales.start_checkout(order=order, at=at), name=buyer.name)
        sales.look_again(order=order, at=at)


@transaction.atomic
def _take_place(event: Event, host: User, guests: Sequence[User], *, at: datetime) -> None:
    """Let an evening happen yesterday, heard by these guests from beginning to end."""
    if event.status == Event.Status.ENDED:
        return
    began = at - timedelta(days=1)
    Event.objects.filter(pk=event.pk).update(starts_at=began)
    Order.objects.filter(event=event).update(sold_starts_at=began)
    event.refresh_from_db()
    on_stage = presence.connect(seat=admission.seat_of(user=host, event=event, at=began), at=began)
    doors.open_doors(by=on_stage, at=began)
    stage.step_up(by=on_stage)
    stage.unmute(by=on_stage)
    seats = [admission.seat_of(user=guest, event=event, at=began) for guest in guests]
    hearing = [seat.pk for seat in seats]
    minutes = [began + timedelta(minutes=minute) for minute in range(event.minutes + 1)]
    for _before, moment in pairwise(minutes):
        delivery.heard(
            room_id=on_stage.room_id, hearing=hearing, audible=[on_stage.pk], seconds=60, at=moment
        )
    doors.close_room(by=on_stage, at=minutes[-1])
    event.refresh_from_db()
    programme.release_money(event=event, at=at)


def _ask_for_payout(club: Club, by: User, *, at: datetime) -> None:
    """Introduce the club's payee to Stripe, and ask for half of what is available."""
    if Payout.objects.filter(payee=club.payee).exists():
        return
    page = links.absolute(reverse("payments:payee", args=[club.payee.pk]))
    payees.choose_country(payee=club.payee, country="DE")
    link = payees.onboard(payee=club.payee, return_url=page, refresh_url=page, at=at)
    till.onboard(link, name=by.name)
    payees.refresh(payee=club.payee, at=at)
    half, _rest = summary.of(club.payee).available.split(basis_points=5_000)
    payouts.request(payee=club.payee, amount=half, by=by, at=at)
