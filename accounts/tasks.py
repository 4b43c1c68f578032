from celery import shared_task
from django.utils.timezone import now

from accounts import addresses, mail, signup


@shared_task
def send_letters() -> None:
    mail.send_due(at=now())


@shared_task
def tidy_up() -> None:
    """Forget what need not be kept: old letters, unconfirmed accounts, changed addresses."""
    mail.forget(at=now())
    signup.forget_unconfirmed(at=now())
    signup.forget_kept_handles(at=now())
    addresses.forget(at=now())
