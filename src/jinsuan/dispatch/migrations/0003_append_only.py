"""What is only ever added: the database itself refuses to change or delete it."""

from django.db import migrations

TABLES = ("dispatch_decision", "dispatch_logpart")
FORWARD = "".join(
    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();"
    for table in TABLES
)
BACKWARD = "".join(f"DROP TRIGGER {table}_append_only ON {table};" for table in TABLES)


class Migration(migrations.Migration):
    """Triggers, with the ledger's own refusing function."""

    dependencies = [("dispatch", "0002_initial"), ("ledger", "0002_posting")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
