"""Whatever Stripe may leave out, the gateway reads its answers: every question, every such field of it."""

import ast
import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from stripe import StripeObject

from payments import stripe_gateway as gateway
from payments.money import Money
from payments.sandbox import fields
from payments.stripe_records import Purchase

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

pytestmark = pytest.mark.django_db
Steps = tuple[str | int, ...]  # from an answer to one of its fields


@dataclass
class Evening:
    """What Stripe knows after an evening on which everything happened once."""

    at: datetime
    checkout: str = ""
    subscription: str = ""
    invoice: str = ""
    payment_intent: str = ""
    charge: str = ""
    membership_payment: str = ""
    bank_payout: str = ""
    refund: str = ""
    dispute: str = ""
    account: str = ""
    transfer: str = ""

    def request(self, *, monthly: bool = False, reference: str = "order-1") -> dict[str, Any]:
        return gateway.checkout_request(
            Purchase(
                kind="order",
                reference=reference,
                amount=Money(9000, "EUR"),
                description="A seat",
                email="ben@example.com",
                success_url="http://testserver/paid",
                cancel_url="http://testserver/basket",
                expires_at=self.at + timedelta(hours=1),
                monthly=monthly,
            )
        )


QUESTIONS: dict[str, Callable[[Evening], Any]] = {
    "create_checkout": lambda it: gateway.create_checkout(request=it.request(), key="checkout-order-1-1"),
    "read_checkout": lambda it: gateway.read_checkout(it.checkout),
    "expire_checkout": lambda it: gateway.expire_checkout(it.checkout),
    "read_payment": lambda it: gateway.read_payment(it.payment_intent),
    "read_payment_of_charge": lambda it: gateway.read_payment_of_charge(it.charge),
    "refunds_of": lambda it: list(gateway.refunds_of(it.payment_intent)),
    "create_refund": lambda it: gateway.create_refund(
        payment_intent=it.payment_intent, amount=Money(100, "EUR"), reference="refund-1", key="refund-1"
    ),
    "read_refund": lambda it: gateway.read_refund(it.refund),
    "find_refund": lambda it: gateway.find_refund(payment_intent=it.payment_intent, reference="refund-1"),
    "read_dispute": lambda it: gateway.read_dispute(it.dispute),
    "read_subscription": lambda it: gateway.read_subscription(it.subscription),
    "end_with_period": lambda it: gateway.end_with_period(
        subscription_id=it.subscription, ends=True, key="end-1"
    ),
    "read_invoice": lambda it: gateway.read_invoice(it.invoice),
    "paid_invoices": lambda it: list(gateway.paid_invoices(it.subscription)),
    "find_invoice": lambda it: gateway.find_invoice(payment_intent=it.membership_payment),
    "create_account": lambda _: gateway.create_account(
        email="ada@example.com", reference="payee-1", key="payee-1"
    ),
    "read_account": lambda it: gateway.read_account(it.account),
    "onboarding_link": lambda it: gateway.onboarding_link(
        account_id=it.account, return_url="http://testserver/a", refresh_url="http://testserver/b"
    ),
    "create_transfer": lambda it: gateway.create_transfer(
        destination=it.account, amount=Money(100, "EUR"), reference="payout-1", key="payout-1"
    ),
    "read_transfer": lambda it: gateway.read_transfer(it.transfer),
    "reversals": lambda it: list(gateway.reversals(it.transfer)),
    "read_bank_payout": lambda it: gateway.read_bank_payout(it.bank_payout, account_id=it.account),
    "find_transfer": lambda _: gateway.find_transfer(reference="payout-1"),
    "movements_page": lambda _: gateway.movements_page(),
    "undelivered_events": lambda _: list(gateway.undelivered_events()),
}


def test_every_question_of_the_gateway_is_tried() -> None:
    tree = ast.parse(inspect.getsource(gateway))
    asking = {
        function.name
        for function in tree.body
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("_")
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id in {"_ask", "_all"}
    }
    assert asking - QUESTIONS.keys() == set()


@pytest.fixture
def evening(stand_in: "StandIn", at: datetime) -> Evening:
    it = Evening(at)
    it.account = gateway.create_account(email="ada@example.com", reference="payee-1", key="payee-1").id
    stand_in.onboard(it.account)
    sold = gateway.create_checkout(request=it.request(), key="checkout-order-1-1")
    it.payment_intent = stand_in.pay(sold.id, card="4000000000005126")["payment_intent"]
    it.refund = QUESTIONS["create_refund"](it).id
    it.charge = stand_in.objects("charge")[0]["id"]
    it.transfer = QUESTIONS["create_transfer"](it).id
    member = gateway.create_checkout(
        request=it.request(monthly=True, reference="member-1"), key="checkout-member-1-1"
    )
    it.subscription = stand_in.pay(member.id)["subscription"]
    it.invoice = stand_in.objects("invoice")[0]["id"]
    it.membership_payment = stand_in.objects("payment_intent")[0]["id"]
    disputed = stand_in.pay(
        gateway.create_checkout(request=it.request(reference="order-2"), key="checkout-order-2-1").id,
        card="4000000000000259",
    )
    it.dispute = stand_in.objects("dispute")[0]["id"]
    assert disputed["payment_intent"]
    it.checkout = gateway.create_checkout(
        request=it.request(reference="order-3"), key="checkout-order-3-1"
    ).id
    stand_in.advance(3700)  # the refund fails, as its card does
    stand_in.by_hand("reverse_transfer", transfer=it.transfer, amount=10)
    it.bank_payout = stand_in.by_hand("pay_out", account=it.account)["id"]
    stand_in.by_hand("fail_payout", payout=it.bank_payout)
    return it


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_a_field_that_stripe_leaves_out_leaves_the_answer_readable(
    evening: Evening, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    ask = gateway._ask

    def listen(question: Callable[[Any], Any]) -> Any:
        heard.append(ask(question))
        return heard[-1]

    monkeypatch.setattr(gateway, "_ask", listen)
    QUESTIONS[name](evening)
    assert heard != []
    said = list(heard)
    unread = []
    for number, answer in enumerate(said):
        plain = answer.to_dict()
        for steps in silences(plain):
            told = iter([*said[:number], spoken_again(answer, without(plain, steps)), *said[number + 1 :]])
            monkeypatch.setattr(gateway, "_ask", lambda _question, told=told: next(told))
            try:
                QUESTIONS[name](evening)
            except (AttributeError, KeyError, TypeError, IndexError) as error:
                unread.append((".".join(str(step) for step in steps), repr(error)))
    assert unread == []


def spoken_again(answer: StripeObject, plain: dict[str, Any]) -> StripeObject:
    return type(answer).construct_from(plain, None)


def without(plain: dict[str, Any], steps: Steps) -> dict[str, Any]:
    """Return a copy in which one field is absent, or null if that is how Stripe leaves it unset."""
    changed: Any = copy.deepcopy(plain)
    node = changed
    for step in steps[1:-1]:
        node = node[step]
    if steps[0] == "absent":
        del node[steps[-1]]
    else:
        node[steps[-1]] = None
    return dict(changed)


def silences(node: Any, kind: str = "", path: str = "", above: Steps = ()) -> Iterator[Steps]:
    """Yield each way in which Stripe could say less than it said here."""
    if isinstance(node, list):
        for place, each in enumerate(node):
            yield from silences(each, kind, f"{path}[]", (*above, place))
    if not isinstance(node, dict):
        return
    if isinstance(node.get("object"), str):
        kind, path = node["object"], ""
    for name, value in node.items():
        here = f"{path}.{name}" if path else name
        if here in fields.OPTIONAL.get(kind, ()):
            yield ("absent", *above, name)
        if here in fields.NULLABLE.get(kind, ()) and value is not None:
            yield ("null", *above, name)
        if kind != "event":  # an event is a signal: of its object nothing is read but what tells which
            yield from silences(value, kind, here, (*above, name))
