"""A relation stays as it was noted; it can only end, once."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER registry_relation_stays BEFORE DELETE OR TRUNCATE ON registry_relation
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();

CREATE FUNCTION registry_relation_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL
       OR to_jsonb(NEW) - 'ended_at' IS DISTINCT FROM to_jsonb(OLD) - 'ended_at' THEN
        RAISE EXCEPTION 'a relation only ends, once'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER registry_relation_ends BEFORE UPDATE ON registry_relation
    FOR EACH ROW EXECUTE FUNCTION registry_relation_ends();
"""
BACKWARD = """
DROP TRIGGER registry_relation_ends ON registry_relation;
DROP FUNCTION registry_relation_ends;
DROP TRIGGER registry_relation_stays ON registry_relation;
"""


class Migration(migrations.Migration):
    """Triggers, with the ledger's own refusing function."""

    dependencies = [("registry", "0005_relations"), ("ledger", "0002_posting")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
