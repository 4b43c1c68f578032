from django.db import migrations

# reviewed_by names only who decided last; above the limit every yes counts, so every yes is checked.
GUARD = """
CREATE FUNCTION nobody_approves_their_own_payout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM payments_payout WHERE id = NEW.payout_id AND requested_by_id = NEW.by_id) THEN
        RAISE EXCEPTION 'nobody approves their own payout'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'nobody_approves_their_own_payout';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER nobody_approves_their_own_payout BEFORE INSERT OR UPDATE ON payments_approval
    FOR EACH ROW EXECUTE FUNCTION nobody_approves_their_own_payout();
"""
OPEN = """
DROP TRIGGER nobody_approves_their_own_payout ON payments_approval;
DROP FUNCTION nobody_approves_their_own_payout();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_answers_remembered_and_yeses_for_one_account")]
    operations = [migrations.RunSQL(GUARD, OPEN)]
