"""Which checks ran over which papers is only ever added to."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER vouchers_checkrun_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON vouchers_checkrun
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
"""
BACKWARD = "DROP TRIGGER vouchers_checkrun_stays ON vouchers_checkrun;"


class Migration(migrations.Migration):
    """A trigger, with the ledger's own refusing function."""

    dependencies = [("vouchers", "0006_check_runs"), ("ledger", "0002_posting")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
