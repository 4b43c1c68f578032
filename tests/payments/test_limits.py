"""Every number that is typed has a least and a most: in its form, and in the database as well."""

from collections.abc import Callable
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.db import IntegrityError, models, transaction
from hypothesis import given
from hypothesis import strategies as st

from payments.fields import AmountField
from payments.money import LARGEST_CHARGE, LARGEST_MONTH, SALE_CURRENCIES, SMALLEST_CHARGE, Money
from tests import factories
from ticketing.forms import BasketForm
from ticketing.limits import LONGEST, MOST_IN_A_BASKET, MOST_PER_PERSON, MOST_SEATS

currencies = st.sampled_from(sorted(SALE_CURRENCIES))


@given(currency=currencies, minor=st.integers(0, 10**8))
def test_what_a_page_prints_is_taken_by_its_field(currency: str, minor: int) -> None:
    amount = Money(minor, currency)
    field = AmountField(currency=currency, least=0, most=10**8)
    for text in (amount.shown, amount.as_typed, str(amount), field.prepare_value(amount)):
        assert field.clean(text) == amount


@pytest.mark.parametrize("currency", sorted(SALE_CURRENCIES))
@pytest.mark.parametrize("most", [LARGEST_CHARGE, LARGEST_MONTH])
def test_the_least_and_the_most_are_taken_and_nothing_beyond(currency: str, most: dict[str, int]) -> None:
    field = AmountField(currency=currency, most=most[currency])
    least = SMALLEST_CHARGE[currency]
    for minor in (least, most[currency]):
        assert field.clean(Money(minor, currency).as_typed) == Money(minor, currency)
    for minor in (least - 1, most[currency] + 1):
        with pytest.raises(forms.ValidationError):
            field.clean(Money(minor, currency).as_typed)


def test_a_plan_of_1500_yen_is_no_dear_one() -> None:
    assert LARGEST_MONTH["JPY"] >= 15_000
    assert AmountField(currency="JPY", most=LARGEST_MONTH["JPY"]).clean("¥1,500") == Money(1500, "JPY")


OUT_OF_BOUNDS: list[tuple[Callable[..., Any], dict[str, int | str]]] = [
    (factories.EventFactory.create, {"minutes": 0}),
    (factories.EventFactory.create, {"minutes": LONGEST + 1}),
    (factories.TicketTypeFactory.create, {"price_minor": -1}),
    (factories.TicketTypeFactory.create, {"price_minor": 49}),
    (factories.TicketTypeFactory.create, {"price_minor": 100_000_000}),
    (factories.TicketTypeFactory.create, {"capacity": 0}),
    (factories.TicketTypeFactory.create, {"capacity": MOST_SEATS + 1}),
    (factories.TicketTypeFactory.create, {"per_person": 0}),
    (factories.TicketTypeFactory.create, {"per_person": MOST_PER_PERSON + 1}),
    (factories.PlanFactory.create, {"price_minor": 49}),
    (factories.PlanFactory.create, {"price_minor": LARGEST_MONTH["EUR"] + 1}),
    (factories.PayoutFactory.create, {"amount_minor": 0}),
    (factories.PayoutFactory.create, {"amount_minor": 100_000_000}),
    (factories.ChargeFactory.create, {"amount_minor": 0, "fee_minor": 0}),
    (factories.ChargeFactory.create, {"amount_minor": 100_000_000}),
    (factories.SubscriptionFactory.create, {"amount_minor": 100_000_000}),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("make", "values"), OUT_OF_BOUNDS)
def test_the_database_keeps_the_limits_too(make: Callable[..., Any], values: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="violates check constraint"), transaction.atomic():
        make(**values)


# Columns that nobody types into: counted by us, or told by Stripe and held against a row of ours.
COUNTED = {
    "payments.Charge.fee_minor",
    "payments.Charge.stripe_fee_minor",
    "payments.Dispute.amount_minor",
    "payments.Dispute.fee_minor",
    "payments.Dispute.stripe_fee_minor",
    "payments.Refund.amount_minor",
    "payments.Refund.fee_minor",
    "payments.Transfer.amount_minor",
    "ticketing.Order.total_minor",
    "ticketing.Ticket.price_minor",
}
TYPED = {
    "clubs.Plan.price_minor",
    "payments.Charge.amount_minor",
    "payments.Payout.amount_minor",
    "payments.Subscription.amount_minor",
    "ticketing.TicketType.price_minor",
}


def test_every_amount_that_is_kept_is_known_here() -> None:
    """A new column of money says whether a person types it; if so, it has its row in OUT_OF_BOUNDS."""
    ours = (
        model
        for model in apps.get_models()
        if model.__module__.partition(".")[0] in {"clubs", "payments", "ticketing"}
    )
    kept = {
        f"{model._meta.label}.{field.name}"
        for model in ours
        for field in model._meta.get_fields()
        if isinstance(field, models.BigIntegerField) and field.name.endswith("_minor")
    }
    assert kept == COUNTED | TYPED


def test_no_form_reads_numbers_as_django_does() -> None:
    """Django's number fields know exponents, underscores and the figures of other scripts."""
    found = [
        f"{form.__module__}.{form.__qualname__}.{name}"
        for form in _subclasses(forms.BaseForm)
        if form.__module__.partition(".")[0]
        in {"accounts", "clubs", "payments", "rooms", "stagedoor", "ticketing"}
        for name, field in form.base_fields.items()
        if isinstance(field, forms.IntegerField)
    ]
    assert found == []


def _subclasses(parent: Any) -> list[Any]:
    return [found for child in parent.__subclasses__() for found in (child, *_subclasses(child))]


@pytest.mark.django_db
@pytest.mark.parametrize(("more", "is_taken"), [(0, True), (1, False)])
def test_a_basket_has_a_most_over_all_types(more: int, is_taken: bool) -> None:  # noqa: FBT001 -- of a table
    event = factories.EventFactory.create()
    kinds = factories.TicketTypeFactory.create_batch(3, event=event, per_person=MOST_PER_PERSON)
    counts = [MOST_IN_A_BASKET - 20, 10, 10 + more]
    data = {BasketForm.name_of(kind): str(count) for kind, count in zip(kinds, counts, strict=True)}
    form = BasketForm(data, kinds=kinds)
    assert form.is_valid() is is_taken
    assert form.non_field_errors() == (
        [] if is_taken else ["50 tickets at most in one order. Order again for more."]
    )


@pytest.mark.django_db
def test_a_basket_costs_no_more_than_a_card_can_be_charged() -> None:
    kind = factories.TicketTypeFactory.create(price_minor=LARGEST_CHARGE["EUR"])
    assert BasketForm({BasketForm.name_of(kind): "1"}, kinds=[kind]).is_valid()
    form = BasketForm({BasketForm.name_of(kind): "2"}, kinds=[kind])
    assert form.non_field_errors() == ["A card can be charged €999,999.99 at most. Choose fewer tickets."]


@pytest.mark.parametrize("typed", ["1e1", "+1", "1_0", "\u0661", "1.0", "9" * 5000, "-1"])
@pytest.mark.django_db
def test_a_count_is_typed_in_figures_alone(typed: str) -> None:
    kind = factories.TicketTypeFactory.create()
    form = BasketForm({BasketForm.name_of(kind): typed}, kinds=[kind])
    assert list(form.errors) == [BasketForm.name_of(kind)]
