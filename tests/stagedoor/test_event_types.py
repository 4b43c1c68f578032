"""One list of the types of events that the product answers: its registry, its endpoint and its docs agree."""

import re
import typing
from datetime import datetime
from pathlib import Path

import pytest
import stripe
from django.conf import settings

from accounts.models import User
from payments import answers, dispatch
from payments.sandbox.serve import StandIn
from stagedoor import processes
from tests.payments.sandbox.test_sandbox_shapes import fields_of
from tests.ticketing import box_office
from ticketing.models import Event


def test_the_docs_name_what_is_answered() -> None:
    page = (Path(settings.BASE_DIR) / "docs" / "operations.md").read_text(encoding="utf-8")
    [block] = re.findall(r"these types and no other.*?```\n(.*?)```", page, re.DOTALL)
    assert block.split() == sorted(dispatch.ANSWERED)


def test_the_stand_ins_endpoint_is_made_for_what_is_answered() -> None:
    command = processes._stand_in_command(
        processes.Address(web_port=1, stripe_port=2), {"STRIPE_WEBHOOK_SECRETS": "whsec"}, Path("state")
    )
    assert command[command.index("--webhook-events") + 1].split(",") == sorted(dispatch.ANSWERED)


def test_what_apps_answer_reaches_them() -> None:
    theirs = {name for name, _kind in answers._answers if name.startswith("checkout.")}
    assert theirs - dispatch.ANSWERED == set()


def test_every_type_is_one_that_stripe_has() -> None:
    assert dispatch.ANSWERED - set(typing.get_args(fields_of(stripe.Event)["type"])) == set()


@pytest.mark.django_db
def test_a_sale_brings_no_webhook_that_nobody_reads(
    stand_in: StandIn, event: Event, ben: User, at: datetime
) -> None:
    order = box_office.hold(ben, event.ticket_types.get(name="Seat"), at=at)
    stand_in.pay(box_office.checkout(order, at=at))
    assert [webhook.type for webhook in stand_in.take_webhooks()] == ["checkout.session.completed"]
