from django.db import migrations, models

RISES = """
CREATE FUNCTION a_new_standing_for_what_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.standing := GREATEST(NEW.standing, OLD.standing);
    IF (NEW.email, NEW.password, NEW.is_active, NEW.closed_at)
        IS DISTINCT FROM (OLD.email, OLD.password, OLD.is_active, OLD.closed_at) THEN
        NEW.standing := NEW.standing + 1;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_new_standing_for_what_changed BEFORE UPDATE ON accounts_user
    FOR EACH ROW EXECUTE FUNCTION a_new_standing_for_what_changed();
"""
NO_MORE = """
DROP TRIGGER a_new_standing_for_what_changed ON accounts_user;
DROP FUNCTION a_new_standing_for_what_changed();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_people_start_in_english")]
    operations = [
        migrations.AddField("user", "standing", models.PositiveIntegerField(default=0, editable=False)),
        migrations.RunSQL(RISES, NO_MORE),
    ]
