"""Once an account is closed, who it was stands nowhere: every text of every table is looked at."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection, models, transaction
from django.test import Client

from accounts import addresses, audit, mail, personal_data, signup
from accounts.models import AuditEntry, Letter, User
from clubs import memberships
from clubs.models import Club, Plan
from payments.models import Case, Payee, Refund, StripeEvent, Subscription
from payments.people_in_events import without_people
from payments.sandbox.serve import StandIn
from tests.accounts.people import sign_in
from tests.factories import OfficerFactory, PlanFactory, UserFactory
from ticketing import aftersales, sales
from ticketing.models import Event

Deliver = Callable[[], int]
NAME, HANDLE, ADDRESS, OLD = (
    "Wilhelmina Quasten",
    "wquasten",
    "wilhelmina@quasten.example",
    "mina@quasten.example",
)

# Every row that points at a person: what becomes of it when they leave, and where the export tells of it.
POINTS_AT_A_PERSON = {
    "account.EmailAddress.user": ("deleted", "addresses"),
    "accounts.AddressChange.person": ("deleted", "address_changes"),
    "accounts.AuditEntry.actor": ("stays: who decided what, by a row that names nobody", "done"),
    "admin.LogEntry.user": ("stays: what staff changed, by a row that names nobody", "done"),
    "clubs.Invitation.accepted_by": ("stays: how an office came about", "invitations"),
    "clubs.Invitation.invited_by": ("stays: how an office came about", "invitations"),
    "clubs.Membership.member": ("stays: what was paid for, ended at Stripe", "memberships"),
    "clubs.Officer.user": ("deleted", "clubs"),
    "mfa.Authenticator.user": ("deleted", "second_factors"),
    "payments.Approval.by": ("stays: two people said yes", "payouts_reviewed"),
    "payments.Case.settled_by": ("stays: who settled it", "payouts_reviewed"),
    "payments.Charge.buyer": ("stays: the books, as the law demands", "payments"),
    "payments.Interest.user": ("stays: who may not review whose payouts", "interests"),
    "payments.Payout.requested_by": ("stays: the books", "payouts_asked_for"),
    "payments.Payout.reviewed_by": ("stays: the books", "payouts_reviewed"),
    "payments.Refund.asked_by": ("stays: the books", "refunds_asked_for"),
    "payments.Reply.by": ("stays with the payout that it is about", "payouts_answered"),
    "payments.Subscription.buyer": ("stays: the books", "subscriptions"),
    "rooms.Ban.by": ("stays: who shut somebody out", "rooms"),
    "rooms.Ban.user": ("stays: the same row does not come back", "rooms"),
    "rooms.Seat.user": ("stays until the room is forgotten", "rooms"),
    "ticketing.Event.created_by": ("stays: the club's programme", "events_made"),
    "ticketing.Event.refunding_by": ("stays: who gave the money back", "events_made"),
    "ticketing.Order.buyer": ("stays: the books", "orders"),
    "ticketing.Ticket.holder": ("stays: that it was used; it opens nothing", "tickets"),
    "usersessions.UserSession.user": ("deleted", "sessions"),
}


def pointing_at_people() -> set[str]:
    return {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and field.related_model is User
    }


def test_every_row_that_points_at_a_person_is_exported_and_deleted_or_explained() -> None:
    assert pointing_at_people() == set(POINTS_AT_A_PERSON)
    told = {export for _what, export in POINTS_AT_A_PERSON.values()}
    assert told - set(personal_data._exports) == set()


def found_in_the_database(*words: str) -> set[str]:
    """Return each table.column of which some row holds one of the words, in any case."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND (data_type IN ('text', 'character varying', 'json', 'jsonb') OR udt_name = '_text')"
        )
        columns = cursor.fetchall()
        found = set()
        for table, column in columns:
            for word in words:
                like = [f"%{word}%"]
                query = f'SELECT 1 FROM "{table}" WHERE "{column}"::text ILIKE %s LIMIT 1'  # noqa: S608 -- names out of the catalogue
                cursor.execute(query, like)
                if cursor.fetchone():
                    found.add(f"{table}.{column}")
    return found


@pytest.fixture
def mina(db: None) -> User:
    return UserFactory.create(handle=HANDLE, name=NAME, email=ADDRESS)


@pytest.fixture
def busy(
    mina: User,
    ada: User,
    rae: User,
    club: Club,
    event: Event,
    at: datetime,
    stand_in: StandIn,
    deliver: Deliver,
) -> User:
    """Return Mina after a year in which she left her traces everywhere."""
    client = Client()
    sign_in(client, mina)
    client.get("/me/")
    signup.keep_handle(HANDLE, at=at)
    OfficerFactory.create(club=club, user=mina)
    Payee.objects.filter(pk=club.payee_id).update(email=ADDRESS)
    kind = event.ticket_types.get(name="Seat")
    order = sales.place(buyer=mina, event=event, basket={kind.pk: 1}, at=at)
    sales.start_checkout(order=order, at=at)
    assert order.charge is not None
    order.charge.refresh_from_db()
    stand_in.pay(order.charge.checkout_id or "")
    plan = PlanFactory.create(club=club, name="Friends", price_minor=500)
    membership = memberships.join(plan=plan, member=mina, at=at)
    memberships.start_checkout(
        membership=membership, success_url="http://testserver/in", cancel_url="http://testserver/out", at=at
    )
    assert membership.subscription is not None
    membership.subscription.refresh_from_db()
    stand_in.pay(membership.subscription.checkout_id or "")
    deliver()
    order.refresh_from_db()
    aftersales.refund(order=order, by=ada, reason=f"{NAME} is ill", at=at)
    deliver()
    addresses.remember(person=mina, old=OLD, new=ADDRESS, ip="::1", at=at)
    audit.record(
        actor=rae, verb="waved", subject=mina, reason=f"@{HANDLE} waved", details={"to": ADDRESS}, at=at
    )
    about_her = {"subject": "A ticket", "paragraphs": [{"text": f"{NAME} took it."}]}
    mail.write(key="about", to=ada.email, template="account/email/letter", context=about_her, at=at)
    Letter.objects.filter(key="about").update(status=Letter.Status.SENT, sent_at=at)
    LogEntry.objects.create(
        user=rae,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(mina.pk),
        object_repr=str(mina),
        action_flag=CHANGE,
    )
    Case.objects.create(kind=Case.Kind.OTHER, cause="mina", what=f"Ask {NAME}.", opened_at=at)
    return mina


def test_the_year_left_traces_in_all_these_places(busy: User) -> None:
    """So that the next test cannot pass by looking where nothing ever was."""
    found = found_in_the_database(ADDRESS, OLD, NAME, HANDLE)
    assert found >= {
        "account_emailaddress.email",
        "accounts_addresschange.old",
        "accounts_auditentry.details",
        "accounts_auditentry.reason",
        "accounts_kepthandle.handle",
        "accounts_letter.html",
        "accounts_letter.text",
        "accounts_letter.to",
        "accounts_user.email",
        "accounts_user.handle",
        "accounts_user.name",
        "django_admin_log.object_repr",
        "payments_case.what",
        "payments_charge.checkout_request",
        "payments_payee.email",
        "payments_refund.reason",
        "payments_subscription.checkout_request",
    }
    assert "payments_stripeevent.body" not in found
    assert StripeEvent.objects.exists()


def test_after_closing_it_stands_nowhere_who_it_was(busy: User, at: datetime) -> None:
    personal_data.close(user=busy, at=at)
    assert found_in_the_database(ADDRESS, OLD, NAME, HANDLE) == set()


def test_the_payee_s_copy_becomes_another_owner_s(busy: User, club: Club, ada: User, at: datetime) -> None:
    personal_data.close(user=busy, at=at)
    assert Payee.objects.get(pk=club.payee_id).email == ada.email


def test_the_rest_of_what_was_written_stays(busy: User, at: datetime) -> None:
    personal_data.close(user=busy, at=at)
    assert (Refund.objects.get().reason, Case.objects.get(cause="mina").what) == ("… is ill", "Ask ….")


def test_what_is_on_its_way_to_others_still_leaves(busy: User, at: datetime, ada: User) -> None:
    Letter.objects.filter(key="about").update(status=Letter.Status.WAITING, sent_at=None)
    personal_data.close(user=busy, at=at)
    assert Letter.objects.get(key="about").to == ada.email


def test_closing_ends_the_membership_at_stripe(busy: User, at: datetime, stand_in: StandIn) -> None:
    personal_data.close(user=busy, at=at)
    [subscription] = stand_in.objects("subscription")
    assert subscription["cancel_at_period_end"] is True


def test_closing_ends_a_membership_that_is_not_paid_yet_and_its_page(
    ben: User, club: Club, at: datetime, stand_in: StandIn
) -> None:
    plan: Plan = PlanFactory.create(club=club, name="Friends", price_minor=500)
    membership = memberships.join(plan=plan, member=ben, at=at)
    memberships.start_checkout(
        membership=membership, success_url="http://testserver/in", cancel_url="http://testserver/out", at=at
    )
    personal_data.close(user=ben, at=at)
    membership.refresh_from_db()
    assert (membership.status, Subscription.objects.get().status) == ("ended", "ended")
    assert [page["status"] for page in stand_in.objects("checkout.session")] == ["expired"]


def test_the_audit_keeps_the_deed_and_nobody_else_may_blank_a_word(busy: User, at: datetime) -> None:
    personal_data.close(user=busy, at=at)
    entry = AuditEntry.objects.get(verb="waved")
    assert (entry.subject_id, entry.reason, entry.details) == (str(busy.pk), "", {})
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.filter(pk=entry.pk).update(reason="")


def test_what_stripe_tells_of_people_is_not_kept() -> None:
    told: dict[str, Any] = {
        "id": "evt_1",
        "data": {
            "object": {
                "id": "cs_1",
                "customer_details": {"email": ADDRESS, "name": NAME},
                "lines": [{"id": "li_1", "shipping": {"name": NAME}}],
            }
        },
    }
    assert without_people(told) == {
        "id": "evt_1",
        "data": {"object": {"id": "cs_1", "lines": [{"id": "li_1"}]}},
    }


def test_letters_are_in_the_export_but_not_what_opens_the_account(mina: User, at: datetime) -> None:
    for key, words in (("order-paid-1", "Enjoy it"), ("account/email/login_code-1", "Type this code")):
        context = {"subject": words, "paragraphs": [{"text": words}]}
        mail.write(key=key, to=ADDRESS, template="account/email/letter", context=context, at=at)
    letters = personal_data.export(user=mina)["letters"]
    assert [(row["subject"], bool(row["text"])) for row in letters] == [
        ("Enjoy it", True),
        ("Type this code", False),
    ]


def test_the_only_owner_is_told_what_to_do_first(client: Client, ada: User, club: Club, at: datetime) -> None:
    with pytest.raises(personal_data.StillNeeded) as needed:
        personal_data.close(user=ada, at=at)
    assert needed.value.reasons == [f"{club.name} has no other owner. Make somebody else an owner first."]
