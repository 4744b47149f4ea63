"""What jobs of past days asked of a node, to choose nodes for those of today."""

from __future__ import annotations

from datetime import datetime

from jinsuan.dispatch.demand import Demand, Mix
from jinsuan.kernel.period import beijing_date, days
from jinsuan.ledger.statements import read

MOST = 2000
"""So many jobs are looked at, the last ones."""

# Today's jobs are left out: the mix then changes once a day, and its tables are made once a day.
_PAST = """
    SELECT (work->>'cpu_milli')::bigint, (work->>'memory_mib')::bigint,
           coalesce((work->>'cards')::bigint, 0), (work->>'card_milli')::bigint, work->>'model',
           sum((work->>'num_nodes')::bigint)::bigint
    FROM (
        SELECT work FROM dispatch_attempt
        WHERE number = 1 AND leased_at < %s ORDER BY id DESC LIMIT %s
    ) AS last
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 1, 2, 3, 4, 5
"""


def past_demand(*, now: datetime) -> Mix:
    """Of the last jobs before today (Beijing time) what each asked of each of its nodes."""
    today = beijing_date(now)
    rows = read(_PAST, [days(today, today).start, MOST])
    kinds = [
        Demand(cpu, memory, cards, milli if cards else 0, (model,) if model and cards else ())
        for cpu, memory, cards, milli, model, _ in rows
    ]
    return Mix(tuple(kinds), tuple(row[-1] for row in rows))
