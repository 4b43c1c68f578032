from celery import shared_task
from django.utils.timezone import now

from accounts import mail, signup


@shared_task
def send_letters() -> None:
    mail.send_due(at=now())


@shared_task
def tidy_up() -> None:
    """Forget what need not be kept: old letters, and accounts whose address was never confirmed."""
    mail.forget(at=now())
    signup.forget_unconfirmed(at=now())
