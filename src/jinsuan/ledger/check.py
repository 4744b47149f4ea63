"""Prove the book (对账): recompute every account from the transfers and name every difference.

Reads only. Each statement sees one snapshot, and `post` writes all it writes in one transaction,
so the check may run while others post.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger.accounts import Kind
from jinsuan.ledger.digest import digest, transfer_content, transfer_id
from jinsuan.ledger.models import Transfer
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class BookCheck:
    """What was counted, and every difference in words. No difference: the book is right."""

    accounts: int
    transfers: int
    total_debits: Money
    total_credits: Money
    differences: tuple[str, ...]


# The last column counts each transfer once, at its debit side.
_FOLD = """
    WITH line AS (
        SELECT t.debit_id, t.credit_id,
               CASE WHEN t.step IN ('single', 'post') THEN t.fen ELSE 0 END AS moved,
               CASE WHEN t.step = 'pending' AND r.id IS NULL THEN t.fen ELSE 0 END AS waits
        FROM ledger_transfer t
        LEFT JOIN ledger_transfer r ON r.pending_id = t.id AND r.step IN ('post', 'void')
    ), side AS (
        SELECT debit_id AS account_id, moved AS out_fen, 0 AS in_fen, waits AS waits_out,
               0 AS waits_in, 1 AS one
        FROM line
        UNION ALL
        SELECT credit_id, 0, moved, 0, waits, 0 FROM line
    ), fold AS (
        SELECT account_id, sum(out_fen)::bigint AS out_fen, sum(in_fen)::bigint AS in_fen,
               sum(waits_out)::bigint AS waits_out, sum(waits_in)::bigint AS waits_in,
               sum(one)::bigint AS transfers
        FROM side GROUP BY account_id
    )
    SELECT coalesce(a.code, ''), coalesce(a.kind, ''), coalesce(a.may_overdraw, false),
           coalesce(a.debits_fen, 0), coalesce(a.credits_fen, 0),
           coalesce(f.out_fen, 0), coalesce(f.in_fen, 0), coalesce(f.transfers, 0),
           f.account_id,
           coalesce(a.debits_pending_fen, 0), coalesce(f.waits_out, 0),
           coalesce(a.credits_pending_fen, 0), coalesce(f.waits_in, 0)
    FROM ledger_account a FULL JOIN fold f ON f.account_id = a.id
    ORDER BY a.code
"""

# A transfer's audit row carries its request hash, which no other transfer has.
_WITHOUT_AUDIT = """
    SELECT t.key, t.id, d.code, c.code, t.fen FROM ledger_transfer t
    JOIN ledger_account d ON d.id = t.debit_id JOIN ledger_account c ON c.id = t.credit_id
    WHERE NOT EXISTS (
        SELECT FROM ledger_audit_row a
        WHERE a.action = 'transfer.post' AND a.after_digest = t.request_hash)
    ORDER BY t.number
"""
_WITHOUT_TRANSFER = """
    SELECT a.subject FROM ledger_audit_row a
    WHERE a.action = 'transfer.post' AND NOT EXISTS (
        SELECT FROM ledger_transfer t WHERE t.request_hash = a.after_digest)
    ORDER BY a.id
"""

# Whatever posts or voids stands between the accounts of what it resolves, and for no more.
_ODD_RESOLUTIONS = """
    SELECT r.key, p.key FROM ledger_transfer r JOIN ledger_transfer p ON p.id = r.pending_id
    WHERE p.step <> 'pending' OR r.fen > p.fen OR (r.step = 'void' AND r.fen < p.fen)
        OR (r.debit_id, r.credit_id) <> (p.debit_id, p.credit_id)
    ORDER BY r.number
"""


@transaction.atomic
def check_book() -> BookCheck:
    """Recompute the whole book from its transfers and compare."""
    differences: list[str] = []
    accounts = transfers = debits = credits_ = 0
    for row in _rows(_FOLD):
        code, kind, may_overdraw, out, into, _, _, count, account_id, waits_out, *_ = row
        transfers += count
        if not code:
            differences.append(f"转账指向不存在的账户（内部编号 {account_id}）")
            continue
        accounts += 1
        debits += out
        credits_ += into
        differences += [wrong.words for wrong in _apart(row)]
        differences += _nature(code, kind, may_overdraw, Money(into - out - waits_out))
    if debits != credits_:
        differences.append(
            f"全部账户借方合计 {Money(debits)} 与贷方合计 {Money(credits_)} 不相等，"
            f"相差 {Money(debits - credits_)}"
        )
    differences += [wrong.words for wrong in wrong_transfers()]
    differences += [
        f"转账 {key} 与它了结的预留 {held} 不符" for key, held in _rows(_ODD_RESOLUTIONS)
    ]
    differences += [f"审计记录所说的转账 {ref} 不在账上" for (ref,) in _rows(_WITHOUT_TRANSFER)]
    return BookCheck(
        accounts=accounts,
        transfers=transfers,
        total_debits=Money(debits),
        total_credits=Money(credits_),
        differences=tuple(differences),
    )


def _rows(sql: str) -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        yield from cursor


def _nature(code: str, kind: str, may_overdraw: bool, available: Money) -> list[str]:
    """Whether the account is what its code says, and no lower than it may be."""
    if kind != code.partition(":")[0] or kind not in Kind.__members__.values():
        return [f"账户 {code} 的性质“{kind}”与编码不符"]
    found = []
    if may_overdraw != Kind(kind).may_overdraw:
        found.append(f"账户 {code} 的透支许可与其性质不符")
    if available < Money(0) and not Kind(kind).may_overdraw:
        found.append(f"账户 {code} 不得透支，余额却为 {available}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongAccount:
    """One side of an account that is not what its transfers add up to.

    Args:
        side: 借方 or 贷方, moved or reserved.
    """

    code: str
    side: str
    stands: Money
    folded: Money

    @property
    def words(self) -> str:
        return (
            f"账户 {self.code} {self.side}记为 {self.stands}，按转账重算为 {self.folded}，"
            f"相差 {self.stands - self.folded}"
        )


def wrong_accounts() -> list[WrongAccount]:
    """Every side of every account that is not what its transfers add up to."""
    return [wrong for row in _rows(_FOLD) if row[0] for wrong in _apart(row)]


def _apart(row: tuple[Any, ...]) -> list[WrongAccount]:
    """What is wrong in one row of the fold."""
    code, _, _, out, into, fold_out, fold_in, _, _, *waiting = row
    waits_out, fold_waits_out, waits_in, fold_waits_in = waiting
    sides = (
        ("借方", out, fold_out),
        ("贷方", into, fold_in),
        ("预留（借方）", waits_out, fold_waits_out),
        ("预留（贷方）", waits_in, fold_waits_in),
    )
    return [
        WrongAccount(code=code, side=side, stands=Money(stands), folded=Money(folded))
        for side, stands, folded in sides
        if stands != folded
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongTransfer:
    """A transfer that is not what was recorded, and the accounts at its ends."""

    ref: Ref
    debit: str
    credit: str
    amount: Money
    words: str


def wrong_transfers() -> Iterator[WrongTransfer]:
    """Transfers whose content no longer gives the digest or the id they were recorded under, and
    those that no audit row tells of.
    """
    rows = Transfer.objects.order_by("number").values_list(
        "id",
        "request_hash",
        "step",
        "pending__key",
        "key",
        "debit__code",
        "credit__code",
        "fen",
        "reason",
        "cause",
    )
    for row in rows.iterator(chunk_size=5000):
        pk, request_hash, step, pending, key, debit, credit, fen, reason, cause = row
        content = transfer_content(
            key=key,
            debit=debit,
            credit=credit,
            fen=fen,
            reason=Reason(reason),
            cause=Ref.read(cause),
            step=Step(step),
            pending=pending or "",
        )
        if bytes(request_hash) != digest(content):
            yield _wrong(pk, debit, credit, fen, f"转账 {key} 的内容与记账时的摘要不符")
        if pk != transfer_id(key):
            yield _wrong(pk, debit, credit, fen, f"转账 {key} 的编号与转账标识不符")
    for key, pk, debit, credit, fen in _rows(_WITHOUT_AUDIT):
        yield _wrong(pk, debit, credit, fen, f"转账 {key} 没有审计记录")


def _wrong(pk: UUID, debit: str, credit: str, fen: int, words: str) -> WrongTransfer:
    return WrongTransfer(
        ref=Ref("transfer", pk), debit=debit, credit=credit, amount=Money(fen), words=words
    )
