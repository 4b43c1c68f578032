from payments.models.case import Case
from payments.models.charge import Charge, Dispute, FeeQuestion, Refund
from payments.models.comparison import BalanceLine, Comparison
from payments.models.interest import Interest
from payments.models.ledger import LedgerAccount, Transfer
from payments.models.payee import Payee
from payments.models.payout import Approval, Payout, Reversal
from payments.models.reply import Reply
from payments.models.stripe_event import StripeEvent
from payments.models.subscription import PaidPeriod, Subscription

__all__ = [
    "Approval",
    "BalanceLine",
    "Case",
    "Charge",
    "Comparison",
    "Dispute",
    "FeeQuestion",
    "Interest",
    "LedgerAccount",
    "PaidPeriod",
    "Payee",
    "Payout",
    "Refund",
    "Reply",
    "Reversal",
    "StripeEvent",
    "Subscription",
    "Transfer",
]
