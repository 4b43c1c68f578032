from django.db import migrations

NEVER = """
CREATE FUNCTION transfers_never_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'transfers never change: correct a mistake by another transfer'
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transfers_never_change';
END $$;
CREATE TRIGGER transfers_never_change BEFORE UPDATE OR DELETE ON payments_transfer
    FOR EACH ROW EXECUTE FUNCTION transfers_never_change();

CREATE FUNCTION a_transfer_stays_in_its_currency() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM payments_ledgeraccount
        WHERE id IN (NEW.source_id, NEW.target_id) AND currency <> NEW.currency
    ) THEN
        RAISE EXCEPTION 'a transfer stays in its currency'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'a_transfer_stays_in_its_currency';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_transfer_stays_in_its_currency BEFORE INSERT ON payments_transfer
    FOR EACH ROW EXECUTE FUNCTION a_transfer_stays_in_its_currency();
"""
AGAIN = """
DROP TRIGGER transfers_never_change ON payments_transfer;
DROP FUNCTION transfers_never_change();
DROP TRIGGER a_transfer_stays_in_its_currency ON payments_transfer;
DROP FUNCTION a_transfer_stays_in_its_currency();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]
    operations = [migrations.RunSQL(NEVER, AGAIN)]
