"""Judge and rate a stretch of a usage file in one statement: what `use.record` and `use.charge` do.

A file of a million readings is judged, rated and charged where it lies. It says in SQL what
`readings.doubt_in_file` and `rating.charge_so_far` say in Python, in whole numbers throughout; a
property test compares the two.

One charge covers what one attempt used on one Beijing day, so what is charged does not depend on
where the file is cut into transactions. The caller has locked the meters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from jinsuan.kernel.money import Money
from jinsuan.kernel.quantity import MILLI, MILLI_UNIT_SECONDS_PER_UNIT_HOUR
from jinsuan.metering.actions.use import Step
from jinsuan.metering.readings import MAX_AHEAD, TOLERANCE, Doubt

# `seen` has what does not depend on other readings; `told` has the largest value believed before.
# A value below that one cannot raise it, so it does no harm that `told` counts it too.
_JUDGED = """
    span AS MATERIALIZED (
        SELECT r.line, r.resource, r.milli_unit_seconds AS value, r.occurred_at,
               u.attempt, u.ended_at
        FROM metering_usagefilerow r
        JOIN metering_usagefilesubject u ON u.file_id = r.file_id AND u.number = r.subject
        WHERE r.file_id = %(file)s
          AND (r.subject, r.occurred_at) >= (%(subject)s, %(at)s)
          AND (r.subject, r.occurred_at) < (%(to_subject)s, %(to_at)s)
    ), meter AS MATERIALIZED (
        SELECT * FROM metering_meter WHERE attempt IN (SELECT attempt FROM span)
    ), base AS MATERIALIZED (
        SELECT p.attempt, p.resource, p.held_milli, p.millifen_per_hour AS price, m.since,
               coalesce(c.id, b.id) AS last_id, coalesce(c.value, b.value, 0) AS last,
               coalesce(b.value, 0) AS raw, c.id IS NOT NULL AS corrected
        FROM meter m JOIN metering_lockedprice p ON p.attempt = m.attempt
        LEFT JOIN LATERAL (
            SELECT x.id, x.milli_unit_seconds AS value FROM metering_usagereading x
            WHERE x.attempt = p.attempt AND x.resource = p.resource AND x.correction = 0
            ORDER BY x.milli_unit_seconds DESC LIMIT 1) b ON true
        LEFT JOIN LATERAL (
            SELECT x.id, x.milli_unit_seconds AS value FROM metering_usecorrection k
            JOIN metering_usagereading x ON x.attempt = k.attempt_id AND x.resource = k.resource
                AND x.milli_unit_seconds = k.after_milli AND x.correction = k.number
            WHERE k.attempt_id = p.attempt AND k.resource = p.resource
            ORDER BY k.number DESC LIMIT 1) c ON true
    ), seen AS (
        SELECT s.*, b.price, b.last, b.raw, b.corrected,
               CASE WHEN b.resource IS NULL THEN %(foreign)s
                    WHEN s.occurred_at > %(received)s + %(ahead)s::interval THEN %(is_ahead)s
                    WHEN s.occurred_at > s.ended_at + %(tolerance)s::interval THEN %(ended)s
                    END AS early,
               s.value::numeric * %(milli)s > b.held_milli * floor(1000 * extract(epoch FROM
                   least(%(received)s, s.occurred_at + %(ahead)s::interval) - b.since
                   + %(tolerance)s::interval)) AS jumped
        FROM span s LEFT JOIN base b ON b.attempt = s.attempt AND b.resource = s.resource
    ), told AS (
        SELECT *, greatest(raw, max(value) FILTER (
                      WHERE early IS NULL AND NOT jumped AND NOT corrected) OVER (
                      PARTITION BY attempt, resource ORDER BY occurred_at, value, line
                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS before
        FROM seen
    ), judged AS MATERIALIZED (
        SELECT *, CASE WHEN early IS NOT NULL THEN early
                       WHEN value < before THEN %(decreased)s
                       WHEN corrected AND value > before THEN %(is_corrected)s
                       WHEN jumped THEN %(is_jumped)s END AS why,
               (%(prefix)s || lpad(to_hex(line), 8, '0'))::uuid AS id,
               (occurred_at AT TIME ZONE 'Asia/Shanghai')::date AS day
        FROM told
    ), good AS MATERIALIZED (
        SELECT * FROM judged WHERE why IS NULL AND value > before
    )
"""
# The whole so far is rounded half up once: floor((2 x exact + unit) / (2 x unit)).
_RATED = """
    , latest AS (
        SELECT DISTINCT ON (attempt, resource, day) attempt, resource, day, value, id, line, price,
               last
        FROM good ORDER BY attempt, resource, day, value DESC
    ), used AS MATERIALIZED (
        SELECT *, value - coalesce(lag(value) OVER w, last) AS more, lead(day) OVER w AS until
        FROM latest WINDOW w AS (PARTITION BY attempt, resource ORDER BY day)
    ), cost AS (
        SELECT attempt, day, max(line) AS line, sum(more::numeric * price) AS exact
        FROM used GROUP BY attempt, day
    ), whole AS (
        SELECT c.attempt, c.day, c.line, m.job, m.charges, m.charged_fen,
               least(div(2 * (z.exact + sum(c.exact) OVER (PARTITION BY c.attempt ORDER BY c.day))
                         + %(unit)s, 2 * %(unit)s), m.authorised_fen)::bigint AS cumulative
        FROM cost c JOIN meter m ON m.attempt = c.attempt
        JOIN (SELECT attempt, sum(last::numeric * price) AS exact FROM base GROUP BY attempt) z
            ON z.attempt = c.attempt
    ), step AS MATERIALIZED (
        SELECT *, cumulative - lag(cumulative, 1, charged_fen) OVER (
                      PARTITION BY attempt ORDER BY day) AS amount
        FROM whole
    ), numbered AS MATERIALIZED (
        SELECT (%(prefix)s || to_hex(2147483648 + line))::uuid AS id, attempt, job, day, cumulative,
               amount, charges + row_number() OVER (PARTITION BY attempt ORDER BY day) AS number
        FROM step WHERE amount <> 0
    ), holds AS (
        SELECT attempt, resource, price, id AS reading, day AS first,
               coalesce(until, 'infinity') AS until
        FROM used
        UNION ALL
        SELECT b.attempt, b.resource, b.price, b.last_id, '-infinity',
               coalesce((SELECT min(u.day) FROM used u
                         WHERE u.attempt = b.attempt AND u.resource = b.resource), 'infinity')
        FROM base b WHERE b.last_id IS NOT NULL
    )
"""
_WRITTEN = """
    , kept AS (
        INSERT INTO metering_usagereading
            (id, attempt, resource, milli_unit_seconds, occurred_at, recorded_at)
        SELECT id, attempt, resource, value, occurred_at, %(now)s FROM good ORDER BY id
    ), aside AS (
        INSERT INTO metering_doubtfulreading
            (id, attempt, resource, milli_unit_seconds, occurred_at, recorded_at, doubt)
        SELECT id, attempt, resource, value, occurred_at, %(now)s, why
        FROM judged WHERE why IS NOT NULL ORDER BY id
        ON CONFLICT DO NOTHING
    ), charge AS (
        INSERT INTO metering_charge
            (id, attempt_id, job, number, cumulative_fen, amount_fen, recorded_at)
        SELECT id, attempt, job, number, cumulative, amount, %(now)s
        FROM numbered ORDER BY attempt, number
    ), basis AS (
        INSERT INTO metering_chargeline (charge_id, reading_id, millifen_per_hour)
        SELECT n.id, h.reading, h.price
        FROM numbered n
        JOIN holds h ON h.attempt = n.attempt AND n.day >= h.first AND n.day < h.until
        ORDER BY n.attempt, n.number, h.resource
    ), moved AS (
        UPDATE metering_meter m
        SET due = false, charges = m.charges + x.steps, charged_fen = x.cumulative
        FROM (SELECT attempt, count(*) FILTER (WHERE amount <> 0) AS steps,
                     max(cumulative) AS cumulative
              FROM step GROUP BY attempt) x
        WHERE m.attempt = x.attempt
    )
    SELECT t.*, n.id, n.attempt, n.job, n.number, n.cumulative, n.amount
    FROM (SELECT (SELECT count(*) FROM span), (SELECT count(*) FROM good),
                 (SELECT count(*) FROM judged WHERE why IS NOT NULL)) t
    LEFT JOIN numbered n ON true ORDER BY n.attempt, n.number
"""
_RATE = f"WITH {_JUDGED}{_RATED}{_WRITTEN}"
_CONSTANTS = {
    "ahead": MAX_AHEAD,
    "tolerance": TOLERANCE,
    "milli": MILLI,
    "unit": MILLI_UNIT_SECONDS_PER_UNIT_HOUR * MILLI,
    "foreign": Doubt.FOREIGN.value,
    "is_ahead": Doubt.AHEAD.value,
    "ended": Doubt.ENDED.value,
    "decreased": Doubt.DECREASED.value,
    "is_corrected": Doubt.CORRECTED.value,
    "is_jumped": Doubt.JUMPED.value,
}
assert timedelta(0) < TOLERANCE < MAX_AHEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """What became of the rows of one stretch. `rows` less `kept` and `doubts` were repeats."""

    rows: int
    kept: int
    doubts: int
    steps: tuple[Step, ...]


def rate(stretch: Mapping[str, Any], *, prefix: str, received_at: datetime, now: datetime) -> Rated:
    """Judge, keep, rate and charge the rows of a stretch: `file`, and from where (`subject`, `at`)
    up to where (`to_subject`, `to_at`, not included).

    Args:
        prefix: 24 hexadecimal digits that the ids of this file begin with.
    """
    values = {**_CONSTANTS, **stretch, "prefix": prefix, "received": received_at, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(_RATE, values)
        found = cursor.fetchall()
    rows, kept, doubts = found[0][:3]
    steps = tuple(_step(*row[3:]) for row in found if row[3] is not None)
    return Rated(rows=rows, kept=kept, doubts=doubts, steps=steps)


def _step(pk: UUID, attempt: UUID, job: UUID, number: int, cumulative: int, amount: int) -> Step:
    return Step(
        charge=pk,
        attempt=attempt,
        job=job,
        number=number,
        cumulative=Money(cumulative),
        amount=Money(amount),
    )
