"""What tables cannot say by themselves: append-only rows, one level per person, no own case.

Plain PostgreSQL 15: no extension. A person who recused, who would act at two levels of a case, or
whose organisation is the applicant's cannot write an official move, whatever code tries.
"""

from django.db import migrations

APPEND_ONLY = (
    "casework_casemove",
    "casework_recusal",
    "casework_hand",
    "casework_decision",
    "casework_attachment",
    "casework_otherfund",
    "casework_calendarday",
    "casework_notice",
)
KEPT = ("casework_case", "casework_finding", "casework_claimeddocument", "casework_objection")
PAID = ("casework_paymentbatch", "casework_paymentline")
FORWARD = "".join(
    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();\n"
    for table in APPEND_ONLY
) + "".join(
    f"CREATE TRIGGER {table}_stays BEFORE DELETE OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();\n"
    for table in KEPT + PAID
)
BACKWARD = "".join(f"DROP TRIGGER {t}_append_only ON {t};\n" for t in APPEND_ONLY) + "".join(
    f"DROP TRIGGER {t}_stays ON {t};\n" for t in KEPT + PAID
)

LEVELS = """
ALTER TABLE casework_casemove ADD CONSTRAINT case_move_one_level
    FOREIGN KEY (case_id, person, level) REFERENCES casework_hand (case_id, person, level);
ALTER TABLE casework_decision ADD CONSTRAINT decision_one_level
    FOREIGN KEY (case_id, person, level) REFERENCES casework_hand (case_id, person, level);

CREATE FUNCTION casework_move_is_clean() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    applicant uuid := (SELECT applicant_id FROM casework_case WHERE id = NEW.case_id);
BEGIN
    IF NEW.level NOT IN ('applicant', 'platform') AND NEW.organisation = applicant THEN
        RAISE EXCEPTION 'nobody acts on their own organisation''s case'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    IF NEW.level = 'applicant' AND NEW.organisation IS DISTINCT FROM applicant THEN
        RAISE EXCEPTION 'only the applicant acts as the applicant'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    IF EXISTS (SELECT FROM casework_recusal r
               WHERE r.case_id = NEW.case_id AND r.person = NEW.person) THEN
        RAISE EXCEPTION 'this person stands aside from this case'
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER casework_move_is_clean BEFORE INSERT ON casework_casemove
    FOR EACH ROW EXECUTE FUNCTION casework_move_is_clean();

-- A finding or an objection that has its answer is never rewritten.
CREATE FUNCTION casework_answer_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.closed_at IS NOT NULL THEN
        RAISE EXCEPTION '% is closed and stays', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER casework_finding_answer_stays BEFORE UPDATE ON casework_finding
    FOR EACH ROW EXECUTE FUNCTION casework_answer_stays();
CREATE TRIGGER casework_objection_answer_stays BEFORE UPDATE ON casework_objection
    FOR EACH ROW EXECUTE FUNCTION casework_answer_stays();

-- Whom and how much a line pays never changes; an answer of the bank is never taken back.
CREATE FUNCTION casework_payment_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.batch_id, NEW.place, NEW.case_id, NEW.basis, NEW.payee_id, NEW.amount_fen)
        IS DISTINCT FROM
        (OLD.batch_id, OLD.place, OLD.case_id, OLD.basis, OLD.payee_id, OLD.amount_fen)
       OR NOT (NEW.state = OLD.state
               OR (OLD.state, NEW.state) IN (('pending', 'sent'), ('pending', 'cancelled'),
                   ('sent', 'accepted'), ('sent', 'rejected'), ('rejected', 'retried')))
    THEN
        RAISE EXCEPTION 'a payment line goes from % to %, or changes what it pays',
            OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER casework_payment_goes_on BEFORE UPDATE ON casework_paymentline
    FOR EACH ROW EXECUTE FUNCTION casework_payment_goes_on();
"""
UNDO_LEVELS = """
DROP TRIGGER casework_payment_goes_on ON casework_paymentline;
DROP TRIGGER casework_objection_answer_stays ON casework_objection;
DROP TRIGGER casework_finding_answer_stays ON casework_finding;
DROP TRIGGER casework_move_is_clean ON casework_casemove;
DROP FUNCTION casework_payment_goes_on;
DROP FUNCTION casework_answer_stays;
DROP FUNCTION casework_move_is_clean;
ALTER TABLE casework_decision DROP CONSTRAINT decision_one_level;
ALTER TABLE casework_casemove DROP CONSTRAINT case_move_one_level;
"""


class Migration(migrations.Migration):
    """Triggers, with the ledger's own refusing function."""

    dependencies = [("casework", "0001_initial"), ("ledger", "0002_posting")]
    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RunSQL(LEVELS, UNDO_LEVELS),
    ]
