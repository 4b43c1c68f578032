"""The hosted pages and the developer's desk, as a browser without scripts meets them."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from payments.sandbox.serve import StandIn, listen

Sell = Callable[..., stripe.checkout.Session]
CARD = {"email": "ben@example.com", "number": "4242 4242 4242 4242", "name": ""}


def error_on(page: httpx.Response) -> str:
    found = re.search(r'<p class="error"[^>]*>(.*?)</p>', page.text)
    return found[1] if found else ""


def test_the_checkout_page_says_what_is_sold_and_for_how_much(browser: httpx.Client, sell: Sell) -> None:
    page = browser.get(str(sell(quantity=2).url))
    assert page.status_code == 200
    assert "A seat<small>2 &times; €12.00</small>" in page.text
    assert '<button class="button wide">Pay €24.00</button>' in page.text
    assert '<label for="number">Card number</label>' in page.text
    assert 'href="http://shop.example/basket/"' in page.text
    assert page.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'self'"


def test_paying_leads_back_to_the_shop(browser: httpx.Client, sell: Sell, stand_in: StandIn) -> None:
    session = sell()
    reply = browser.post(f"/pay/{session.id}", data=CARD)
    assert reply.status_code == 303
    assert reply.headers["Location"] == f"http://shop.example/thanks/?session={session.id}"
    assert stand_in.find(session.id)["payment_status"] == "paid"


def test_the_page_waits_until_the_shop_has_heard(
    browser: httpx.Client, sell: Sell, stand_in: StandIn, shop: Any
) -> None:
    session = sell()
    shop.slowness = 0.1
    stand_in.switches.deliver_webhooks = True
    browser.post(f"/pay/{session.id}", data=CARD)
    assert shop.types()[-1] == "checkout.session.completed"


def test_the_page_waits_no_longer_than_ten_seconds(
    browser: httpx.Client, sell: Sell, stand_in: StandIn, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payments.sandbox.pages._PATIENCE_SECONDS", 0.3)
    shop.answers[:] = [500] * 50
    stand_in.switches.deliver_webhooks = True
    begun = time.monotonic()
    assert browser.post(f"/pay/{sell().id}", data=CARD).status_code == 303
    assert time.monotonic() - begun >= 0.3
    assert stand_in.objects("event")[0]["pending_webhooks"] > 0  # it gave up waiting: nobody has accepted it


def test_a_declined_card_is_told_on_the_form_which_keeps_what_was_written(
    browser: httpx.Client, sell: Sell
) -> None:
    page = browser.post(f"/pay/{sell().id}", data=CARD | {"number": "4000000000000002", "name": "Ben"})
    assert (page.status_code, error_on(page)) == (402, "Your card was declined.")
    assert 'value="ben@example.com"' in page.text
    assert 'value="Ben"' in page.text


def test_an_address_is_needed_before_a_card_is_charged(
    browser: httpx.Client, sell: Sell, stand_in: StandIn
) -> None:
    page = browser.post(f"/pay/{sell().id}", data=CARD | {"email": "ben"})
    assert error_on(page) == "Enter your e-mail address."
    assert stand_in.objects("payment_intent") == []


def test_an_address_that_the_shop_knows_is_not_asked_for_again(
    browser: httpx.Client, sell: Sell, stand_in: StandIn
) -> None:
    session = sell(customer_email="ben@shop.example")
    assert 'value="ben@shop.example" readonly' in browser.get(str(session.url)).text
    browser.post(f"/pay/{session.id}", data=CARD)
    assert stand_in.find(session.id)["customer_details"]["email"] == "ben@shop.example"


@pytest.mark.parametrize(("answer", "status"), [("complete", 303), ("fail", 402)])
def test_a_card_that_asks_leads_to_a_page_that_asks(
    browser: httpx.Client, sell: Sell, answer: str, status: int
) -> None:
    session = sell()
    reply = browser.post(f"/pay/{session.id}", data=CARD | {"number": "4000002500003155"})
    assert reply.headers["Location"] == f"/pay/{session.id}/confirm"
    assert "Confirm the payment of €12.00" in browser.get(f"/pay/{session.id}/confirm").text
    assert browser.post(f"/pay/{session.id}/confirm", data={"answer": answer}).status_code == status


def test_nothing_is_confirmed_that_was_not_begun(browser: httpx.Client, sell: Sell) -> None:
    session = sell()
    assert browser.get(f"/pay/{session.id}/confirm").status_code == 404
    assert browser.post(f"/pay/{session.id}/confirm", data={"answer": "complete"}).status_code == 404


def test_an_expired_checkout_says_so_and_leads_back(
    browser: httpx.Client, sell: Sell, client: stripe.StripeClient
) -> None:
    session = sell()
    client.v1.checkout.sessions.expire(session.id)
    for page in (browser.get(f"/pay/{session.id}"), browser.post(f"/pay/{session.id}", data=CARD)):
        assert page.status_code == 410
        assert "This checkout has expired" in page.text
        assert 'href="http://shop.example/basket/"' in page.text


def test_a_paid_checkout_leads_onward(browser: httpx.Client, sell: Sell, stand_in: StandIn) -> None:
    session = sell()
    stand_in.pay(session.id)
    page = browser.get(f"/pay/{session.id}")
    assert "This order is complete" in page.text
    assert f'href="http://shop.example/thanks/?session={session.id}"' in page.text


def test_what_the_shop_wrote_is_shown_as_text(browser: httpx.Client, sell: Sell) -> None:
    price = {"currency": "eur", "unit_amount": 500, "product_data": {"name": "<script>alert(1)</script>"}}
    page = browser.get(str(sell(line_items=[{"price_data": price, "quantity": 1}]).url))
    assert "<script>" not in page.text


@pytest.mark.parametrize("path", ["/pay/cs_test_x", "/onboard/acct_x/lnk_x", "/_stand_in/objects/ch_x"])
def test_what_is_not_there_is_told_plainly(browser: httpx.Client, path: str) -> None:
    page = browser.get(path)
    assert page.status_code == 404
    assert "There is nothing at this address" in page.text


@pytest.fixture
def link(client: stripe.StripeClient) -> stripe.AccountLink:
    account = client.v1.accounts.create({"country": "DE", "capabilities": {"transfers": {"requested": True}}})
    return client.v1.account_links.create(
        {
            "account": account.id,
            "type": "account_onboarding",
            "refresh_url": "http://shop.example/again/",
            "return_url": "http://shop.example/payouts/",
        }
    )


def test_the_payee_tells_stripe_who_they_are(
    browser: httpx.Client, link: stripe.AccountLink, stand_in: StandIn
) -> None:
    assert '<option value="DE" selected>Germany</option>' in browser.get(link.url).text
    wrong = browser.post(link.url, data={"name": "", "country": "DE", "iban": "12", "answer": "finish"})
    assert wrong.status_code == 422
    assert "Enter your full name." in wrong.text
    given = {"name": "Ada", "country": "DE", "iban": "de89 3704 0044 0532 0130 00", "answer": "finish"}
    assert browser.post(link.url, data=given).headers["Location"] == "http://shop.example/payouts/"
    (account,) = stand_in.objects("account")
    assert (account["payouts_enabled"], account["business_profile"]["name"]) == (True, "Ada")


def test_the_payee_may_come_back_later(
    browser: httpx.Client, link: stripe.AccountLink, stand_in: StandIn
) -> None:
    browser.get(link.url)
    reply = browser.post(link.url, data={"answer": "later"})
    assert reply.headers["Location"] == "http://shop.example/payouts/"
    assert stand_in.objects("account")[0]["details_submitted"] is False


def test_a_link_opens_once(browser: httpx.Client, link: stripe.AccountLink) -> None:
    assert browser.get(link.url).status_code == 200
    assert browser.get(link.url).headers["Location"] == "http://shop.example/again/"


def test_a_link_opens_for_five_minutes(
    browser: httpx.Client, link: stripe.AccountLink, stand_in: StandIn
) -> None:
    stand_in.advance(300)
    assert browser.get(link.url).headers["Location"] == "http://shop.example/again/"


# The desk


def test_an_empty_desk_says_how_to_begin(browser: httpx.Client) -> None:
    page = browser.get("/_stand_in/")
    assert "Nothing yet. Start a checkout in the product" in page.text
    assert "Everything has been delivered." in page.text


def test_the_desk_leads_to_every_object(browser: httpx.Client, sell: Sell, stand_in: StandIn) -> None:
    stand_in.pay(sell().id)
    for kind in re.findall(r'href="(/_stand_in/kinds/[^"]+)"', browser.get("/_stand_in/").text):
        for thing in re.findall(r'href="(/_stand_in/objects/[^"]+)"', browser.get(kind).text):
            assert browser.get(thing).status_code == 200


def test_an_object_is_shown_as_text_that_leads_to_others(
    browser: httpx.Client, client: stripe.StripeClient
) -> None:
    product = client.v1.products.create({"name": '<b title="x">A "seat"</b>'})
    price = client.v1.prices.create({"currency": "eur", "unit_amount": 1, "product": product.id})
    page = browser.get(f"/_stand_in/objects/{price.id}").text
    assert f'"product": "<a href="/_stand_in/objects/{product.id}">{product.id}</a>"' in page
    assert "<b " not in browser.get(f"/_stand_in/objects/{product.id}").text


def test_a_kind_is_shown_in_pages(browser: httpx.Client, client: stripe.StripeClient) -> None:
    for number in range(26):
        client.v1.customers.create({"name": f"Customer {number}"})
    assert "Page 1 of 2" in browser.get("/_stand_in/kinds/customer").text
    second = browser.get("/_stand_in/kinds/customer?page=2").text
    assert second.count("/_stand_in/objects/cus_") == 1
    assert browser.get("/_stand_in/kinds/customer?page=x").status_code == 200
    assert "There is nothing of this kind yet." in browser.get("/_stand_in/kinds/refund").text


def test_the_form_turns_switches(browser: httpx.Client, stand_in: StandIn) -> None:
    form = {
        "duplicate": "2",
        "delay_seconds": "0.5",
        "reorder": "on",
        "fail_status": "503",
        "fail_after": "on",
    }
    assert browser.post("/_stand_in/switches", data=form).status_code == 303
    switches = stand_in.switches
    assert (switches.duplicate, switches.delay_seconds, switches.reorder) == (2, 0.5, True)
    assert switches.deliver_webhooks is False  # its box was not ticked
    (failure,) = switches.fail_next
    assert (failure.status, failure.after) == (503, True)


def test_json_turns_switches(browser: httpx.Client) -> None:
    settings = {"fail_next": [{"method": "POST", "path_prefix": "/v1/refunds", "status": 500, "after": True}]}
    told = browser.post("/_stand_in/switches", json=settings).json()
    assert told["fail_next"] == [settings["fail_next"][0] | {"kept": False, "code": ""}]
    assert browser.get("/_stand_in/switches").json() == told
    assert browser.post("/_stand_in/switches", json={"colour": 1}).json() == {
        "error": "There is no switch called colour."
    }
    assert browser.post("/_stand_in/switches", data={"duplicate": "two"}).status_code == 400
    assert (
        browser.post(
            "/_stand_in/switches", content="[", headers={"Content-Type": "application/json"}
        ).status_code
        == 400
    )


def test_the_clock_goes_forward_only(browser: httpx.Client) -> None:
    assert browser.post("/_stand_in/clock", json={"advance_seconds": 3600}).json()["now"] > time.time() + 3500
    assert browser.post("/_stand_in/clock", data={"advance_seconds": "60"}).status_code == 303
    assert browser.post("/_stand_in/clock", json={"advance_seconds": -1}).status_code == 400
    assert browser.post("/_stand_in/clock", data={"advance_seconds": ""}).status_code == 400


def test_the_desk_sends_what_was_given_up(
    browser: httpx.Client, client: stripe.StripeClient, stand_in: StandIn, shop: Any
) -> None:
    stand_in.switches.most_attempts = 1
    shop.answers[:] = [500]
    client.v1.customers.create({"name": "Ben"})
    stand_in.deliver()
    assert "given up" in browser.get("/_stand_in/").text
    assert browser.post("/_stand_in/deliver").status_code == 303
    assert stand_in.objects("event")[0]["pending_webhooks"] == 0


@pytest.mark.parametrize("path", ["/_stand_in/clock", "/_stand_in/switches", "/_stand_in/deliver"])
def test_another_sites_page_cannot_turn_anything(browser: httpx.Client, path: str) -> None:
    reply = browser.post(path, data={"advance_seconds": "60"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert reply.status_code == 403


# The command


def start(*arguments: str, debug: str) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[3]
    return subprocess.Popen(  # noqa: S603 -- our own command
        [sys.executable, "-m", "payments.sandbox", "--webhook-secret", "whsec_x", *arguments],
        cwd=root,
        env=os.environ | {"DEBUG": debug},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("debug", ["", "0", "false"])
def test_it_refuses_to_start_without_debug(debug: str, tmp_path: Path) -> None:
    process = start("--state", str(tmp_path / "state.jsonl"), debug=debug)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 2
    assert words == "The Stripe stand-in is for development only: it starts when DEBUG is on.\n"


def test_a_taken_port_is_told_in_one_sentence(tmp_path: Path) -> None:
    with listen(0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        process = start("--port", port, "--state", str(tmp_path / "state.jsonl"), debug="1")
        _, words = process.communicate(timeout=30)
    assert process.returncode == 2
    assert words == f"Port {port} is taken: stop what uses it, or choose another with --port.\n"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_on_the_loopback_until_it_is_stopped(tmp_path: Path, stop: signal.Signals) -> None:
    with listen(0) as free:
        port = str(free.getsockname()[1])
    process = start("--port", port, "--state", str(tmp_path / "state.jsonl"), debug="true")
    stopper = threading.Timer(30, process.kill)
    stopper.start()
    try:
        page = None
        while page is None and process.poll() is None:
            try:
                page = httpx.get(f"http://127.0.0.1:{port}/_stand_in/")
            except httpx.ConnectError:
                time.sleep(0.1)
        assert page is not None
        assert page.status_code == 200
    finally:
        process.send_signal(stop)
        _, words = process.communicate(timeout=30)
        stopper.cancel()
    assert words == ""
