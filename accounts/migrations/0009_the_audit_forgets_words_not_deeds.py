from django.db import migrations

WORDS_MAY_GO = """
CREATE OR REPLACE FUNCTION audit_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Whoever closes their account is taken out of the words; who did what to which, and when, stays.
    IF TG_OP = 'UPDATE' AND current_setting('stagedoor.forgets', true) = 'on'
        AND (NEW.id, NEW.at, NEW.actor_id, NEW.verb, NEW.subject_kind, NEW.subject_id)
            IS NOT DISTINCT FROM (OLD.id, OLD.at, OLD.actor_id, OLD.verb, OLD.subject_kind, OLD.subject_id)
        AND NEW.reason = '' AND NEW.details = '{}'::jsonb THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'what was done stays written'
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'audit_never_changes';
END $$;
"""
NEVER = """
CREATE OR REPLACE FUNCTION audit_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was done stays written'
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'audit_never_changes';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_handles_of_sign_ups_are_kept")]
    operations = [migrations.RunSQL(WORDS_MAY_GO, NEVER)]
