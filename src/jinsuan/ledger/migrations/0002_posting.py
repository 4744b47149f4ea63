"""What the tables cannot say by themselves: append-only triggers and the posting function.

Plain PostgreSQL 15: no extension, nothing newer.
"""

from django.db import migrations

GUARDS = """
-- A hot account is updated by every posting; free room on its page keeps those updates in place.
ALTER TABLE ledger_account SET (fillfactor = 70);

-- Orders a statement's lines. Numbers may have gaps and mean nothing across accounts.
CREATE SEQUENCE ledger_transfer_number AS bigint OWNED BY ledger_transfer.number;

CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refuses %', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME,
              HINT = 'The book is append-only. Correct a mistake with a reversal.';
END
$$;

CREATE FUNCTION ledger_account_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.code, NEW.kind, NEW.may_overdraw, NEW.opened_at)
        IS DISTINCT FROM (OLD.id, OLD.code, OLD.kind, OLD.may_overdraw, OLD.opened_at)
    THEN
        RAISE EXCEPTION 'account % may not change its nature', OLD.code
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    IF NEW.debits_fen < OLD.debits_fen OR NEW.credits_fen < OLD.credits_fen THEN
        RAISE EXCEPTION 'totals of account % may not shrink', OLD.code
            USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;

-- Per statement, so that even a statement that finds no row is refused.
CREATE TRIGGER ledger_transfer_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_audit_row_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_audit_row
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_account_stays
    BEFORE DELETE OR TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_account_only_grows
    BEFORE UPDATE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_account_only_grows();
"""

OPEN = """
-- Opens accounts that are not there yet. In the order of codes, so that two callers who open the
-- same accounts wait for each other and never in a ring.
CREATE FUNCTION ledger_open(
    p_code text[], p_kind text[], p_may_overdraw boolean[], p_now timestamptz
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ledger_account (code, kind, may_overdraw, debits_fen, credits_fen, opened_at)
    SELECT n.code, n.kind, n.may_overdraw, 0, 0, p_now
    FROM unnest(p_code, p_kind, p_may_overdraw) AS n(code, kind, may_overdraw)
    WHERE NOT EXISTS (SELECT FROM ledger_account a WHERE a.code = n.code)
    ORDER BY n.code
    ON CONFLICT (code) DO NOTHING
$$;
"""

POST = """
-- Records every item or none and answers per item:
--   posted · exists (same key, same content: nothing to do)
-- or, when anything is refused, only the items that are, and writes nothing:
--   exists_different (same key, other content) · insufficient (with account, needed, available).
-- The caller gives one row per key, and opens its accounts with p_code, p_kind, p_may_overdraw.
CREATE FUNCTION ledger_post(
    p_code text[], p_kind text[], p_may_overdraw boolean[],
    p_id uuid[], p_key text[], p_hash bytea[], p_content text[], p_subject text[],
    p_debit text[], p_credit text[], p_fen bigint[], p_reason text[], p_cause text[],
    p_occurred_at timestamptz[],
    p_person uuid, p_organisation uuid, p_role text, p_via text, p_now timestamptz
) RETURNS TABLE (
    place bigint, outcome text, account text, needed_fen bigint, available_fen bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    known uuid[];
    numbers bigint[];
    moved_id bigint[];
    moved_out bigint[];
    moved_in bigint[];
    written bigint;
BEGIN
    PERFORM ledger_open(p_code, p_kind, p_may_overdraw, p_now);

    -- Lock before anything else, in one order for everyone (by id): two calls can wait for each
    -- other but never deadlock. NO KEY: the foreign keys' own locks on these rows do not clash.
    PERFORM FROM ledger_account a WHERE a.code = ANY (p_code) ORDER BY a.id FOR NO KEY UPDATE;

    -- Read after the locks, in a new snapshot: a concurrent retry has either committed or not begun.
    known := ARRAY(SELECT t.id FROM ledger_transfer t WHERE t.id = ANY (p_id));
    IF cardinality(known) > 0 THEN
        RETURN QUERY
            SELECT n.place, 'exists_different', NULL::text, NULL::bigint, NULL::bigint
            FROM unnest(p_id, p_hash) WITH ORDINALITY AS n(id, hash, place)
            JOIN ledger_transfer t ON t.id = n.id
            WHERE t.request_hash <> n.hash;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;

    -- What leaves and what reaches each account, netted over the whole call.
    SELECT array_agg(a.id), array_agg(m.out_fen), array_agg(m.in_fen)
    INTO moved_id, moved_out, moved_in
    FROM (
        SELECT side.code, sum(side.out_fen)::bigint AS out_fen, sum(side.in_fen)::bigint AS in_fen
        FROM unnest(p_id, p_debit, p_credit, p_fen) AS n(id, debit, credit, fen)
        CROSS JOIN LATERAL (VALUES (n.debit, n.fen, 0), (n.credit, 0, n.fen))
            AS side(code, out_fen, in_fen)
        WHERE n.id <> ALL (known)
        GROUP BY side.code
    ) m
    JOIN ledger_account a ON a.code = m.code;

    RETURN QUERY
        SELECT min(n.place), 'insufficient', a.code::text, m.out_fen,
               a.credits_fen - a.debits_fen + m.in_fen
        FROM unnest(moved_id, moved_out, moved_in) AS m(id, out_fen, in_fen)
        JOIN ledger_account a ON a.id = m.id
        JOIN unnest(p_id, p_debit) WITH ORDINALITY AS n(id, debit, place)
            ON n.debit = a.code AND n.id <> ALL (known)
        WHERE NOT a.may_overdraw AND a.debits_fen + m.out_fen > a.credits_fen + m.in_fen
        GROUP BY a.code, m.out_fen, m.in_fen, a.credits_fen, a.debits_fen;
    IF FOUND THEN
        RETURN;
    END IF;

    -- The table's CHECK repeats the rule just asked: two guards on two paths.
    UPDATE ledger_account a
    SET debits_fen = a.debits_fen + m.out_fen, credits_fen = a.credits_fen + m.in_fen
    FROM unnest(moved_id, moved_out, moved_in) AS m(id, out_fen, in_fen)
    WHERE a.id = m.id;

    -- Numbers follow the caller's order, rows are inserted in the order of ids: two calls that
    -- misuse the same keys at the same moment then wait for each other in one order, too.
    numbers := ARRAY(SELECT nextval('ledger_transfer_number') FROM unnest(p_id));
    WITH new AS (
        INSERT INTO ledger_transfer
            (id, key, number, request_hash, debit_id, credit_id, fen, reason, cause, occurred_at,
             recorded_at)
        SELECT n.id, n.key, numbers[n.place], n.hash, d.id, c.id, n.fen, n.reason, n.cause,
               n.occurred_at, p_now
        FROM unnest(p_id, p_key, p_hash, p_debit, p_credit, p_fen, p_reason, p_cause, p_occurred_at)
            WITH ORDINALITY
            AS n(id, key, hash, debit, credit, fen, reason, cause, occurred_at, place)
        JOIN ledger_account d ON d.code = n.debit
        JOIN ledger_account c ON c.code = n.credit
        WHERE n.id <> ALL (known)
        ORDER BY n.id
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    INSERT INTO ledger_audit_row
        (recorded_at, person, organisation, role, via, action, subject, reason, after_digest,
         detail)
    SELECT p_now, p_person, p_organisation, p_role, p_via, 'transfer.post', n.subject, n.reason,
           n.hash, jsonb_build_object('after', n.content::jsonb)
    FROM new
    JOIN unnest(p_id, p_subject, p_reason, p_hash, p_content) WITH ORDINALITY
        AS n(id, subject, reason, hash, content, place) ON n.id = new.id
    ORDER BY n.place;
    GET DIAGNOSTICS written = ROW_COUNT;

    -- A key of ours was taken between our look and our insert, by a call with other accounts (one
    -- with the same content would have waited for our locks), so it says something different.
    IF written + cardinality(known) <> cardinality(p_id) THEN
        RAISE EXCEPTION 'a transfer key was used for something else at the same moment'
            USING ERRCODE = 'unique_violation', TABLE = 'ledger_transfer',
                  CONSTRAINT = 'ledger_transfer_key', DETAIL = (
                      SELECT n.key FROM unnest(p_id, p_key, p_hash) AS n(id, key, hash)
                      JOIN ledger_transfer t ON t.key = n.key AND t.request_hash <> n.hash
                      ORDER BY n.id LIMIT 1);
    END IF;

    RETURN QUERY
        SELECT n.place, CASE WHEN n.id = ANY (known) THEN 'exists' ELSE 'posted' END,
               NULL::text, NULL::bigint, NULL::bigint
        FROM unnest(p_id) WITH ORDINALITY AS n(id, place);
END
$$;
"""

UNDO = """
DROP FUNCTION ledger_post;
DROP FUNCTION ledger_open;
DROP TRIGGER ledger_account_only_grows ON ledger_account;
DROP TRIGGER ledger_account_stays ON ledger_account;
DROP TRIGGER ledger_audit_row_append_only ON ledger_audit_row;
DROP TRIGGER ledger_transfer_append_only ON ledger_transfer;
DROP FUNCTION ledger_account_only_grows;
DROP FUNCTION ledger_refuse;
DROP SEQUENCE ledger_transfer_number;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [migrations.RunSQL(GUARDS + OPEN + POST, UNDO)]
