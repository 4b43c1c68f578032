"""What staff of the platform, a payee, a buyer or a bank do at Stripe without the product: by hand.

Each act takes ids and amounts as the desk, a test or a script names them, and brings about the same events as
at Stripe. Nothing that is made here carries the metadata of the product.
"""

from collections.abc import Callable
from typing import Any

from payments.sandbox import balance, billing, connect, disputes, invoices, payouts, refunds, transfers
from payments.sandbox.fields import as_sent
from payments.sandbox.shapes import Body, new_id
from payments.sandbox.state import Row
from payments.sandbox.world import World

Act = Callable[..., Row]


class UnknownAct(Exception):
    """There is no such act, or it takes other arguments."""


def do(world: World, name: str, arguments: dict[str, Any]) -> Body:
    """Do one act and return the object that it made or changed. Raise UnknownAct, or Stripe's Refusal."""
    if name not in ACTS:
        raise UnknownAct(f"There is no act called {name}. There are: {', '.join(sorted(ACTS))}.")
    try:
        with world.state.transaction():
            return as_sent(ACTS[name](world, **arguments).body)
    except TypeError as error:
        raise UnknownAct(f"{name}: {error}") from error


def refund(world: World, charge: str, amount: int | None = None) -> Row:
    """Give a charge back from the dashboard, or a part of it."""
    return refunds.make(world, world.state.get("charge", charge), amount=amount)


def fail_refund(world: World, refund: str) -> Row:
    """Let a refund come back from the bank, also one that had succeeded."""
    row = _anybodys(world, "refund", refund)
    refunds.fail(world, row, at=world.state.now())
    return row


def reverse_transfer(world: World, transfer: str, amount: int | None = None) -> Row:
    """Take a transfer back from the dashboard, or a part of it."""
    return transfers.reverse(world, world.state.get("transfer", transfer), amount=amount)


def dispute(world: World, charge: str, inquiry: bool = False) -> Row:  # noqa: FBT001, FBT002 -- named in JSON
    """Let the buyer go to the bank: a chargeback, or an inquiry that takes no money."""
    row = world.state.get("charge", charge)
    return disputes.open_dispute(world, row, at=world.state.now(), inquiry=inquiry)


def close_dispute(world: World, dispute: str, won: bool = False) -> Row:  # noqa: FBT001, FBT002 -- the same
    """Let the bank decide; an inquiry just ends."""
    row = world.state.get("dispute", dispute)
    disputes.close(world, row, won=won, at=world.state.now())
    return row


def pay_invoice_elsewhere(world: World, invoice: str) -> Row:
    """Mark an open invoice as paid outside Stripe: no payment stands behind it."""
    row, at = world.state.get("invoice", invoice), world.state.now()
    invoices.pay_elsewhere(world, row, at=at)
    billing.catch_up(world, row, at=at)
    return row


def cancel_subscription(world: World, subscription: str) -> Row:
    """End a subscription at once."""
    row = world.state.get("subscription", subscription)
    billing.end(world, row, at=world.state.now(), reason="cancellation_requested")
    return row


def restrict(world: World, account: str) -> Row:
    """Take a payee's rights away until they show a document."""
    connect.restrict(world, row := world.state.get("account", account))
    return row


def stop_payouts(world: World, account: str) -> Row:
    """Stop payouts to a payee's bank: `payouts_enabled` is false, transfers still arrive."""
    connect.stop_payouts(world, row := world.state.get("account", account))
    return row


def deauthorise(world: World, account: str) -> Row:
    """Let a payee part from the platform; deleting the account has the same effect."""
    connect.leave(world, row := world.state.get("account", account))
    return row


def fail_payout(world: World, payout: str) -> Row:
    """Let a payout come back from a payee's bank, also one that was called paid."""
    row = _anybodys(world, "payout", payout)
    payouts.fail(world, row, at=world.state.now())
    return row


def pay_out(world: World, account: str) -> Row:
    """Pay out all that a payee has available."""
    return payouts.pay_out_all(world, world.state.get("account", account), at=world.state.now())


def top_up(world: World, amount: int, currency: str = "eur") -> Row:
    """Put money of the platform's own into its balance."""
    return balance.post(
        world,
        account=None,
        kind="topup",
        amount=amount,
        currency=currency,
        source=new_id("tu"),
        at=world.state.now(),
    )


def _anybodys(world: World, kind: str, identity: str) -> Row:
    row = world.state.find(identity)
    return world.state.get(kind, identity, account=row.account if row else None)


ACTS: dict[str, Act] = {
    act.__name__: act
    for act in (
        cancel_subscription,
        close_dispute,
        deauthorise,
        dispute,
        fail_payout,
        fail_refund,
        pay_invoice_elsewhere,
        pay_out,
        refund,
        restrict,
        reverse_transfer,
        stop_payouts,
        top_up,
    )
}
