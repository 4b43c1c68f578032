from django.db import migrations

# Rows that today's code writes when money comes in, for the money that came in before it did.
FILL = """
INSERT INTO payments_feequestion (charge_id, attempts, last_error, next_attempt_at)
SELECT c.id, 0, '', c.paid_at FROM payments_charge c
 WHERE c.status = 'paid' AND c.stripe_fee_minor IS NULL AND c.payment_intent_id IS NOT NULL
ON CONFLICT DO NOTHING;

UPDATE payments_charge SET stripe_fee_currency = currency
 WHERE stripe_fee_minor IS NOT NULL AND stripe_fee_currency = '';
UPDATE payments_dispute SET stripe_fee_currency = currency
 WHERE is_withdrawn AND stripe_fee_currency = '';

-- The month that a membership is in was paid by its newest invoice.
INSERT INTO payments_paidperiod (invoice_id, subscription_id, charge_id, starts_at, ends_at)
SELECT DISTINCT ON (s.id) substr(c.reference, 9), s.id, c.id, c.paid_at, s.paid_until
  FROM payments_subscription s JOIN payments_charge c ON c.subscription_id = s.id
 WHERE c.status = 'paid' AND c.reference LIKE 'invoice-%%' AND c.paid_at < s.paid_until
   AND NOT EXISTS (SELECT FROM payments_paidperiod p WHERE p.subscription_id = s.id)
 ORDER BY s.id, c.paid_at DESC
ON CONFLICT DO NOTHING;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0015_movements_in_the_order_of_time")]
    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
