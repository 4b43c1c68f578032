"""Which addresses ask for the second factor: all of them are walked, and each is known by name."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import User
from clubs.models import Club
from payments.models import Payout
from tests import addresses
from tests.accounts.factors import let_time_pass, sign_in_with_factor

# What each address asks for before it does anything. "to act": to look, the factor of this session is enough.
ASKED = {
    # Money on its way out, and who it goes to.
    "payments:request_payout": "always",
    "payments:onboard": "always",
    "payments:onboard_again": "always",
    # Finance.
    "payments:review_desk": "to act",
    "payments:review": "to act",
    "payments:approve": "to act",
    "payments:hold": "to act",
    "payments:reject": "to act",
    "payments:cases": "to act",
    "payments:case": "to act",
    "payments:try_case_again": "to act",
    "payments:settle_case": "to act",
    "payments:refund_by_hand": "to act",
    "payments:reply_document": "to act",
    "payments:refund_not_owed": "to act",
    # Money back to those who paid: no way to take it, so it is asked of those who have a factor.
    "ticketing:refund": "if set up",
    "ticketing:refund_everyone": "if set up",
    "ticketing:cancel_event": "if set up",
}
# Staff leave without it, their sign-in is what leads there, and where nothing is, nothing is done.
ADMIN_WITHOUT = {"admin:logout", "admin:login", "admin:(?P<url>.*)$"}
MONEY = ("payout", "refund", "payee", "onboard", "review", "approve", "hold", "reject", "case", "task")
# Words of money in the names of addresses that take or return nothing.
LOOKS_ONLY = {
    "payments:payee",  # the creator's own page: balances and the forms that ask
    "payments:onboarded",  # where Stripe sends people back to: reads the account, changes no payee
}


ADMIN = [address for address in addresses.every() if address.name.startswith("admin:")]


def test_every_address_that_asks_for_the_second_factor_is_known() -> None:
    asked = {
        address.name: address.view.asks_factor
        for address in addresses.every()
        if address not in ADMIN and hasattr(address.view, "asks_factor")
    }
    assert asked == ASKED


@pytest.mark.django_db
def test_every_page_of_the_admin_asks_for_it_again_before_anything_is_done(client: Client, rae: User) -> None:
    """ModelAdmin hides its views from view, so each address is called, with a factor of 13 days ago."""
    User.objects.filter(pk=rae.pk).update(is_staff=True, is_superuser=True)
    sign_in_with_factor(client, rae)
    let_time_pass(client, timedelta(days=13))
    pages = {address.path() for address in ADMIN if address.name not in ADMIN_WITHOUT}
    assert len(pages) > 4 * len(admin.site._registry)
    led = {page: client.post(page).headers.get("Location", "") for page in pages}
    assert {page for page, to in led.items() if not to.startswith("/account/2fa/reauthenticate/")} == set()


@pytest.mark.django_db
def test_the_admin_opens_to_nobody_whose_factor_is_not_of_this_session(client: Client, rae: User) -> None:
    User.objects.filter(pk=rae.pk).update(is_staff=True, is_superuser=True)
    client.force_login(rae)
    pages = {address.path() for address in ADMIN if address.name not in ADMIN_WITHOUT}
    assert {page for page in pages if client.get(page).status_code != 302} == set()


def test_no_address_named_after_money_is_forgotten() -> None:
    apps = ("payments:", "ticketing:", "clubs:", "rooms:")
    ours = {address.name for address in addresses.every() if address.name.startswith(apps)}
    about_money = {name for name in ours if any(word in name.split(":")[1] for word in MONEY)}
    assert about_money - set(ASKED) == LOOKS_ONLY


@pytest.mark.django_db
def test_a_creator_without_a_factor_takes_no_money_out(client: Client, club: Club, ada: User) -> None:
    client.force_login(ada)
    for name in ("request_payout", "onboard"):
        answer = client.post(reverse(f"payments:{name}", args=[club.payee_id]), {"amount": "10"})
        assert answer.headers["Location"] == "/account/2fa/"
    answer = client.get(reverse("payments:onboard_again", args=[club.payee_id]))
    assert answer.headers["Location"] == "/account/2fa/"
    club.payee.refresh_from_db()
    assert (Payout.objects.count(), club.payee.stripe_account_id) == (0, "")
