"""Invoices and invoice payments: what a subscription asks for in each period, and how it was paid."""

from payments.sandbox import lists, money_in
from payments.sandbox.errors import Refusal
from payments.sandbox.events import emit
from payments.sandbox.parameters import EXPAND, PAGE, Choice, Group, Text
from payments.sandbox.shapes import Body, as_list, new, new_id
from payments.sandbox.state import Row
from payments.sandbox.world import Call, Route, World


def draw_up(world: World, subscription: Row, lines: list[Body], *, reason: str, since: int, at: int) -> Row:
    """Return a new open invoice over lines (each a `price` and a `quantity`) for the period since `since`."""
    body, identity = subscription.body, new_id("in")
    customer = world.state.get("customer", body["customer"])
    number = customer.body["next_invoice_sequence"]
    printed = [_line(world, identity, subscription, line) for line in lines]
    total = sum(line["amount"] for line in printed)
    invoice_body = new(
        "invoice",
        id=identity,
        amount_due=total,
        amount_remaining=total,
        billing_reason=reason,
        created=at,
        currency=body["currency"],
        customer=customer.id,
        customer_email=customer.body["email"],
        customer_name=customer.body["name"],
        effective_at=at,
        hosted_invoice_url=f"{world.base_url}/_stand_in/objects/{identity}",
        lines=as_list(printed, f"/v1/invoices/{identity}/lines"),
        number=f"{customer.body['invoice_prefix']}-{number:04}",
        parent=_parent(subscription),
        period_end=at,
        period_start=since,
        status="open",
        subtotal=total,
        subtotal_excluding_tax=total,
        total=total,
        total_excluding_tax=total,
    )
    invoice_body["status_transitions"] |= {"finalized_at": at}
    world.state.update(customer, next_invoice_sequence=number + 1)
    invoice = world.state.add("invoice", invoice_body)
    emit(world, "invoice.created", invoice, at=at)
    emit(world, "invoice.finalized", invoice, at=at)
    return invoice


def _parent(subscription: Row) -> Body:
    details = {
        "metadata": subscription.body["metadata"],
        "subscription": subscription.id,
        "subscription_proration_date": None,
    }
    return {"quote_details": None, "subscription_details": details, "type": "subscription_details"}


def _line(world: World, invoice: str, subscription: Row, line: Body) -> Body:
    price, quantity = line["price"], line["quantity"]
    items = subscription.body["items"]["data"]
    item = next((each for each in items if each["price"]["id"] == price["id"]), items[0])
    amount = price["unit_amount"] * quantity
    product = world.state.get("product", price["product"])
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": None,
        "subscription": subscription.id,
        "subscription_item": item["id"],
    }
    return new(
        "line_item",
        id=new_id("il"),
        amount=amount,
        currency=price["currency"],
        description=f"{quantity} \N{MULTIPLICATION SIGN} {product.body['name']}",
        invoice=invoice,
        metadata=subscription.body["metadata"],
        parent={
            "invoice_item_details": None,
            "subscription_item_details": details,
            "type": "subscription_item_details",
        },
        period={"end": item["current_period_end"], "start": item["current_period_start"]},
        pricing={
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        quantity=quantity,
        quantity_decimal=str(quantity),
        subscription=subscription.id,
        subtotal=amount,
    )


def intent_of(world: World, invoice: Row, at: int) -> Row:
    """Return the payment intent that collects the invoice, opened with the first attempt."""
    made = invoice.hidden.get("intent")
    if made:
        return world.state.get("payment_intent", made)
    intent = money_in.open_intent(
        world,
        amount=invoice.body["amount_due"],
        currency=invoice.body["currency"],
        at=at,
        customer=invoice.body["customer"],
        description="Subscription update",
    )
    _join(world, invoice, intent, at)
    return intent


def attach(world: World, intent: Row, payment_method: str) -> None:
    """Put the payment method on file on the intent."""
    world.state.update(intent, payment_method=payment_method)


def _join(world: World, invoice: Row, intent: Row, at: int) -> Row:
    world.state.remember(invoice, intent=intent.id)
    body = new(
        "invoice_payment",
        id=new_id("inpay"),
        amount_requested=invoice.body["amount_due"],
        created=at,
        currency=invoice.body["currency"],
        invoice=invoice.id,
        payment={"payment_intent": intent.id, "type": "payment_intent"},
    )
    return world.state.add("invoice_payment", body)


def pay_elsewhere(world: World, invoice: Row, *, at: int) -> None:
    """Mark an open invoice as paid outside Stripe: paid in full, and no payment of ours stands behind it."""
    if invoice.body["status"] != "open":
        raise Refusal("Invoice is already paid or void.", code="invoice_not_open")
    world.state.update(invoice, amount_paid_off_stripe=invoice.body["amount_due"])
    _mark_paid(world, invoice, at)


def settle(world: World, invoice: Row, intent: Row, *, at: int) -> None:
    """Mark the invoice as paid by the intent, which has succeeded."""
    rows = world.state.all("invoice_payment")
    mine = [row for row in rows if row.body["invoice"] == invoice.id]
    payment = mine[0] if mine else _join(world, invoice, intent, at)
    due = invoice.body["amount_due"]
    times = payment.body["status_transitions"] | {"paid_at": at}
    world.state.update(payment, amount_paid=due, status="paid", status_transitions=times)
    emit(world, "invoice_payment.paid", payment, at=at)
    world.state.update(invoice, attempt_count=invoice.body["attempt_count"] + 1)
    _mark_paid(world, invoice, at)


def _mark_paid(world: World, invoice: Row, at: int) -> None:
    world.state.update(
        invoice,
        amount_paid=invoice.body["amount_due"],
        amount_remaining=0,
        attempted=True,
        next_payment_attempt=None,
        status="paid",
        status_transitions=invoice.body["status_transitions"] | {"paid_at": at},
    )
    emit(world, "invoice.paid", invoice, at=at)
    emit(world, "invoice.payment_succeeded", invoice, at=at)


def note_failure(world: World, invoice: Row, *, next_attempt: int | None, at: int) -> None:
    """Write down that the card on file was refused for the invoice."""
    attempts = invoice.body["attempt_count"] + 1
    world.state.update(invoice, attempt_count=attempts, attempted=True, next_payment_attempt=next_attempt)
    emit(world, "invoice.payment_failed", invoice, at=at)


def _list(world: World, call: Call) -> Body:
    rows = world.state.of("invoice", account=call.account)
    for name in ("customer", "status"):
        if name in call.params:
            rows = [row for row in rows if row.body[name] == call.params[name]]
    if "subscription" in call.params:
        wanted = call.params["subscription"]
        rows = [row for row in rows if row.body["parent"]["subscription_details"]["subscription"] == wanted]
    return lists.page(call, rows)


def _list_payments(world: World, call: Call) -> Body:
    rows = world.state.of("invoice_payment", account=call.account)
    for name in ("invoice", "status"):
        if name in call.params:
            rows = [row for row in rows if row.body[name] == call.params[name]]
    if "payment" in call.params:
        wanted = call.params["payment"].get("payment_intent")
        rows = [row for row in rows if row.body["payment"]["payment_intent"] == wanted]
    return lists.page(call, rows)


ROUTES = [
    Route(
        "GET",
        "/v1/invoices",
        _list,
        PAGE
        | {
            "customer": Text(),
            "status": Choice(("draft", "open", "paid", "uncollectible", "void")),
            "subscription": Text(),
        },
    ),
    Route("GET", "/v1/invoices/{id}", lists.retrieve("invoice"), EXPAND),
    Route(
        "GET",
        "/v1/invoice_payments",
        _list_payments,
        PAGE
        | {
            "invoice": Text(),
            "payment": Group(
                {"payment_intent": Text(), "type": Choice(("charge", "payment_intent"), required=True)}
            ),
            "status": Choice(("canceled", "open", "paid")),
        },
    ),
    Route("GET", "/v1/invoice_payments/{id}", lists.retrieve("invoice_payment"), EXPAND),
]
