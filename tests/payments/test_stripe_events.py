"""The inbox: every event once, whatever the network does with it."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import stripe
from django.conf import settings as django_settings
from django.test import Client

from core import retries
from payments import answers, books, reconcile, stripe_events
from payments.models import Case, Charge, StripeEvent, Transfer
from payments.stripe_gateway import API_VERSION, InvalidSignature, StripeUnavailable
from tests.payments import parcels
from tests.races import together

if TYPE_CHECKING:
    from pytest_django import Settings

    from payments.sandbox.serve import StandIn

CheckedOut = Callable[..., Charge]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_letters() -> None:
    parcels.LETTERS.clear()


def take(stand_in: "StandIn") -> list[tuple[bytes, str]]:
    return [(webhook.body, webhook.signature) for webhook in stand_in.take_webhooks()]


def receive(letter: tuple[bytes, str], at: datetime) -> StripeEvent:
    return stripe_events.receive(payload=letter[0], signature=letter[1], at=at)


def signed(**event: object) -> tuple[bytes, str]:
    body = {
        "id": "evt_1",
        "object": "event",
        "type": "checkout.session.completed",
        "api_version": API_VERSION,
        "data": {"object": {"id": "cs_1", "object": "checkout.session"}},
    }
    payload = json.dumps(body | event)
    secret = django_settings.STRIPE_WEBHOOK_SECRETS[0]
    header = stripe.WebhookSignature.generate_signature_header(payload, secret)
    return payload.encode(), header


def test_a_webhook_is_kept_and_answered_at_once(client: Client) -> None:
    payload, signature = signed()
    response = client.post(
        "/payments/webhook/",
        payload,
        content_type="application/json",
        headers={"Stripe-Signature": signature},
    )
    assert (response.status_code, response.content) == (200, b"")
    event = StripeEvent.objects.get()
    assert (event.stripe_id, event.kind, event.status) == ("evt_1", "checkout.session.completed", "received")


@pytest.mark.parametrize(
    ("payload", "signature"), [(b"{}", ""), (b"{}", "t=1,v1=00"), (b"\xff", ""), (b"", "nonsense")]
)
def test_what_is_not_signed_by_stripe_is_refused(client: Client, payload: bytes, signature: str) -> None:
    response = client.post(
        "/payments/webhook/",
        payload,
        content_type="application/json",
        headers={"Stripe-Signature": signature},
    )
    assert response.status_code == 400
    assert not StripeEvent.objects.exists()


def test_a_forged_body_under_a_true_signature_is_refused(at: datetime) -> None:
    payload, signature = signed()
    with pytest.raises(InvalidSignature):
        receive((payload.replace(b"evt_1", b"evt_2"), signature), at)


def test_either_of_two_secrets_will_do_while_they_are_changed(settings: "Settings", at: datetime) -> None:
    letter = signed()
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", *settings.STRIPE_WEBHOOK_SECRETS]
    assert receive(letter, at).stripe_id == "evt_1"


def test_an_event_in_another_version_is_kept_and_handled_and_told_once(
    stand_in: "StandIn", client: Client, checked_out: CheckedOut, at: datetime
) -> None:
    # It was answered with 400, and never taken in: Stripe gives up after some days.
    charge = checked_out()
    stand_in.pay(charge.checkout_id or "")
    for number in range(2):
        letter = signed(
            id=f"evt_{number}", api_version="2024-06-20", data={"object": {"id": charge.checkout_id}}
        )
        response = client.post(
            "/payments/webhook/",
            letter[0],
            content_type="application/json",
            headers={"Stripe-Signature": letter[1]},
        )
        assert response.status_code == 200
    stripe_events.handle_due(at=at + timedelta(minutes=1))
    charge.refresh_from_db()
    assert (charge.status, parcels.LETTERS) == ("paid", [charge.reference])
    case = Case.objects.get()
    assert (case.cause, "2024-06-20" in case.what) == ("api-version-2024-06-20", True)


def test_the_version_is_the_one_that_the_sdk_was_made_for() -> None:
    assert stripe.api_version == API_VERSION


def test_the_same_event_comes_in_once(at: datetime) -> None:
    letter = signed()
    assert receive(letter, at) == receive(letter, at)


def test_an_event_is_a_signal_and_the_object_is_read_anew(
    stand_in: "StandIn", checked_out: CheckedOut, at: datetime
) -> None:
    charge = checked_out()
    lying = signed(
        data={"object": {"id": charge.checkout_id, "payment_status": "paid", "status": "complete"}}
    )
    stripe_events.handle(event=receive(lying, at), at=at)
    charge.refresh_from_db()
    assert charge.status == "asked"


def test_a_paid_checkout_is_settled_with_its_fee(
    stand_in: "StandIn", deliver: Callable[[], int], checked_out: CheckedOut
) -> None:
    charge = checked_out()
    stand_in.pay(charge.checkout_id or "")
    deliver()
    charge.refresh_from_db()
    assert (charge.status, charge.stripe_fee_minor) == ("paid", 43)
    assert [charge.reference] == parcels.LETTERS
    assert books.check(ask_stripe=True) == []


def test_what_another_product_sells_on_the_same_account_is_left_alone(
    stand_in: "StandIn", deliver: Callable[[], int], at: datetime
) -> None:
    parcels.foreign(stand_in)
    deliver()
    assert set(StripeEvent.objects.values_list("status", flat=True)) == {"ignored"}
    assert not Transfer.objects.exists()


def test_an_answer_that_fails_leaves_nothing_behind_and_is_tried_again(
    stand_in: "StandIn", checked_out: CheckedOut, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = checked_out()
    stand_in.pay(charge.checkout_id or "")
    letters = take(stand_in)
    event = next(
        event
        for event in (receive(letter, at) for letter in letters)
        if event.kind == "checkout.session.completed"
    )

    def break_down(*, event: StripeEvent, session: object, at: datetime) -> None:
        parcels.checkout_told(event=event, session=session, at=at)  # type: ignore[arg-type]
        raise RuntimeError("the printer is on fire")

    monkeypatch.setitem(answers._answers, (event.kind, parcels.KIND), break_down)
    with pytest.raises(RuntimeError):
        stripe_events.handle(event=event, at=at)
    charge.refresh_from_db()
    assert (charge.status, event.status, event.attempts) == ("asked", "received", 1)
    assert event.last_error == "RuntimeError: the printer is on fire"
    assert event.next_attempt_at == at + retries.PATIENT.pauses[0]

    monkeypatch.undo()
    parcels.LETTERS.clear()
    assert stripe_events.handle_due(at=at + timedelta(seconds=1)) == 0  # not due yet
    stripe_events.handle_due(at=at + timedelta(minutes=1))
    charge.refresh_from_db()
    event.refresh_from_db()
    assert (charge.status, event.status, event.last_error) == ("paid", "handled", "")
    assert [charge.reference] == parcels.LETTERS


def test_one_event_that_fails_does_not_stop_the_others(
    stand_in: "StandIn", checked_out: CheckedOut, at: datetime
) -> None:
    charge = checked_out()
    broken = receive(signed(id="evt_broken", data={"object": {"id": "cs_unknown"}}), at - timedelta(hours=1))
    stand_in.pay(charge.checkout_id or "")
    for letter in take(stand_in):
        receive(letter, at)
    stripe_events.handle_due(at=at + timedelta(minutes=1))
    charge.refresh_from_db()
    broken.refresh_from_db()
    assert (charge.status, broken.status, broken.attempts) == ("paid", "received", 1)


def test_stripe_not_answering_is_tried_again(
    stand_in: "StandIn", checked_out: CheckedOut, at: datetime
) -> None:
    charge = checked_out()
    event = receive(signed(data={"object": {"id": charge.checkout_id}}), at)
    stand_in.switches.turn(
        {"fail_next": [{"method": "GET", "path_prefix": "/v1/checkout", "status": 503}] * 3}
    )
    with pytest.raises(StripeUnavailable):
        stripe_events.handle(event=event, at=at)
    stripe_events.handle_due(at=at + timedelta(minutes=1))
    event.refresh_from_db()
    assert event.status == "handled"


def test_events_that_never_came_are_fetched(
    stand_in: "StandIn", checked_out: CheckedOut, at: datetime
) -> None:
    charge = checked_out()
    stand_in.switches.turn({"deliver_webhooks": False})
    stand_in.pay(charge.checkout_id or "")
    reconcile.run(at=at)
    stripe_events.handle_due(at=at + timedelta(minutes=1))
    charge.refresh_from_db()
    assert charge.status == "paid"
    assert stripe_events.fetch_undelivered(at=at) == 0


@pytest.mark.parametrize("seed", range(4))
def test_in_whatever_order_and_number_they_come_the_end_is_the_same(
    stand_in: "StandIn", checked_out: CheckedOut, at: datetime, seed: int
) -> None:
    first, second = checked_out(), checked_out(700)
    stand_in.switches.turn({"deliver_webhooks": False})
    for charge in (first, second):
        stand_in.pay(charge.checkout_id or "")
    letters = take(stand_in) * 3
    random.Random(seed).shuffle(letters)  # noqa: S311 -- an order, not a secret
    for letter in letters:
        stripe_events.handle(event=receive(letter, at), at=at)
    assert sorted(parcels.LETTERS) == sorted([first.reference, second.reference])
    assert books.check(ask_stripe=True) == []


@pytest.mark.django_db(transaction=True)
def test_the_same_webhook_three_times_in_parallel_settles_once(
    stand_in: "StandIn", checked_out: CheckedOut
) -> None:
    # Seen failing without the row's lock in handle() and the conditional UPDATE in move(): three letters.
    charge = checked_out()
    stand_in.switches.turn({"deliver_webhooks": False})
    stand_in.pay(charge.checkout_id or "")
    letters = take(stand_in)
    random.Random(5).shuffle(letters)  # noqa: S311 -- an order, not a secret

    def bring_all() -> None:
        for letter in letters:
            stripe_events.handle(event=receive(letter, datetime.now(UTC)), at=datetime.now(UTC))

    assert together(bring_all, bring_all, bring_all) == [None, None, None]
    charge.refresh_from_db()
    assert (charge.status, parcels.LETTERS) == ("paid", [charge.reference])
    assert StripeEvent.objects.count() == len(letters)
    assert books.check(ask_stripe=True) == []


@pytest.mark.parametrize(
    ("kind", "about", "error"),
    [
        ("checkout.session.completed", {"id": "cs_nowhere"}, "StripeRefused: "),
        ("refund.created", {"id": ""}, "NothingToAskFor: "),
        ("charge.dispute.created", {}, "NothingToAskFor: "),
        ("transfer.reversed", None, "NothingToAskFor: "),
    ],
)
def test_an_event_that_can_never_succeed_ends_as_a_case(
    stand_in: "StandIn", at: datetime, kind: str, about: object, error: str
) -> None:
    # It was asked for again every three hours, for ever; an empty id asked for the list of all.
    letter = signed(type=kind, data={"object": about})
    event = receive(letter, at)
    moment = at
    for _ in range(retries.PATIENT.most + 3):
        moment += timedelta(hours=4)
        stripe_events.handle_due(at=moment)
    event.refresh_from_db()
    assert (event.status, event.attempts) == ("received", retries.PATIENT.most)
    assert event.last_error.startswith(error)
    assert event.given_up_at is not None
    assert Case.objects.get().cause == "event-evt_1"


def test_a_label_of_another_installation_is_not_concluded_to_be_foreign_but_ends_as_a_case(
    stand_in: "StandIn", checked_out: CheckedOut, at: datetime
) -> None:
    charge = checked_out()
    stand_in.pay(charge.checkout_id or "")
    event = receive(signed(data={"object": {"id": charge.checkout_id}}), at)
    Charge.objects.filter(pk=charge.pk).update(reference="parcel-renamed", checkout_id="cs_other")
    stripe_events.handle_due(at=at + timedelta(minutes=1))
    event.refresh_from_db()
    assert event.last_error == f"NotKnownYet: Nothing of ours is called {charge.reference}."
    Charge.objects.filter(pk=charge.pk).update(reference=charge.reference)  # known by now
    stripe_events.handle_due(at=at + timedelta(minutes=5))
    event.refresh_from_db()
    assert (event.status, event.last_error) == ("handled", "")


def test_of_an_event_nothing_is_kept_that_it_says_of_people(
    stand_in: "StandIn", checked_out: CheckedOut, at: datetime
) -> None:
    charge = checked_out()
    stand_in.pay(charge.checkout_id or "", email="somebody@example.com")
    for letter in take(stand_in):
        receive(letter, at)
    kept = json.dumps(list(StripeEvent.objects.values_list("body", flat=True)))
    assert "@" not in kept
    assert charge.checkout_id
    assert charge.checkout_id in kept


def test_every_undelivered_event_comes_in_whatever_its_version(
    stand_in: "StandIn", checked_out: CheckedOut, at: datetime
) -> None:
    # Of six events none was fetched: they were of another version.
    charge = checked_out()
    stand_in.switches.turn({"deliver_webhooks": False, "event_version": "2025-09-30.clover"})
    stand_in.pay(charge.checkout_id or "")
    waiting = [each for each in stand_in.objects("event") if each["pending_webhooks"]]
    assert stripe_events.fetch_undelivered(at=at) == len(waiting) > 0
    stripe_events.handle_due(at=at + timedelta(minutes=1))
    charge.refresh_from_db()
    assert charge.status == "paid"
    assert Case.objects.get().cause == "api-version-2025-09-30.clover"
