"""What the voucher machine reads from the database by SQL of its own: no query of ours is trusted."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from django.db import connection

from jinsuan.casework.models import Case, CaseMove
from jinsuan.casework.moves import TABLES

ROOMS = ("ledger_", "vouchers_", "casework_", "metering_")
STILL = {"casework_calendarday"}  # hundreds of rows that no rule here writes


def rows(sql: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


@cache
def _print_sql() -> str:
    names = connection.introspection.django_table_names(only_existing=True)
    ours = sorted(n for n in names if n.startswith(ROOMS) and n not in STILL)
    assert len(ours) > 30, ours
    return " UNION ALL ".join(
        f"SELECT '{name}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {name} t"
        for name in ours
    )


def fingerprint() -> dict[object, object]:
    """A digest of every table of the rooms that move money: two equal ones are the same bytes."""
    return dict(rows(_print_sql()))  # type: ignore[arg-type]


# A transfer as text, and in parts to fold it again.
_TRANSFERS = """
    SELECT t::text, d.code, c.code, t.fen, t.step, p.fen, t.id::text, t.pending_id::text
    FROM ledger_transfer t
    JOIN ledger_account d ON d.id = t.debit_id JOIN ledger_account c ON c.id = t.credit_id
    LEFT JOIN ledger_transfer p ON p.id = t.pending_id ORDER BY t.number
"""
_ACCOUNTS = """
    SELECT code, debits_fen, credits_fen, debits_pending_fen, credits_pending_fen
    FROM ledger_account
"""


class Book:
    """The ledger, read whole after each step, and what it said before."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.moves: dict[object, list[str]] = {}

    def read(self) -> dict[str, tuple[int, int, int]]:
        """Account code to (posted, reserved, promised), zeros left out; checks the book itself."""
        transfers = rows(_TRANSFERS)
        texts = [str(one[0]) for one in transfers]
        assert texts[: len(self.seen)] == self.seen, "an earlier transfer changed or is gone"
        self.seen = texts
        folded = _fold(transfers)
        accounts = {str(code): tuple(map(int, fen)) for code, *fen in rows(_ACCOUNTS)}  # type: ignore[call-overload]
        assert {c: f for c, f in folded.items() if any(f)} == {
            c: list(f) for c, f in accounts.items() if any(f)
        }
        assert sum(f[0] for f in accounts.values()) == sum(f[1] for f in accounts.values())
        assert sum(f[2] for f in accounts.values()) == sum(f[3] for f in accounts.values())
        found = {c: (f[1] - f[0], f[2], f[3]) for c, f in accounts.items()}
        return {code: three for code, three in found.items() if any(three)}

    def cases_moved_by_the_table(self) -> None:
        """Every case went along the arrows of its table, and its earlier moves are as they were."""
        taken: dict[object, list[str]] = {}
        cases = {case.id: case for case in Case.objects.all()}
        at = {case: TABLES[row.kind].start.code for case, row in cases.items()}
        for move in CaseMove.objects.order_by("case", "number"):
            table = TABLES[cases[move.case_id].kind]
            known = {(m.source, m.name, m.target, m.role) for m in table.moves}
            assert (move.source, move.name, move.target, move.role) in known, move
            assert move.source == at[move.case_id], move
            at[move.case_id] = move.target
            told = (move.number, move.name, move.person, move.reason, bytes(move.after_digest))
            taken.setdefault(move.case_id, []).append(sha256(repr(told).encode()).hexdigest())
        assert at == {case: row.state for case, row in cases.items()}
        for case, before in self.moves.items():
            assert taken[case][: len(before)] == before, "an earlier move changed"
        self.moves = taken


def _fold(transfers: list[tuple[object, ...]]) -> dict[str, list[int]]:
    """Every account's four totals from its transfers alone."""
    folded: dict[str, list[int]] = {}
    resolved: set[object] = set()
    for _, debit, credit, fen, step, began, _, pending in transfers:
        out = folded.setdefault(str(debit), [0, 0, 0, 0])
        into = folded.setdefault(str(credit), [0, 0, 0, 0])
        amount = int(fen)  # type: ignore[call-overload]
        if step in ("post", "void"):
            assert pending not in resolved, "a pending transfer was resolved twice"
            resolved.add(pending)
            assert amount <= int(began)  # type: ignore[call-overload]
            out[2] -= int(began)  # type: ignore[call-overload]
            into[3] -= int(began)  # type: ignore[call-overload]
        if step == "pending":
            out[2] += amount
            into[3] += amount
        elif step != "void":
            out[0] += amount
            into[1] += amount
    return folded
