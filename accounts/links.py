"""Addresses that leave the site, in letters and at Stripe."""

from django.conf import settings


def absolute(path: str) -> str:
    """Return the full address of a path on this site."""
    return f"{settings.BASE_URL}{path}"
