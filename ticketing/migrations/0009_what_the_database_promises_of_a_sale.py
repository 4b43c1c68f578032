"""What Python alone promised, promised by the database: names that agree, and statuses that fit together."""

from django.db import migrations

# A key of several columns says that two rows which point at each other agree in them.
KEYS = [
    ("ticketing_event", "an_event_with_its_currency", "UNIQUE (id, currency)"),
    ("ticketing_tickettype", "a_type_with_its_event", "UNIQUE (id, event_id)"),
    ("ticketing_order", "an_order_with_its_event", "UNIQUE (id, event_id)"),
    ("payments_charge", "a_charge_with_what_it_asks_of_whom", "UNIQUE (id, amount_minor, currency, buyer_id)"),
    (
        "ticketing_order",
        "an_order_costs_what_its_charge_asks",
        "FOREIGN KEY (charge_id, total_minor, currency, buyer_id)"
        " REFERENCES payments_charge (id, amount_minor, currency, buyer_id)",
    ),
    (
        "ticketing_order",
        "an_order_is_in_the_money_of_its_event",
        "FOREIGN KEY (event_id, currency) REFERENCES ticketing_event (id, currency)",
    ),
    (
        "ticketing_tickettype",
        "a_type_is_in_the_money_of_its_event",
        "FOREIGN KEY (event_id, currency) REFERENCES ticketing_event (id, currency)",
    ),
    (
        "ticketing_ticket",
        "a_ticket_is_in_the_money_of_its_event",
        "FOREIGN KEY (event_id, currency) REFERENCES ticketing_event (id, currency)",
    ),
    (
        "ticketing_ticket",
        "a_ticket_is_of_the_event_of_its_type",
        "FOREIGN KEY (ticket_type_id, event_id) REFERENCES ticketing_tickettype (id, event_id)",
    ),
    (
        "ticketing_ticket",
        "a_ticket_is_of_the_event_of_its_order",
        "FOREIGN KEY (order_id, event_id) REFERENCES ticketing_order (id, event_id)",
    ),
]

# Statuses are looked at when the transaction commits: inside it, one row comes before the other.
FUNCTIONS = """
CREATE FUNCTION ticketing_refuse(promise text, what uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: %', promise, what USING ERRCODE = 'check_violation', CONSTRAINT = promise;
END $$;

-- A ticket's status as it fits its order: held with held, live with paid, else dead.
CREATE FUNCTION ticketing_ticket_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE now_is text; belongs_to text;
BEGIN
    SELECT t.status, o.status INTO now_is, belongs_to
      FROM ticketing_ticket t JOIN ticketing_order o ON o.id = t.order_id WHERE t.id = NEW.id;
    IF (now_is = 'live' AND belongs_to <> 'paid') OR (now_is = 'held' AND belongs_to <> 'held') THEN
        PERFORM ticketing_refuse('a_ticket_lives_as_its_order_does', NEW.id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION ticketing_order_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE now_is text;
BEGIN
    SELECT status INTO now_is FROM ticketing_order WHERE id = NEW.id;
    IF EXISTS (SELECT FROM ticketing_ticket WHERE order_id = NEW.id AND (
            (status = 'live' AND now_is <> 'paid') OR (status = 'held' AND now_is <> 'held'))) THEN
        PERFORM ticketing_refuse('a_ticket_lives_as_its_order_does', NEW.id);
    END IF;
    IF now_is IN ('held', 'paid') AND EXISTS (SELECT FROM ticketing_event
            WHERE id = NEW.event_id AND status = 'cancelled' AND refunding_done_at IS NOT NULL) THEN
        PERFORM ticketing_refuse('a_cancelled_event_is_done_when_nobody_is_seated', NEW.id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION ticketing_event_fits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM ticketing_event e JOIN ticketing_order o ON o.event_id = e.id
            WHERE e.id = NEW.id AND e.status = 'cancelled' AND e.refunding_done_at IS NOT NULL
              AND o.status IN ('held', 'paid')) THEN
        PERFORM ticketing_refuse('a_cancelled_event_is_done_when_nobody_is_seated', NEW.id);
    END IF;
    RETURN NULL;
END $$;

-- Deferred, since a type's rows and counts are written one after another in one transaction.
CREATE FUNCTION ticketing_basket_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE too_big uuid;
BEGIN
    SELECT order_id INTO too_big FROM ticketing_ticket
     WHERE order_id IN (SELECT order_id FROM written) GROUP BY order_id HAVING COUNT(*) > 50 LIMIT 1;
    IF too_big IS NOT NULL THEN
        PERFORM ticketing_refuse('an_order_has_fifty_tickets_at_most', too_big);
    END IF;
    RETURN NULL;
END $$;
""".replace("-- Deferred, since a type's rows and counts are written one after another in one transaction.\n", "")
TRIGGERS = """
CREATE CONSTRAINT TRIGGER a_ticket_lives_as_its_order_does
    AFTER INSERT OR UPDATE OF status, order_id ON ticketing_ticket DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ticketing_ticket_fits();
CREATE CONSTRAINT TRIGGER an_order_lives_as_its_tickets_do
    AFTER INSERT OR UPDATE OF status, event_id ON ticketing_order DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ticketing_order_fits();
CREATE CONSTRAINT TRIGGER a_cancelled_event_is_done_when_nobody_is_seated
    AFTER INSERT OR UPDATE OF status, refunding_done_at ON ticketing_event DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ticketing_event_fits();
CREATE TRIGGER an_order_has_fifty_tickets_at_most
    AFTER INSERT ON ticketing_ticket REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION ticketing_basket_fits();
"""
AWAY = """
DROP TRIGGER an_order_has_fifty_tickets_at_most ON ticketing_ticket;
DROP TRIGGER a_cancelled_event_is_done_when_nobody_is_seated ON ticketing_event;
DROP TRIGGER an_order_lives_as_its_tickets_do ON ticketing_order;
DROP TRIGGER a_ticket_lives_as_its_order_does ON ticketing_ticket;
DROP FUNCTION ticketing_basket_fits, ticketing_event_fits, ticketing_order_fits, ticketing_ticket_fits;
DROP FUNCTION ticketing_refuse;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("ticketing", "0008_types_are_withdrawn"),
        ("payments", "0005_rows_that_are_tried_again_and_cases"),
    ]
    operations = [
        *(
            migrations.RunSQL(
                f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule}", f"ALTER TABLE {table} DROP CONSTRAINT {name}"
            )
            for table, name, rule in KEYS
        ),
        migrations.RunSQL(FUNCTIONS + TRIGGERS, AWAY),
    ]
