"""The amount of a redemption stands as long as a payment line orders it."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION vouchers_redemption_ordered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.amount_fen <> OLD.amount_fen AND EXISTS (
        SELECT FROM casework_paymentline l
        WHERE l.case_id = NEW.case_id AND l.state IN ('pending', 'sent', 'accepted')
          AND l.basis LIKE 'redemption@_%' ESCAPE '@'
    ) THEN
        RAISE EXCEPTION 'the redemption is ordered to be paid; its amount stands'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER vouchers_redemption_ordered BEFORE UPDATE ON vouchers_redemption
    FOR EACH ROW EXECUTE FUNCTION vouchers_redemption_ordered();
"""
BACKWARD = """
DROP TRIGGER vouchers_redemption_ordered ON vouchers_redemption;
DROP FUNCTION vouchers_redemption_ordered;
"""


class Migration(migrations.Migration):
    """One trigger."""

    dependencies = [("vouchers", "0009_check_data"), ("casework", "0004_payee_guards")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
