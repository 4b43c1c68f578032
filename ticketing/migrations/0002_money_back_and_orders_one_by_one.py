import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('clubs', '0001_initial'),
        ('payments', '0002_the_books_never_change'),
        ('ticketing', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='tickettype',
            name='an_order_takes_one_at_least',
        ),
        migrations.RemoveField(
            model_name='ticket',
            name='pass_hash',
        ),
        migrations.RenameField(
            model_name='tickettype',
            old_name='per_order',
            new_name='per_person',
        ),
        migrations.AddField(
            model_name='event',
            name='refunding_because',
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name='event',
            name='refunding_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='event',
            name='refunding_done_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='event',
            name='refunding_since',
            field=models.DateTimeField(blank=True, help_text='Set: everybody who bought is to have their money back.', null=True),
        ),
        migrations.AddField(
            model_name='ticket',
            name='pass_number',
            field=models.PositiveIntegerField(default=0, help_text='Which link passes it on: the links with other numbers are void.'),
        ),
        migrations.AddField(
            model_name='tickettype',
            name='is_open',
            field=models.BooleanField(default=True, verbose_name='on sale'),
        ),
        migrations.AlterField(
            model_name='tickettype',
            name='per_person',
            field=models.PositiveSmallIntegerField(default=6, help_text='Over all orders of one buyer for this event.', verbose_name='at most per person'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('refunding_done_at__isnull', True), ('refunding_since__isnull', False)), fields=['refunding_since'], name='events_giving_money_back'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.CheckConstraint(condition=models.Q(('refunding_since__isnull', True), models.Q(('refunding_by__isnull', False), models.Q(('refunding_because', ''), _negated=True)), _connector='OR'), name='giving_money_back_has_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'refunded'), _negated=True), ('refunded_at__isnull', False), _connector='OR'), name='a_refunded_order_says_when'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'held')), fields=('buyer', 'event'), name='one_held_order_per_buyer_and_event'),
        ),
        migrations.AddConstraint(
            model_name='tickettype',
            constraint=models.CheckConstraint(condition=models.Q(('per_person__gte', 1)), name='a_person_may_have_one_at_least'),
        ),
    ]
