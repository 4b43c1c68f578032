"""Disputes: a buyer takes money back through the bank. Stripe's test evidence decides how one ends."""

from payments.sandbox import balance, lists
from payments.sandbox.errors import Refusal
from payments.sandbox.events import emit
from payments.sandbox.parameters import EXPAND, PAGE, Flag, Group, Labels, Spec, Text, merged
from payments.sandbox.shapes import Body, new, new_id
from payments.sandbox.state import Row
from payments.sandbox.world import Call, Route, World

FEE = 2000  # minor units, charged for each dispute and not given back
ANSWER_SECONDS = 9 * 86_400

_EVIDENCE: Spec = {
    name: Text(clears=True, longest=20_000)
    for name in (
        "access_activity_log",
        "billing_address",
        "cancellation_policy_disclosure",
        "cancellation_rebuttal",
        "customer_email_address",
        "customer_name",
        "customer_purchase_ip",
        "duplicate_charge_explanation",
        "duplicate_charge_id",
        "product_description",
        "refund_policy_disclosure",
        "refund_refusal_explanation",
        "service_date",
        "uncategorized_text",
    )
}


def open_dispute(world: World, charge: Row, *, at: int, inquiry: bool = False) -> Row:
    """Dispute a charge: Stripe takes the amount and a fee from the platform.

    An inquiry only asks: the bank takes nothing, and the charge may still be refunded.
    """
    identity, amount, currency = new_id("du"), charge.body["amount"], charge.body["currency"]
    movements = [] if inquiry else [_withdraw(world, identity, amount, currency, at)]
    body = new(
        "dispute",
        id=identity,
        amount=amount,
        balance_transactions=movements,
        charge=charge.id,
        created=at,
        currency=currency,
        network_reason_code="10.4",
        is_charge_refundable=inquiry,
        payment_intent=charge.body["payment_intent"],
        status="warning_needs_response" if inquiry else "needs_response",
        payment_method_details={
            "type": "card",
            "card": {
                "brand": "visa",
                "case_type": "inquiry" if inquiry else "chargeback",
                "network": "visa",
                "network_reason_code": "10.4",
            },
        },
    )
    body["evidence_details"] |= {"due_by": at + ANSWER_SECONDS}
    dispute = world.state.add("dispute", body)
    world.state.update(charge, disputed=True)
    world.state.remember(charge, charged_back=not inquiry)
    emit(world, "charge.dispute.created", dispute, at=at)
    if movements:
        emit(world, "charge.dispute.funds_withdrawn", dispute, at=at)
    return dispute


def _withdraw(world: World, dispute: str, amount: int, currency: str, at: int) -> Body:
    return balance.post(
        world,
        account=None,
        kind="adjustment",
        amount=-amount,
        currency=currency,
        fee=FEE,
        source=dispute,
        at=at,
        category="dispute",
    ).body


def close(world: World, dispute: Row, *, won: bool, at: int) -> None:
    """End a dispute; if it is won, the amount comes back, and the fee does not."""
    movements = dispute.body["balance_transactions"]
    if dispute.body["status"].startswith("warning"):
        world.state.update(dispute, status="warning_closed")
        emit(world, "charge.dispute.closed", dispute, at=at)
        return
    if won:
        charge = world.state.get("charge", dispute.body["charge"], account=None)
        world.state.remember(charge, charged_back=False)  # what the bank has left with us may be refunded
        back = balance.post(
            world,
            account=None,
            kind="adjustment",
            amount=dispute.body["amount"],
            currency=dispute.body["currency"],
            source=dispute.id,
            at=at,
            category="dispute_reversal",
        )
        movements = [*movements, back.body]
    world.state.update(dispute, status="won" if won else "lost", balance_transactions=movements)
    emit(world, "charge.dispute.closed", dispute, at=at)
    if won:
        emit(world, "charge.dispute.funds_reinstated", dispute, at=at)


def lose_overdue(world: World, at: int) -> None:
    """Close as lost what nobody answered in time."""
    for row in world.state.all("dispute"):
        if row.body["status"] == "needs_response" and row.body["evidence_details"]["due_by"] <= at:
            details = row.body["evidence_details"] | {"past_due": True}
            world.state.update(row, evidence_details=details)
            close(world, row, won=False, at=at)


def _open(world: World, call: Call) -> Row:
    dispute = world.state.get("dispute", call.ids["id"], account=call.account)
    if dispute.body["status"] not in {"needs_response", "under_review"}:
        raise Refusal("This dispute is already closed", code="dispute_already_closed")
    return dispute


def _update(world: World, call: Call) -> Body:
    dispute = _open(world, call)
    given, body = call.params, dispute.body
    evidence = body["evidence"] | given.get("evidence", {})
    submit = given.get("submit", bool(given.get("evidence")))
    details = body["evidence_details"] | {
        "has_evidence": any(isinstance(value, str) for value in evidence.values()),
        "submission_count": body["evidence_details"]["submission_count"] + submit,
        "submission_method": "manual" if submit else body["evidence_details"]["submission_method"],
    }
    before = world.state.update(
        dispute,
        evidence=evidence,
        evidence_details=details,
        metadata=merged(body["metadata"], given.get("metadata")),
        status="under_review" if submit else body["status"],
    )
    at = world.state.now()
    emit(world, "charge.dispute.updated", dispute, before=before, at=at)
    verdict = {"winning_evidence": True, "losing_evidence": False}.get(str(evidence["uncategorized_text"]))
    if submit and verdict is not None:
        close(world, dispute, won=verdict, at=at)
    return dispute.body


def _close(world: World, call: Call) -> Body:
    dispute = _open(world, call)
    close(world, dispute, won=False, at=world.state.now())
    return dispute.body


ROUTES = [
    Route(
        "GET",
        "/v1/disputes",
        lists.listing("dispute", "charge", "payment_intent"),
        PAGE | {"charge": Text(), "payment_intent": Text()},
    ),
    Route("GET", "/v1/disputes/{id}", lists.retrieve("dispute"), EXPAND),
    Route(
        "POST",
        "/v1/disputes/{id}",
        _update,
        EXPAND | {"evidence": Group(_EVIDENCE), "metadata": Labels(), "submit": Flag()},
    ),
    Route("POST", "/v1/disputes/{id}/close", _close, EXPAND),
]
