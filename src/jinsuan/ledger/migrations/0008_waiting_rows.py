from django.db import migrations, models

# The trigger comes first: it locks out writers until this transaction ends, so that no row falls
# between it and the filling.
FILL = """
CREATE FUNCTION ledger_note_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger_waiting_row (row_id) SELECT id FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_audit_row_waits
    AFTER INSERT ON ledger_audit_row REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_note_waiting();
INSERT INTO ledger_waiting_row (row_id)
    SELECT a.id FROM ledger_audit_row a
    WHERE NOT EXISTS (SELECT FROM ledger_sealed_row s WHERE s.row_id = a.id);
ALTER TABLE ledger_waiting_row SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000
);
"""
UNDO = """
DROP TRIGGER ledger_audit_row_waits ON ledger_audit_row;
DROP FUNCTION ledger_note_waiting();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0007_post_by_index'),
    ]

    operations = [
        migrations.CreateModel(
            name='WaitingRow',
            fields=[
                ('row_id', models.BigIntegerField(primary_key=True, serialize=False)),
            ],
            options={
                'db_table': 'ledger_waiting_row',
            },
        ),
        migrations.RunSQL(FILL, UNDO),
    ]
