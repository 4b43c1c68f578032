"""How a club comes to be, and how it is described."""

import secrets
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts import audit, timezones
from accounts.models import User
from clubs.models import Club, Officer
from core import seen
from payments.models import Payee
from payments.money import SALE_CURRENCIES

# Pages that live beside the clubs' own: /clubs/new/ is no club.
RESERVED_SLUGS = frozenset({"mine", "new", "invitations"})
MOST_OWNED = 20


class NameTaken(Exception):
    """Another club has this name, or one that looks the same."""


class TooManyClubs(Exception):
    """This person owns as many clubs as one person may."""


def found(
    *,
    name: str,
    currency: str,
    timezone: str,
    by: User,
    at: datetime,
    tagline: str = "",
    description: str = "",
) -> Club:
    """Return a new club with its payee, owned by its founder. Raise NameTaken or TooManyClubs.

    The currency stays for good, since the club's books are kept in it.
    """
    assert currency in SALE_CURRENCIES, "the form offers known currencies only"  # noqa: S101 -- only a bug could break it
    assert timezone in timezones.known(), "the form offers known zones only"  # noqa: S101 -- the same
    if Officer.objects.filter(user=by, role=Officer.Role.OWNER).count() >= MOST_OWNED:
        raise TooManyClubs
    with transaction.atomic():
        _must_be_free(name)
        payee = Payee.objects.create(name=name, email=by.email, currency=currency, created_at=at)
        club = _with_a_free_slug(
            Club(
                name=name,
                tagline=tagline,
                description=description,
                currency=currency,
                timezone=timezone,
                payee=payee,
                created_at=at,
            )
        )
        Officer.objects.create(club=club, user=by, role=Officer.Role.OWNER, since=at)
        audit.record(actor=by, verb="club-founded", subject=club, at=at)
    return club


def describe(
    *, club: Club, name: str, tagline: str, description: str, timezone: str, by: User, at: datetime
) -> Club:
    """Change what a club says about itself. Its address and its currency stay. Raise NameTaken."""
    changes = {"name": name, "tagline": tagline, "description": description, "timezone": timezone}
    changed = sorted(field for field, value in changes.items() if getattr(club, field) != value)
    if not changed:
        return club
    with transaction.atomic():
        if "name" in changed:
            _must_be_free(name, apart_from=club)
        for field in changed:
            setattr(club, field, changes[field])
        try:
            with transaction.atomic():
                club.save(update_fields=[*changed, "seen_name"])
        except IntegrityError:
            raise NameTaken from None
        if "name" in changed:
            Payee.objects.filter(pk=club.payee_id).update(name=name)
        audit.record(actor=by, verb="club-described", subject=club, details={"changed": changed}, at=at)
    return club


def _must_be_free(name: str, *, apart_from: Club | None = None) -> None:
    others = Club.objects.filter(seen_name=seen.skeleton(name))
    if apart_from is not None:
        others = others.exclude(pk=apart_from.pk)
    if others.exists():
        raise NameTaken


def _with_a_free_slug(club: Club) -> Club:
    """Save the club under the plainest address that is free. Any number founded at once all get one."""
    plain = slugify(club.name)[:48].strip("-")
    club.slug = plain if plain and plain not in RESERVED_SLUGS else _lengthened(plain)
    if Club.objects.filter(slug=club.slug).exists():
        club.slug = _lengthened(plain)
    while True:
        try:
            with transaction.atomic():
                club.save(force_insert=True)
        except IntegrityError:
            # Lost against somebody in this very moment: over the name, or only over the address.
            _must_be_free(club.name)
            club.slug = _lengthened(plain)
        else:
            return club


def _lengthened(plain: str) -> str:
    return f"{plain or 'club'}-{secrets.token_hex(3)}"
