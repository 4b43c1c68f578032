"""What people do in these tests: read their letters, sign in."""

import re

from django.test import Client

from accounts.models import Letter, User
from tests.factories import PASSWORD


def newest_to(address: str) -> Letter:
    return Letter.objects.filter(to=address).latest("written_at")


def code_in(letter: Letter) -> str:
    """Return the code that the letter tells, which stands alone on an indented line."""
    [code] = re.findall(r"^ {4}(\S+)$", letter.text, re.MULTILINE)
    return str(code)


def link_in(letter: Letter) -> str:
    """Return the last link of the letter before its signature."""
    return str(re.findall(r"https?://[^/\s]+(/\S+)", letter.text.split("\n--")[0])[-1])


def sign_in(client: Client, user: User) -> None:
    client.post("/account/login/", {"login": user.email, "password": PASSWORD})


def sign_in_and_show_again(client: Client, user: User) -> None:
    """Sign in, and give the password once more, as delicate pages ask."""
    sign_in(client, user)
    client.post("/account/reauthenticate/", {"password": PASSWORD})
