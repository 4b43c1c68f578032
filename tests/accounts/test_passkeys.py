"""A passkey in a real browser: added, used to sign in, and enough for pages with money."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests import network
from tests.factories import PASSWORD

PATIENCE_MS = 30_000  # of a machine with other things to do: the admin's first page is its slowest
KEY = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def reviewer(transactional_db: None, rae: User) -> User:
    User.objects.filter(pk=rae.pk).update(is_staff=True)
    return rae


@pytest.fixture
def page(live_server: LiveServer, reviewer: User) -> Iterator[Page]:
    """Return a page of a browser that has a security key built in.

    It comes last: Playwright keeps a loop in this thread, beside which Django's models are out of bounds.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", *network.CHROMIUM_FLAGS]
        )
        page = browser.new_page()
        devtools = page.context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
        yield page
        browser.close()


@pytest.fixture
def refusals(page: Page) -> list[str]:
    """Return what went wrong in the browser: scripts that failed, and what our policy forbade."""
    said: list[str] = []
    page.on("console", lambda told: said.append(told.text) if "Security Policy" in told.text else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def test_a_passkey_signs_in_alone_and_opens_pages_with_money(
    page: Page, refusals: list[str], live_server: LiveServer, reviewer: User
) -> None:
    page.goto(f"{live_server.url}/account/login/?next=/account/2fa/webauthn/add/")
    page.get_by_label("E-mail address").fill(reviewer.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Password", exact=True).fill(PASSWORD)  # adding a key is delicate
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name").fill("My ring")
    page.get_by_label("Let it sign me in alone").check()
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()

    page.context.clear_cookies()
    page.goto(f"{live_server.url}/account/login/?next=/admin/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_title("Site administration | Stagedoor", timeout=PATIENCE_MS)
    page.goto(f"{live_server.url}/account/2fa/webauthn/")
    expect(page.get_by_role("rowheader")).to_contain_text("My ring")
    assert refusals == []


def test_a_passkey_that_is_refused_says_so(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/account/login/")
    page.get_by_role("button", name="Use a passkey").click()
    toast = page.locator(".toast")
    expect(toast).to_have_text("That did not work, or you called it off. Try again, or use another way.")
