from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_the_audit_forgets_words_not_deeds")]
    operations = [
        migrations.RunSQL(
            """
            CREATE TRIGGER audit_is_never_truncated BEFORE TRUNCATE ON accounts_auditentry
                FOR EACH STATEMENT EXECUTE FUNCTION audit_never_changes();
            """,
            "DROP TRIGGER audit_is_never_truncated ON accounts_auditentry;",
        )
    ]
