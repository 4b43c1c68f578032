from django.db import migrations, models

import core.columns


def fill(apps, schema_editor):
    clubs = apps.get_model("clubs", "Club").objects.order_by("created_at", "pk")
    core.columns.tell_apart(clubs, of="name", otherwise="Club")
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [
        ("clubs", "0002_every_number_has_a_least_and_a_most"),
        ("payments", "0006_every_number_has_a_least_and_a_most"),
    ]
    operations = [
        migrations.AddField("club", "seen_name", core.columns.SkeletonField(of="name")),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField("club", "seen_name", core.columns.SkeletonField(of="name", unique=True)),
        migrations.AddConstraint(
            "club",
            models.CheckConstraint(
                condition=models.Q(("seen_name", ""), _negated=True), name="a_club_name_shows_something"
            ),
        ),
    ]
