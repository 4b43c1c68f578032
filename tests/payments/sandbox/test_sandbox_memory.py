"""What the stand-in remembers: through restarts, and through changes that fail half way."""

import json
from pathlib import Path

import pytest
import stripe

from payments.sandbox.journal import Journal
from payments.sandbox.serve import StandIn, running
from payments.sandbox.shapes import UnknownField, new
from payments.sandbox.state import State


def shop_at(stand_in: StandIn) -> stripe.StripeClient:
    return stripe.StripeClient("sk_test_x", base_addresses={"api": stand_in.base_url})


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    state_path = tmp_path / "sandbox" / "state.jsonl"
    with running(state_path=state_path) as stand_in:
        product = shop_at(stand_in).v1.products.create({"name": "A seat"}, {"idempotency_key": "k"})
        stand_in.advance(7 * 86_400 - 60)
        before = stand_in.objects("event")
    with running(state_path=state_path) as stand_in:
        client = shop_at(stand_in)
        assert stand_in.objects("event") == before
        assert client.v1.products.retrieve(product.id).name == "A seat"
        late = client.v1.customers.create({"name": "Ben"}, {"idempotency_key": "k2"})
        assert late.created >= product.created + 7 * 86_400 - 60
        assert [webhook.type for webhook in stand_in.take_webhooks()] == [
            "product.created",
            "customer.created",
        ]


def test_an_idempotency_key_outlives_a_restart(tmp_path: Path) -> None:
    ids = set()
    for _ in range(2):
        with running(state_path=tmp_path / "state.jsonl") as stand_in:
            product = shop_at(stand_in).v1.products.create({"name": "A seat"}, {"idempotency_key": "k"})
            ids.add(product.id)
    assert len(ids) == 1


def test_a_reset_forgets_everything(client: stripe.StripeClient, stand_in: StandIn) -> None:
    client.v1.products.create({"name": "A seat"})
    stand_in.advance(86_400)
    stand_in.switches.duplicate = 3
    now = client.v1.products.create({"name": "Another"}).created
    stand_in.reset()
    assert stand_in.objects("product") == []
    assert stand_in.switches.duplicate == 1
    assert client.v1.products.create({"name": "A seat"}).created < now


def test_a_transaction_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    state = State(Journal(path))
    with state.transaction():
        kept = state.add("thing", {"id": "thing_1", "colour": "red"}, shelf=1)

    def spoil() -> None:
        with state.transaction():
            state.update(kept, colour="blue")
            state.remember(kept, shelf=2)
            state.add("thing", {"id": "thing_2", "colour": "green"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        spoil()
    for memory in (state, State(Journal(path))):
        (row,) = memory.all("thing")
        assert (row.body["colour"], row.hidden) == ("red", {"shelf": 1})


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    state = State(Journal(path))
    for number in (1, 2):
        with state.transaction():
            state.add("thing", {"id": f"thing_{number}"})
    path.write_text(path.read_text()[:-7])
    assert [row.id for row in State(Journal(path)).all("thing")] == ["thing_1"]


def test_the_journal_does_not_grow_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    state = State(Journal(path))
    with state.transaction():
        row = state.add("thing", {"id": "thing_1", "count": 0})
        gone = state.add("thing", {"id": "thing_2"})
    for count in range(1, 50):
        with state.transaction():
            state.update(row, count=count)
    with state.transaction():
        state.forget(gone)
    State(Journal(path))
    (line,) = path.read_text().splitlines()
    assert json.loads(line)[0]["body"] == {"id": "thing_1", "count": 49}


def test_an_object_takes_no_field_that_stripe_does_not_know() -> None:
    with pytest.raises(UnknownField, match="refund has no colour"):
        new("refund", colour="red")
