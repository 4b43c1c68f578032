"""What a no of Stripe's means for the person who asked, and what they can do."""

from django.utils.translation import gettext as _

from payments.stripe_gateway import StripeRefused, StripeUnavailable

No = StripeRefused | StripeUnavailable
_AMOUNTS = {"amount_too_small", "amount_too_large", "invalid_charge_amount", "parameter_invalid_integer"}


def to_buyer(no: No, *, email: str) -> str:
    """Say why there is no page to pay on. After a definite no nothing was charged, and the same is vain."""
    match no:
        case StripeUnavailable():
            return _("Our payment partner does not answer just now. Please try again in a few minutes.")
        case StripeRefused(code="email_invalid"):
            return _(
                "Our payment partner does not accept your e-mail address %(email)s, so nothing was charged. "
                "Change the address in your account, then pay again."
            ) % {"email": email}
        case StripeRefused(code=code) if code in _AMOUNTS:
            return _(
                "Our payment partner does not take payments of this amount, so nothing was charged. "
                "Please tell the host: the price has to change."
            )
        case _:
            return _(
                "Our payment partner refused this payment, so nothing was charged. Trying again will hardly "
                "help: please tell the host."
            )


def to_member(no: No, *, has_ended: bool) -> str:
    """Say why a membership was not changed."""
    if isinstance(no, StripeUnavailable):
        return _("Our payment partner does not answer just now. Please try again in a few minutes.")
    if has_ended:
        return _("It has ended already. You may join again on the club's page.")
    return _(
        "Our payment partner refused this, and nothing has changed. Please write to us: we look into it."
    )


def to_payee(no: No, *, email: str) -> str:
    """Say why Stripe's page for payees does not open."""
    match no:
        case StripeUnavailable():
            return _("Stripe does not answer at the moment. Try again in a few minutes.")
        case StripeRefused(code="email_invalid"):
            return _(
                "Stripe does not accept the e-mail address %(email)s. Change the address in your account, "
                "then go on here."
            ) % {"email": email}
        case StripeRefused(code="account_invalid"):
            return _(
                "Your account at Stripe is no longer connected with us, so nothing can be paid to it. "
                "Please write to us, and we connect you again."
            )
        case _:
            return _(
                "Stripe refused this, and trying again will hardly help. Please write to us: we look into it."
            )
