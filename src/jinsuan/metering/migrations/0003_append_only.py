"""What is only ever added: the database itself refuses to change or delete it."""

from django.db import migrations

TABLES = ("metering_usagereading", "metering_doubtfulreading", "metering_charge", "metering_chargeline", "metering_tariff", "metering_lockedprice")
FORWARD = "".join(
    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();"
    for table in TABLES
)
BACKWARD = "".join(f"DROP TRIGGER {table}_append_only ON {table};" for table in TABLES)


class Migration(migrations.Migration):
    """Triggers, with the ledger's own refusing function."""

    dependencies = [("metering", "0002_initial"), ("ledger", "0002_posting")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
