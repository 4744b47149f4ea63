"""The capacity history is only ever added to: the database refuses to change or delete it."""

from django.db import migrations

TABLE = "registry_capacitychange"


class Migration(migrations.Migration):
    """A trigger, with the ledger's own refusing function."""

    dependencies = [("registry", "0002_capacity_changes"), ("ledger", "0002_posting")]
    operations = [
        migrations.RunSQL(
            f"CREATE TRIGGER {TABLE}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {TABLE}"
            " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();",
            f"DROP TRIGGER {TABLE}_append_only ON {TABLE};",
        )
    ]
