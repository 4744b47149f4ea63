"""Invoices and payments are only added, and red-letter invoices never exceed their original."""

from django.db import migrations

TABLES = ("metering_invoice", "metering_contractpayment")
FORWARD = "".join(
    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();\n"
    for table in TABLES
)
BACKWARD = "".join(f"DROP TRIGGER {table}_append_only ON {table};" for table in TABLES)

RED = """
CREATE FUNCTION metering_red_within() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    first metering_invoice;
    taken numeric;
BEGIN
    IF NEW.original_id IS NULL THEN
        RETURN NEW;
    END IF;
    -- The lock makes two red invoices of one original wait for each other.
    SELECT * INTO first FROM metering_invoice WHERE id = NEW.original_id FOR NO KEY UPDATE;
    SELECT coalesce(sum(amount_fen), 0) INTO taken
        FROM metering_invoice WHERE original_id = NEW.original_id;
    IF first.original_id IS NOT NULL OR first.amount_fen + taken + NEW.amount_fen < 0
       OR (NEW.seller_id, NEW.buyer_id) IS DISTINCT FROM (first.seller_id, first.buyer_id)
       OR NEW.contract_id IS DISTINCT FROM first.contract_id THEN
        RAISE EXCEPTION 'a red-letter invoice takes back more than its original, or another''s'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER metering_red_within BEFORE INSERT ON metering_invoice
    FOR EACH ROW EXECUTE FUNCTION metering_red_within();
"""
NO_RED = """
DROP TRIGGER metering_red_within ON metering_invoice;
DROP FUNCTION metering_red_within;
"""


class Migration(migrations.Migration):
    """Triggers, with the ledger's own refusing function."""

    dependencies = [("metering", "0004_invoices"), ("ledger", "0002_posting")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD), migrations.RunSQL(RED, NO_RED)]
