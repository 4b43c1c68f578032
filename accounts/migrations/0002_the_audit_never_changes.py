from django.db import migrations

NEVER = """
CREATE FUNCTION audit_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was done stays written'
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'audit_never_changes';
END $$;
CREATE TRIGGER audit_never_changes BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_never_changes();
"""
AGAIN = """
DROP TRIGGER audit_never_changes ON accounts_auditentry;
DROP FUNCTION audit_never_changes();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL(NEVER, AGAIN)]
