from django.db import migrations

KEPT = """
CREATE FUNCTION audit_is_never_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was done stays written'
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'audit_is_never_truncated';
END $$;
CREATE TRIGGER audit_is_never_truncated BEFORE TRUNCATE ON accounts_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_never_truncated();
"""
LET_GO = """
DROP TRIGGER audit_is_never_truncated ON accounts_auditentry;
DROP FUNCTION audit_is_never_truncated();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_the_audit_forgets_words_not_deeds")]
    operations = [migrations.RunSQL(KEPT, LET_GO)]
