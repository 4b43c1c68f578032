"""What time brings about by itself: expiry, settlement, renewal, arrival."""

from payments.sandbox import balance, billing, checkout, disputes, money_in, paying, payouts, refunds
from payments.sandbox.world import World

_STEPS = (
    checkout.expire_overdue,
    paying.clear_debits,
    money_in.book_late,
    balance.settle,
    billing.renew_due,
    refunds.settle,
    disputes.lose_overdue,
    payouts.arrive_due,
    payouts.send_automatic,
)


def catch_up(world: World) -> None:
    """Do everything whose time has come."""
    at = world.state.now()
    with world.state.transaction():
        for step in _STEPS:
            step(world, at)


def advance(world: World, seconds: int, *, alone: bool = False) -> None:
    """Put the clock forward and do what that brings about; `alone`: as nobody's clock but Stripe's."""
    with world.state.transaction():
        world.state.advance(seconds, alone=alone)
    catch_up(world)
