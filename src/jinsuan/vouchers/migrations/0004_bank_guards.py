"""What the bank said stays; what a movement is, and how far an order is, only goes on."""

from django.db import migrations

APPEND_ONLY = ("vouchers_bankfile", "vouchers_entrymatch", "vouchers_topupcode")
KEPT = ("vouchers_bankaccount", "vouchers_bankentry", "vouchers_cashorder")
FORWARD = "".join(
    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();\n"
    for table in APPEND_ONLY
) + "".join(
    f"CREATE TRIGGER {table}_stays BEFORE DELETE OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();\n"
    for table in KEPT
)
BACKWARD = "".join(f"DROP TRIGGER {t}_append_only ON {t};\n" for t in APPEND_ONLY) + "".join(
    f"DROP TRIGGER {t}_stays ON {t};\n" for t in KEPT
)

MOVES = """
CREATE FUNCTION vouchers_entry_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(NEW) - 'outcome' - 'matched') IS DISTINCT FROM
       (to_jsonb(OLD) - 'outcome' - 'matched')
       OR (OLD.outcome, NEW.outcome) NOT IN (('suspense', 'assigned'), ('unexplained', 'paid'))
    THEN
        RAISE EXCEPTION 'a bank entry goes from % to %, or says something else',
            OLD.outcome, NEW.outcome
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER vouchers_entry_goes_on BEFORE UPDATE ON vouchers_bankentry
    FOR EACH ROW EXECUTE FUNCTION vouchers_entry_goes_on();

CREATE FUNCTION vouchers_order_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.number, NEW.kind, NEW.organisation_id, NEW.order_key, NEW.amount_fen, NEW.reason,
        NEW.asked_by)
        IS DISTINCT FROM
        (OLD.number, OLD.kind, OLD.organisation_id, OLD.order_key, OLD.amount_fen, OLD.reason,
         OLD.asked_by)
       OR (OLD.made_by IS NOT NULL AND (NEW.made_by, NEW.made_at, NEW.account_id)
           IS DISTINCT FROM (OLD.made_by, OLD.made_at, OLD.account_id))
       OR (OLD.confirmed_by IS NOT NULL AND (NEW.confirmed_by, NEW.confirmed_at)
           IS DISTINCT FROM (OLD.confirmed_by, OLD.confirmed_at))
       OR (OLD.state, NEW.state) NOT IN (('asked', 'ordered'), ('asked', 'cancelled'),
           ('ordered', 'confirmed'), ('ordered', 'cancelled'), ('confirmed', 'paid'),
           ('confirmed', 'rejected'), ('paid', 'returned'))
    THEN
        RAISE EXCEPTION 'a cash order goes from % to %, or says something else',
            OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER vouchers_order_goes_on BEFORE UPDATE ON vouchers_cashorder
    FOR EACH ROW EXECUTE FUNCTION vouchers_order_goes_on();

CREATE FUNCTION vouchers_account_stays_itself() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The sealed number and its index change when the data key does, and only the key.
    IF (to_jsonb(NEW) - 'number_sealed' - 'number_index') IS DISTINCT FROM
       (to_jsonb(OLD) - 'number_sealed' - 'number_index') THEN
        RAISE EXCEPTION 'a bank account stays what it is'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER vouchers_account_stays_itself BEFORE UPDATE ON vouchers_bankaccount
    FOR EACH ROW EXECUTE FUNCTION vouchers_account_stays_itself();
"""
UNDO_MOVES = """
DROP TRIGGER vouchers_account_stays_itself ON vouchers_bankaccount;
DROP FUNCTION vouchers_account_stays_itself;
DROP TRIGGER vouchers_order_goes_on ON vouchers_cashorder;
DROP FUNCTION vouchers_order_goes_on;
DROP TRIGGER vouchers_entry_goes_on ON vouchers_bankentry;
DROP FUNCTION vouchers_entry_goes_on;
"""


class Migration(migrations.Migration):
    """Triggers, with the ledger's own refusing function."""

    dependencies = [("vouchers", "0003_bank"), ("ledger", "0002_posting")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD), migrations.RunSQL(MOVES, UNDO_MOVES)]
