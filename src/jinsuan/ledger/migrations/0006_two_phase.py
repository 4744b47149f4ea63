"""Pending, post and void: two columns on either table, and the posting function that knows them.

Rows written before stay as they are: one step, nothing pending.
"""

from importlib import import_module

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

BEFORE = import_module("jinsuan.ledger.migrations.0002_posting").POST

POST = """
DROP FUNCTION ledger_post;

-- Records every item or none and answers per item:
--   posted · exists (same key, same content: nothing to do)
-- or, when anything is refused, only the items that are, and writes nothing:
--   exists_different (same key, other content) · insufficient (with account, needed, available)
--   pending_unknown · pending_different (with the pending's accounts, asked, reserved)
--   already_resolved (with the key that did it, NULL when this very call does it twice).
-- p_who says for each item which caller it is of: a place in p_person, p_organisation, p_role,
-- p_via and p_now.
-- Money moves by single and post; pending reserves it, post and void let go what it reserved.
-- The caller gives one row per key, and opens its accounts with p_code, p_kind, p_may_overdraw.
CREATE FUNCTION ledger_post(
    p_code text[], p_kind text[], p_may_overdraw boolean[],
    p_id uuid[], p_key text[], p_hash bytea[], p_content text[], p_subject text[],
    p_debit text[], p_credit text[], p_fen bigint[], p_reason text[], p_cause text[],
    p_occurred_at timestamptz[], p_step text[], p_pending uuid[],
    p_who int[],
    p_person uuid[], p_organisation uuid[], p_role text[], p_via text[], p_now timestamptz[]
) RETURNS TABLE (
    place bigint, outcome text, detail text, needed_fen bigint, available_fen bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    known uuid[];
    numbers bigint[];
    pledged bigint[];
    moved_id bigint[];
    moved_out bigint[];
    moved_in bigint[];
    reserved bigint[];
    freed bigint[];
    coming bigint[];
    written bigint;
BEGIN
    PERFORM ledger_open(p_code, p_kind, p_may_overdraw, p_now[1]);

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

    -- What each pending transfer reserved that this call resolves, by place. Whoever else resolves
    -- it needs the locks on the same two accounts, so it has committed or not begun.
    IF cardinality(array_remove(p_pending, NULL)) > 0 THEN
        RETURN QUERY
            SELECT n.place,
                   CASE WHEN held.fen IS NULL THEN 'pending_unknown'
                        WHEN odd THEN 'pending_different' ELSE 'already_resolved' END,
                   CASE WHEN odd THEN held.debit || ' → ' || held.credit ELSE r.key::text END,
                   n.fen, held.fen
            FROM (
                SELECT i.*, count(*) OVER (PARTITION BY i.pending) AS times
                FROM unnest(p_id, p_step, p_pending, p_debit, p_credit, p_fen) WITH ORDINALITY
                    AS i(id, step, pending, debit, credit, fen, place)
                WHERE i.pending IS NOT NULL AND i.id <> ALL (known)
            ) n
            LEFT JOIN LATERAL (
                SELECT d.code AS debit, c.code AS credit, t.fen
                FROM ledger_transfer t
                JOIN ledger_account d ON d.id = t.debit_id
                JOIN ledger_account c ON c.id = t.credit_id
                WHERE t.id = n.pending AND t.step = 'pending'
                UNION ALL
                SELECT i.debit, i.credit, i.fen
                FROM unnest(p_id, p_step, p_debit, p_credit, p_fen)
                    AS i(id, step, debit, credit, fen)
                WHERE i.id = n.pending AND i.step = 'pending' AND i.id <> ALL (known)
            ) held ON true
            CROSS JOIN LATERAL (
                SELECT held.debit <> n.debit OR held.credit <> n.credit OR n.fen > held.fen
                    OR (n.step = 'void' AND n.fen < held.fen) AS odd
            ) o
            LEFT JOIN ledger_transfer r ON r.pending_id = n.pending AND r.step IN ('post', 'void')
            WHERE held.fen IS NULL OR odd OR r.id IS NOT NULL OR n.times > 1;
        IF FOUND THEN
            RETURN;
        END IF;
        pledged := ARRAY(
            SELECT coalesce(t.fen, i.fen)
            FROM unnest(p_pending) WITH ORDINALITY AS n(pending, place)
            LEFT JOIN ledger_transfer t ON t.id = n.pending
            LEFT JOIN unnest(p_id, p_fen) AS i(id, fen) ON i.id = n.pending
            ORDER BY n.place
        );
    END IF;

    -- What leaves and reaches each account, what it reserves and lets go, netted over the call.
    SELECT array_agg(a.id), array_agg(m.out_fen), array_agg(m.in_fen),
           array_agg(m.reserved), array_agg(m.freed), array_agg(m.coming)
    INTO moved_id, moved_out, moved_in, reserved, freed, coming
    FROM (
        SELECT side.code, sum(side.out_fen)::bigint AS out_fen, sum(side.in_fen)::bigint AS in_fen,
               sum(side.reserved)::bigint AS reserved, sum(side.freed)::bigint AS freed,
               sum(side.coming)::bigint AS coming
        FROM unnest(p_id, p_debit, p_credit, p_fen, p_step, pledged)
            AS n(id, debit, credit, fen, step, pledged)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN n.step IN ('single', 'post') THEN n.fen ELSE 0 END AS moved,
                   CASE WHEN n.step = 'pending' THEN n.fen ELSE 0 END AS reserved,
                   coalesce(n.pledged, 0) AS freed
        ) s
        CROSS JOIN LATERAL (VALUES
            (n.debit, s.moved, 0, s.reserved, s.freed, 0),
            (n.credit, 0, s.moved, 0, 0, s.reserved - s.freed)
        ) AS side(code, out_fen, in_fen, reserved, freed, coming)
        WHERE n.id <> ALL (known)
        GROUP BY side.code
    ) m
    JOIN ledger_account a ON a.code = m.code;

    RETURN QUERY
        SELECT min(n.place), 'insufficient', a.code::text, m.out_fen + m.reserved,
               a.credits_fen - a.debits_fen - a.debits_pending_fen + m.in_fen + m.freed
        FROM unnest(moved_id, moved_out, moved_in, reserved, freed)
            AS m(id, out_fen, in_fen, reserved, freed)
        JOIN ledger_account a ON a.id = m.id
        JOIN unnest(p_id, p_debit) WITH ORDINALITY AS n(id, debit, place)
            ON n.debit = a.code AND n.id <> ALL (known)
        WHERE NOT a.may_overdraw
            AND m.out_fen + m.reserved
                > a.credits_fen - a.debits_fen - a.debits_pending_fen + m.in_fen + m.freed
        GROUP BY a.id, a.code, m.out_fen, m.in_fen, m.reserved, m.freed;
    IF FOUND THEN
        RETURN;
    END IF;

    -- The table's CHECK repeats the rule just asked: two guards on two paths.
    UPDATE ledger_account a
    SET debits_fen = a.debits_fen + m.out_fen, credits_fen = a.credits_fen + m.in_fen,
        debits_pending_fen = a.debits_pending_fen + m.reserved - m.freed,
        credits_pending_fen = a.credits_pending_fen + m.coming
    FROM unnest(moved_id, moved_out, moved_in, reserved, freed, coming)
        AS m(id, out_fen, in_fen, reserved, freed, coming)
    WHERE a.id = m.id;

    -- Numbers follow the caller's order, rows are inserted in the order of ids: two calls that
    -- misuse the same keys at the same moment then wait for each other in one order, too.
    numbers := ARRAY(SELECT nextval('ledger_transfer_number') FROM unnest(p_id));
    WITH new AS (
        INSERT INTO ledger_transfer
            (id, key, number, request_hash, debit_id, credit_id, fen, reason, cause, occurred_at,
             recorded_at, step, pending_id)
        SELECT n.id, n.key, numbers[n.place], n.hash, d.id, c.id, n.fen, n.reason, n.cause,
               n.occurred_at, p_now[n.who], n.step, n.pending
        FROM unnest(p_id, p_key, p_hash, p_debit, p_credit, p_fen, p_reason, p_cause, p_occurred_at,
                    p_step, p_pending, p_who)
            WITH ORDINALITY
            AS n(id, key, hash, debit, credit, fen, reason, cause, occurred_at, step, pending, who,
                 place)
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
    SELECT p_now[n.who], p_person[n.who], p_organisation[n.who], p_role[n.who], p_via[n.who],
           'transfer.post', n.subject, n.reason, n.hash, jsonb_build_object('after', n.content::jsonb)
    FROM new
    JOIN unnest(p_id, p_subject, p_reason, p_hash, p_content, p_who) WITH ORDINALITY
        AS n(id, subject, reason, hash, content, who, place) ON n.id = new.id
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

UNDO = "DROP FUNCTION ledger_post;" + BEFORE


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0005_money_kinds'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='account',
            name='account_not_overdrawn',
        ),
        migrations.AddField(
            model_name='account',
            name='credits_pending_fen',
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name='account',
            name='debits_pending_fen',
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name='transfer',
            name='pending',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.transfer'),
        ),
        migrations.AddField(
            model_name='transfer',
            name='step',
            field=models.CharField(db_default='single', max_length=10),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=models.Q(('debits_pending_fen__gte', 0), ('credits_pending_fen__gte', 0)), name='account_pending_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=models.Q(('may_overdraw', True), ('debits_fen__lte', django.db.models.expressions.CombinedExpression(models.F('credits_fen'), '-', models.F('debits_pending_fen'))), _connector='OR'), name='account_not_overdrawn'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.CheckConstraint(condition=models.Q(('step__in', ['single', 'pending', 'post', 'void'])), name='transfer_step_known'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('pending__isnull', False), ('step__in', ['post', 'void'])), models.Q(models.Q(('step__in', ['post', 'void']), _negated=True), ('pending', None)), _connector='OR'), name='transfer_resolves_pending'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.UniqueConstraint(condition=models.Q(('step__in', ['post', 'void'])), fields=('pending',), name='transfer_resolves_once'),
        ),
        migrations.RunSQL(POST, UNDO),
    ]
