"""A payee's account stays as it was entered; only its state goes on."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER casework_payeeaccount_stays BEFORE DELETE OR TRUNCATE ON casework_payeeaccount
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();

CREATE FUNCTION casework_payee_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The sealed number and its index change when the data key does, and only the key.
    IF (NEW.organisation_id, NEW.holder, NEW.bank, NEW.masked, NEW.entered_by, NEW.entered_at)
        IS DISTINCT FROM
        (OLD.organisation_id, OLD.holder, OLD.bank, OLD.masked, OLD.entered_by, OLD.entered_at)
       OR (OLD.confirmed_by IS NOT NULL AND (NEW.confirmed_by, NEW.confirmed_at, NEW.call_back)
           IS DISTINCT FROM (OLD.confirmed_by, OLD.confirmed_at, OLD.call_back))
       OR NOT (NEW.state = OLD.state OR (OLD.state, NEW.state) IN (('pending', 'confirmed'),
               ('pending', 'refused'), ('confirmed', 'replaced')))
    THEN
        RAISE EXCEPTION 'a payee account goes from % to %, or says something else',
            OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER casework_payee_goes_on BEFORE UPDATE ON casework_payeeaccount
    FOR EACH ROW EXECUTE FUNCTION casework_payee_goes_on();

-- Where a line was sent to, and what went to the bank, is never rewritten.
CREATE FUNCTION casework_sent_stays() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := to_jsonb(OLD) -> TG_ARGV[0];
BEGIN
    IF before NOT IN ('null'::jsonb, '""'::jsonb)
       AND before IS DISTINCT FROM to_jsonb(NEW) -> TG_ARGV[0] THEN
        RAISE EXCEPTION '% of % is fixed once it is written', TG_ARGV[0], TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER casework_sent_stays BEFORE UPDATE ON casework_paymentline
    FOR EACH ROW EXECUTE FUNCTION casework_sent_stays('account_id');
CREATE TRIGGER casework_sent_stays BEFORE UPDATE ON casework_paymentbatch
    FOR EACH ROW EXECUTE FUNCTION casework_sent_stays('file_sha256');
"""
BACKWARD = """
DROP TRIGGER casework_sent_stays ON casework_paymentbatch;
DROP TRIGGER casework_sent_stays ON casework_paymentline;
DROP FUNCTION casework_sent_stays;
DROP TRIGGER casework_payee_goes_on ON casework_payeeaccount;
DROP FUNCTION casework_payee_goes_on;
DROP TRIGGER casework_payeeaccount_stays ON casework_payeeaccount;
"""


class Migration(migrations.Migration):
    """Triggers, with the ledger's own refusing function."""

    dependencies = [("casework", "0003_payee_accounts"), ("ledger", "0002_posting")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
