"""Addresses that leave the site, in letters and at Stripe."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings


def absolute(path: str) -> str:
    """Return the full address of a path on this site."""
    return f"{settings.BASE_URL}{path}"


def at_home(word: Any, *, instead_of: str) -> Any:
    """Return an address of the host that was asked for as one of this site; anything else as it is."""
    if not isinstance(word, str) or not word.startswith(("http://", "https://")):
        return word
    _scheme, host, path, query, fragment = urlsplit(word)
    return absolute(urlunsplit(("", "", path, query, fragment))) if host == instead_of else word
