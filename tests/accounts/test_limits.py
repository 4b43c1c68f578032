"""Guessing is slowed down for the network that guesses; the owner of the account gets in."""

from typing import Any

import pytest
from django.test import Client, RequestFactory

from accounts import limits
from accounts.models import Letter, User
from tests.accounts.people import code_in, newest_to
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
WRONG = "a wrong sentence"
STRANGER, OWNER = "203.0.113.9", "198.51.100.1"


def guess(client: Client, email: str, password: str = WRONG) -> bool:
    """Try to sign in; return whether it went well."""
    return client.post("/account/login/", {"login": email, "password": password}).status_code == 302


def test_a_stranger_s_wrong_passwords_lock_no_owner_out(ben: User) -> None:
    stranger = Client(REMOTE_ADDR=STRANGER)
    assert [guess(stranger, ben.email) for _guess in range(10)] == [False] * 10
    assert guess(Client(REMOTE_ADDR=OWNER), ben.email, PASSWORD)


@pytest.mark.parametrize(("wrong", "gets_in"), [(4, True), (5, False)])
def test_five_wrong_passwords_stop_the_pair(ben: User, wrong: int, *, gets_in: bool) -> None:
    stranger = Client(REMOTE_ADDR=STRANGER)
    for _guess in range(wrong):
        guess(stranger, ben.email)
    assert guess(stranger, ben.email, PASSWORD) is gets_in
    assert guess(stranger, ben.email.upper(), PASSWORD) is gets_in


@pytest.mark.parametrize(("wrong", "gets_in"), [(9, True), (10, False)])
def test_a_network_that_guesses_at_many_accounts_is_stopped_too(wrong: int, *, gets_in: bool) -> None:
    people = UserFactory.create_batch(11)
    stranger = Client(REMOTE_ADDR=STRANGER)
    for person in people[:wrong]:
        guess(stranger, person.email)
    assert guess(stranger, people[10].email, PASSWORD) is gets_in


def test_a_guess_with_an_address_that_somebody_made_up_counts_for_who_sent_it(ben: User) -> None:
    for number in range(5):
        guess(Client(REMOTE_ADDR=STRANGER, headers={"X-Forwarded-For": f"10.0.0.{number}"}), ben.email)
    assert not guess(Client(REMOTE_ADDR=STRANGER), ben.email, PASSWORD)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (0, "10.9.9.9", "203.0.113.9"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "10.9.9.9, 198.51.100.7", "198.51.100.7"),  # what the visitor wrote stands first
        (1, None, "203.0.113.9"),
    ],
)
def test_the_network_is_what_our_proxy_saw_and_without_one_what_we_see(
    settings: Any, proxies: int, forwarded: str | None, seen: str
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", REMOTE_ADDR=STRANGER, headers=headers)
    assert limits.network(request) == seen


def test_neighbours_in_one_ipv6_network_are_one() -> None:
    asked = [RequestFactory().get("/", REMOTE_ADDR=f"2001:db8::{number}") for number in (1, 2)]
    assert len({limits.network(request) for request in asked}) == 1


@pytest.mark.parametrize("page", ["/account/login/code/", "/account/password/reset/"])
def test_a_stranger_who_asks_for_letters_keeps_none_from_the_owner(ben: User, page: str) -> None:
    for _letter in range(5):
        Client(REMOTE_ADDR=STRANGER).post(page, {"email": ben.email})
    assert Letter.objects.filter(to=ben.email).count() == 3
    assert Client(REMOTE_ADDR=OWNER).post(page, {"email": ben.email}).status_code == 302
    assert Letter.objects.filter(to=ben.email).count() == 4


def test_no_mailbox_is_flooded_from_many_networks(ben: User) -> None:
    for number in range(62):
        Client(REMOTE_ADDR=f"10.0.{number}.1").post("/account/login/code/", {"email": ben.email})
    assert Letter.objects.filter(to=ben.email).count() == 60


@pytest.mark.parametrize("page", ["/account/login/code/", "/account/password/reset/"])
def test_links_in_letters_lead_here_whatever_host_was_asked(ben: User, page: str, settings: Any) -> None:
    settings.BASE_URL = "https://stagedoor.example"
    settings.ALLOWED_HOSTS = ["*"]
    for email in (ben.email, "nobody@example.com"):
        Client(headers={"Host": "evil.example"}).post(page, {"email": email})
    Client(headers={"Host": "evil.example"}).post(
        "/account/signup/", {"email": ben.email, "username": "other", "password1": PASSWORD}
    )
    words = "".join(letter.text + letter.html for letter in Letter.objects.all())
    assert ("stagedoor.example" in words, "evil.example" in words) == (True, False)


def test_a_new_code_may_be_asked_for_three_times(client: Client) -> None:
    who = {"email": "new@example.com", "username": "newcomer", "password1": PASSWORD}
    client.post("/account/signup/", who)
    codes = [code_in(newest_to("new@example.com"))]
    for _press in range(3):
        assert "Send a new code" in client.get("/account/confirm-email/").content.decode()
        client.post("/account/confirm-email/", {"action": "resend"})
        codes.append(code_in(newest_to("new@example.com")))
    assert len(set(codes)) == 4
    assert "Send a new code" not in client.get("/account/confirm-email/").content.decode()
    assert (
        client.post("/account/confirm-email/", {"code": codes[0]}).status_code == 200
    )  # the old one is dead
    assert client.post("/account/confirm-email/", {"code": codes[3]}).status_code == 302


def test_a_new_code_to_sign_in_may_be_asked_for_too(client: Client, ben: User) -> None:
    client.post("/account/login/code/", {"email": ben.email})
    assert "Send a new code" in client.get("/account/login/code/confirm/").content.decode()
    client.post("/account/login/code/confirm/", {"action": "resend"})
    assert Letter.objects.filter(to=ben.email).count() == 2


def test_signing_up_again_and_again_floods_no_mailbox() -> None:
    for number in range(5):
        who = {"email": "new@example.com", "username": f"newcomer{number}", "password1": PASSWORD}
        Client(REMOTE_ADDR=STRANGER).post("/account/signup/", who)
    assert Letter.objects.filter(to="new@example.com").count() == 3
