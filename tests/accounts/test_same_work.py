"""Who has an account is not told by how much is done: hashes, queries and letters, not seconds."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import signup
from accounts.models import Letter, User
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
NOBODY = "nobody@example.com"


@dataclass(frozen=True)
class Work:
    hashes: int
    queries: Counter[str]
    letters: int
    answer: tuple[int, str]


def shape(sql: str) -> str:
    """Return what the database is asked, without names and values: SELECT accounts_user, INSERT …"""
    verb = sql.split(maxsplit=1)[0]
    table = re.search(r'(?:FROM|INTO|UPDATE) "(\w+)"', sql)
    return f"{verb} {table[1] if table else ''}"


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every password that was hashed."""
    made: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str) -> str:
        made.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return made


@pytest.fixture
def done(hashes: list[str]) -> Callable[[str, dict[str, Any]], Work]:
    """Return a function that sends a form in a new browser, and what it set in motion."""

    def send(page: str, form: dict[str, Any]) -> Work:
        client = Client()
        client.get(page)
        hashes.clear()
        letters = Letter.objects.count()
        with CaptureQueriesContext(connection) as queries:
            answer = client.post(page, form)
        # What is taken back says ROLLBACK TO besides; that it is taken back is all that differs.
        shapes = Counter(shape(query["sql"]) for query in queries if not query["sql"].startswith("ROLLBACK"))
        where = answer.headers.get("Location", "")
        return Work(len(hashes), shapes, Letter.objects.count() - letters, (answer.status_code, where))

    return send


def sign_up(email: str, handle: str, password: str = PASSWORD) -> dict[str, str]:
    return {"email": email, "username": handle, "name": "N", "password1": password}


@pytest.mark.parametrize("password", [PASSWORD, ""])
def test_signing_up_does_the_same_for_a_taken_address(
    done: Callable[[str, dict[str, Any]], Work], ben: User, password: str
) -> None:
    free = done("/account/signup/", sign_up(NOBODY, "newcomer", password))
    taken = done("/account/signup/", sign_up(ben.email, "latecomer", password))
    assert taken == free
    assert (free.letters, free.hashes) == (1, 1 if password else 0)


def test_a_handle_is_taken_by_a_sign_up_whose_address_was_taken_too(
    done: Callable[[str, dict[str, Any]], Work], ben: User
) -> None:
    for email, handle in ((NOBODY, "newcomer"), (ben.email, "latecomer")):
        done("/account/signup/", sign_up(email, handle))
        again = done("/account/signup/", sign_up(f"{handle}@example.com", handle))
        assert again.answer == (200, "")
    later = datetime.now(UTC) + signup.CONFIRM_WITHIN + timedelta(hours=1)
    assert signup.forget_unconfirmed(at=later) == 1
    assert signup.forget_kept_handles(at=later) == 2
    assert [user.handle for user in User.objects.all()] == ["ben"]


def test_signing_in_does_the_same_for_a_wrong_address(
    done: Callable[[str, dict[str, Any]], Work], ben: User
) -> None:
    by_code = UserFactory.create(handle="coder")
    by_code.set_unusable_password()
    by_code.save()
    idle = UserFactory.create(handle="idle", is_active=False)
    known, unknown, codes, closed = [
        done("/account/login/", {"login": email, "password": "a wrong sentence"})
        for email in (ben.email, NOBODY, by_code.email, idle.email)
    ]
    assert known == unknown == codes == closed
    assert known.hashes == 1


@pytest.mark.parametrize("page", ["/account/login/code/", "/account/password/reset/"])
def test_asking_for_a_letter_does_the_same_for_a_wrong_address(
    done: Callable[[str, dict[str, Any]], Work], ben: User, page: str
) -> None:
    known, unknown = [done(page, {"email": email}) for email in (ben.email, NOBODY)]
    assert known == unknown
    assert known.letters == 1
