from django.db import migrations

# Kept by the database, so that nobody can forget it: whoever is, or lately was, an officer has an interest in what
# the club is paid. Payments refuses their review.
KEPT = """
CREATE FUNCTION officers_have_an_interest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        UPDATE payments_interest SET until = NOW()
        WHERE until IS NULL AND user_id = OLD.user_id
          AND payee_id = (SELECT payee_id FROM clubs_club WHERE id = OLD.club_id);
    END IF;
    IF TG_OP IN ('UPDATE', 'INSERT') THEN
        INSERT INTO payments_interest (payee_id, user_id, since)
        SELECT payee_id, NEW.user_id, NOW() FROM clubs_club WHERE id = NEW.club_id
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER officers_have_an_interest AFTER INSERT OR DELETE OR UPDATE OF user_id, club_id ON clubs_officer
    FOR EACH ROW EXECUTE FUNCTION officers_have_an_interest();

INSERT INTO payments_interest (payee_id, user_id, since)
SELECT c.payee_id, o.user_id, o.since FROM clubs_officer o JOIN clubs_club c ON c.id = o.club_id
ON CONFLICT DO NOTHING;
"""
LET_GO = """
DROP TRIGGER officers_have_an_interest ON clubs_officer;
DROP FUNCTION officers_have_an_interest();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("clubs", "0003_names_as_they_are_seen"),
        ("payments", "0012_who_has_an_interest_and_what_the_database_keeps"),
    ]
    operations = [migrations.RunSQL(KEPT, LET_GO)]
