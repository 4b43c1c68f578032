"""How the API behaves whatever is asked: who asks, versions, lists, expansion, idempotency, failures."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import stripe

from payments.sandbox.serve import StandIn
from payments.sandbox.switches import Failure, UnknownSwitch
from payments.sandbox.world import API_VERSION

Sell = Callable[..., stripe.checkout.Session]
HEADERS = {"Authorization": "Bearer sk_test_x", "Stripe-Version": API_VERSION}


@pytest.fixture
def raw(stand_in: StandIn) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stand_in.base_url, headers=HEADERS) as raw:
        yield raw


def test_the_stand_in_speaks_the_version_that_the_sdk_sends() -> None:
    assert stripe._api_version._ApiVersion.CURRENT == API_VERSION


@pytest.mark.parametrize(
    ("header", "value", "status", "words"),
    [
        ("Authorization", "", 401, "You did not provide an API key."),
        ("Authorization", "Basic c2s6", 401, "You did not provide an API key."),
        ("Authorization", "Bearer sk_live_x", 401, "Invalid API Key provided: sk_live_***"),
        ("Stripe-Version", "2024-06-20", 400, "This stand-in speaks Stripe-Version"),
        ("Stripe-Version", "", 400, "This stand-in speaks Stripe-Version"),
    ],
)
def test_who_asks_must_say_so_and_in_the_right_version(
    raw: httpx.Client, header: str, value: str, status: int, words: str
) -> None:
    response = raw.get("/v1/products", headers={header: value})
    assert response.status_code == status
    assert response.json()["error"]["message"].startswith(words)
    assert response.headers["Request-Id"].startswith("req_")


def test_an_unknown_address_is_refused_in_stripes_words(raw: httpx.Client) -> None:
    response = raw.get("/v1/unicorns")
    assert response.status_code == 404
    assert response.json()["error"]["message"].startswith("Unrecognized request URL (GET: /v1/unicorns).")


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("colour=red", "parameter_unknown", "colour"),
        ("limit=0", "parameter_invalid_integer", "limit"),
        ("limit=101", "parameter_invalid_integer", "limit"),
        ("limit=ten", "parameter_invalid_integer", "limit"),
        ("active=yes", None, "active"),
        ("created[since]=1", "parameter_unknown", "created[since]"),
        ("starting_after=prod_x", "resource_missing", "starting_after"),
        ("expand[]=owner", None, "expand"),
        ("expand=owner", None, "expand"),
        ("[=1", None, "["),
        ("created=1&created[gte]=1", None, "created"),
    ],
)
def test_a_wrong_parameter_is_named(raw: httpx.Client, query: str, code: str | None, param: str) -> None:
    raw.post("/v1/products", content="name=One")
    response = raw.get(f"/v1/products?{query}")
    error = response.json()["error"]
    assert (response.status_code, error["type"], error.get("code"), error["param"]) == (
        400,
        "invalid_request_error",
        code,
        param,
    )


def test_what_is_not_there_is_missing(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such customer: 'cus_x'") as caught:
        client.v1.customers.retrieve("cus_x")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (
            {"a": "x" * 501},
            "Metadata values can have up to 500 characters, but you passed in a value that is 501",
        ),
        ({"a" * 41: "x"}, "up to 50 keys of up to 40 characters each"),
        ({str(number): "x" for number in range(51)}, "up to 50 keys of up to 40 characters each"),
    ],
)
def test_metadata_has_limits(client: stripe.StripeClient, metadata: dict[str, str], words: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=words):
        client.v1.customers.create({"metadata": metadata})


# Lists


@pytest.fixture
def products(client: stripe.StripeClient) -> list[str]:
    return [client.v1.products.create({"name": f"Product {number}"}).id for number in range(5)][::-1]


def test_a_list_comes_in_pages_newest_first(client: stripe.StripeClient, products: list[str]) -> None:
    page = client.v1.products.list({"limit": 2})
    assert ([each.id for each in page.data], page.has_more) == (products[:2], True)
    assert [each.id for each in page.auto_paging_iter()] == products


def test_a_list_can_be_read_backwards(client: stripe.StripeClient, products: list[str]) -> None:
    page = client.v1.products.list({"limit": 2, "ending_before": products[4]})
    assert ([each.id for each in page.data], page.has_more) == (products[2:4], True)
    page = client.v1.products.list({"limit": 2, "ending_before": products[1]})
    assert ([each.id for each in page.data], page.has_more) == (products[:1], False)


def test_a_list_can_be_cut_by_time(client: stripe.StripeClient, stand_in: StandIn) -> None:
    client.v1.products.create({"name": "Old"})
    stand_in.advance(3600)
    new = client.v1.products.create({"name": "New"})
    assert [each.id for each in client.v1.products.list({"created": {"gte": new.created}}).data] == [new.id]
    assert [each.name for each in client.v1.products.list({"created": {"lt": new.created}}).data] == ["Old"]


# Expansion


def test_expansion_goes_four_levels_deep_and_no_further(
    client: stripe.StripeClient, stand_in: StandIn, sell: Sell
) -> None:
    session = sell()
    stand_in.pay(session.id)
    path = "payment_intent.latest_charge.balance_transaction.source"
    found = client.v1.checkout.sessions.retrieve(session.id, {"expand": [path]}).to_dict()
    source = found["payment_intent"]["latest_charge"]["balance_transaction"]["source"]
    assert source["object"] == "charge"
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        client.v1.checkout.sessions.retrieve(session.id, {"expand": [path + ".customer"]})


@pytest.mark.parametrize("path", ["invoice.payment_intent", "data", "metadata.x", "amount_total"])
def test_what_stripe_does_not_expand_is_refused(
    client: stripe.StripeClient, stand_in: StandIn, sell: Sell, path: str
) -> None:
    price = {
        "currency": "eur",
        "unit_amount": 500,
        "recurring": {"interval": "day"},
        "product_data": {"name": "A"},
    }
    session = sell(mode="subscription", line_items=[{"price_data": price, "quantity": 1}])
    stand_in.pay(session.id)
    with pytest.raises(stripe.InvalidRequestError, match="This property cannot be expanded"):
        client.v1.checkout.sessions.retrieve(session.id, {"expand": [path]})


def test_expansion_does_not_change_what_is_known(
    client: stripe.StripeClient, stand_in: StandIn, sell: Sell
) -> None:
    stand_in.pay(sell().id)
    client.v1.charges.list({"expand": ["data.balance_transaction", "data.refunds"]})
    (charge,) = stand_in.objects("charge")
    assert isinstance(charge["balance_transaction"], str)
    assert "refunds" not in charge


# Updates


def test_metadata_is_merged_and_an_empty_value_removes_its_key(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Ben", "metadata": {"a": "1", "b": "2"}})
    client.v1.customers.update(customer.id, {"metadata": {"a": "", "c": "3"}, "name": "Benjamin"})
    found = client.v1.customers.retrieve(customer.id)
    assert (found.name, found.metadata and found.metadata.to_dict()) == ("Benjamin", {"b": "2", "c": "3"})


def test_an_empty_string_unsets_a_field_that_may_be_empty(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"email": "ben@example.com"})
    assert client.v1.customers.update(customer.id, {"email": ""}).email is None


def test_an_update_tells_what_was_there_before(client: stripe.StripeClient, stand_in: StandIn) -> None:
    product = client.v1.products.create({"name": "Old"})
    client.v1.products.update(product.id, {"name": "New"})
    event = stand_in.objects("event")[0]
    assert (event["type"], event["data"]["previous_attributes"]) == ("product.updated", {"name": "Old"})


# Idempotency


def test_the_same_key_gives_the_same_answer(raw: httpx.Client, stand_in: StandIn) -> None:
    key = {"Idempotency-Key": "product:1:1"}
    first = raw.post("/v1/products", content="name=One", headers=key)
    again = raw.post("/v1/products", content="name=One", headers=key)
    assert (first.json(), first.status_code) == (again.json(), again.status_code)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"]
    assert len(stand_in.objects("product")) == 1


def test_the_same_key_with_another_body_is_refused(client: stripe.StripeClient, stand_in: StandIn) -> None:
    client.v1.products.create({"name": "One"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError, match="same parameters they were first used with") as caught:
        client.v1.products.create({"name": "Two"}, {"idempotency_key": "k"})
    assert caught.value.http_status == 400
    assert len(stand_in.objects("product")) == 1


def test_a_key_belongs_to_one_account(client: stripe.StripeClient, payee: str, stand_in: StandIn) -> None:
    client.v1.products.create({"name": "One"}, {"idempotency_key": "k"})
    client.v1.products.create({"name": "Two"}, {"idempotency_key": "k", "stripe_account": payee})
    assert len(stand_in.objects("product")) == 2


def test_a_refusal_is_the_answer_too_once_the_work_had_begun(
    client: stripe.StripeClient, payee: str, stand_in: StandIn, sell: Sell
) -> None:
    def transfer() -> stripe.Transfer:
        wanted: Any = {"amount": 1000, "currency": "eur", "destination": payee}
        return client.v1.transfers.create(wanted, {"idempotency_key": "transfer:1:1"})

    with pytest.raises(stripe.InvalidRequestError, match="insufficient"):
        transfer()
    stand_in.pay(sell().id)
    with pytest.raises(stripe.InvalidRequestError, match="insufficient"):
        transfer()  # the money is there now, but this key has its answer


def test_a_malformed_request_does_not_use_up_its_key(client: stripe.StripeClient) -> None:
    wrong: Any = {"nom": "One"}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.products.create(wrong, {"idempotency_key": "k"})
    assert client.v1.products.create({"name": "One"}, {"idempotency_key": "k"}).name == "One"


def test_a_key_is_forgotten_after_a_day(client: stripe.StripeClient, stand_in: StandIn) -> None:
    first = client.v1.products.create({"name": "One"}, {"idempotency_key": "k"})
    stand_in.advance(86_400 - 60)
    assert client.v1.products.create({"name": "One"}, {"idempotency_key": "k"}).id == first.id
    stand_in.advance(120)
    assert client.v1.products.create({"name": "One"}, {"idempotency_key": "k"}).id != first.id


def test_a_second_request_while_the_first_runs_is_a_conflict(raw: httpx.Client, stand_in: StandIn) -> None:
    stand_in.switches.api_latency_seconds = 0.5
    answers = []

    def ask() -> None:
        answers.append(
            httpx.post(
                f"{stand_in.base_url}/v1/products",
                content="name=One",
                headers=HEADERS | {"Idempotency-Key": "k"},
            ).status_code
        )

    first = threading.Thread(target=ask)
    first.start()
    time.sleep(0.15)
    ask()
    first.join(5)
    assert sorted(answers) == [200, 409]
    assert len(stand_in.objects("product")) == 1


def test_a_key_that_is_too_long_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.IdempotencyError, match="at most 255 characters"):
        client.v1.products.create({"name": "One"}, {"idempotency_key": "k" * 256})


# Failures on purpose


@pytest.mark.parametrize("status", [409, 500, 503])
def test_the_sdk_retries_a_passing_failure_and_the_work_is_done_once(
    client: stripe.StripeClient, stand_in: StandIn, status: int
) -> None:
    stand_in.switches.fail_next = [Failure(status=status)]
    assert client.v1.products.create({"name": "One"}, {"idempotency_key": "k"}).name == "One"
    assert len(stand_in.objects("product")) == 1


@pytest.mark.parametrize("status", [0, 500])
def test_a_lost_answer_is_found_again_under_the_key(
    client: stripe.StripeClient, stand_in: StandIn, status: int
) -> None:
    stand_in.switches.fail_next = [Failure(status=status, after=True)]
    product = client.v1.products.create({"name": "One"}, {"idempotency_key": "k"})
    assert [each["id"] for each in stand_in.objects("product")] == [product.id]


def test_a_line_that_goes_dead_before_stripe_did_anything(
    client: stripe.StripeClient, stand_in: StandIn
) -> None:
    stand_in.switches.fail_next = [Failure(status=0)] * 3
    with pytest.raises(stripe.APIConnectionError):
        client.v1.products.create({"name": "One"})
    assert stand_in.objects("product") == []


def test_a_breakdown_that_stripe_remembers_is_the_answer_for_good(
    client: stripe.StripeClient, stand_in: StandIn
) -> None:
    stand_in.switches.fail_next = [Failure(status=500, kept=True)]
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            client.v1.products.create({"name": "One"}, {"idempotency_key": "k"})
    assert stand_in.objects("product") == []


def test_too_many_requests_are_not_retried(client: stripe.StripeClient, stand_in: StandIn) -> None:
    stand_in.switches.fail_next = [Failure(status=429, method="GET")]
    with pytest.raises(stripe.RateLimitError):
        client.v1.products.list()
    assert client.v1.products.list().data == []


def test_a_failure_waits_for_the_request_it_is_meant_for(
    client: stripe.StripeClient, stand_in: StandIn
) -> None:
    meant = Failure(path_prefix="/v1/transfers", status=429)
    stand_in.switches.fail_next = [meant]
    client.v1.products.create({"name": "One"})
    assert stand_in.switches.fail_next == [meant]


@pytest.mark.parametrize(
    "settings",
    [{"colour": True}, {"duplicate": "two"}, {"duplicate": -1}, {"reorder": 1}, {"fail_next": [{"x": 1}]}],
)
def test_switches_turn_together_or_not_at_all(stand_in: StandIn, settings: dict[str, Any]) -> None:
    before = stand_in.switches.as_dict()
    with pytest.raises(UnknownSwitch):
        stand_in.switches.turn({"delay_seconds": 3} | settings)
    assert stand_in.switches.as_dict() == before
