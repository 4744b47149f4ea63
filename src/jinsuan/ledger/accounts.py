"""Account codes (账户编码) `kind:id[:sub]`, and the closed list of kinds. Pure; no Django here.

A code says whose money it is and for what, so a statement can be read without a join. Whether an
account may go below zero is a property of its kind and of nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jinsuan.kernel.ref import Ref

MAX_LENGTH = 120
CASH = "cash"
VOUCHER = "voucher"


class Kind(StrEnum):
    """What an account is for. The list is closed: the table repeats it in a CHECK."""

    BUDGET = "budget"
    POOL = "pool"
    VOUCHER = "voucher"
    BANK = "bank"
    CASH = "cash"
    HOLD = "hold"
    PAYABLE = "payable"
    RECEIVABLE = "receivable"
    LAPSED = "lapsed"
    QUOTA = "quota"
    LIMIT = "limit"
    DUE = "due"
    PAID = "paid"
    CLAWBACK = "clawback"
    SUSPENSE = "suspense"

    @property
    def label(self) -> str:
        """The word people read."""
        return _LABELS[self]

    @property
    def may_overdraw(self) -> bool:
        """Whether the balance may go below zero: only where money enters our book from outside."""
        return self in _OVERDRAWN


_LABELS = {
    Kind.BUDGET: "年度预算",
    Kind.POOL: "算力券资金池",
    Kind.VOUCHER: "算力券",
    Kind.BANK: "监管银行户",
    Kind.CASH: "现金余额",
    Kind.HOLD: "作业冻结",
    Kind.PAYABLE: "应付算力企业",
    Kind.RECEIVABLE: "应收欠款",
    Kind.LAPSED: "过期收回",
    Kind.QUOTA: "上限总册",
    Kind.LIMIT: "申报主体额度",
    Kind.DUE: "待拨付",
    Kind.PAID: "已兑付",
    Kind.CLAWBACK: "应追缴",
    Kind.SUSPENSE: "待查款项",
}
# The treasury's grant, the money lying at the bank, what a tenant owes and the caps of the law are
# the other side of what the book holds, so they are below zero by their nature.
_OVERDRAWN = frozenset({Kind.BUDGET, Kind.BANK, Kind.RECEIVABLE, Kind.QUOTA})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCode:
    """A code taken apart. `sub` is empty for the kinds that have none."""

    kind: Kind
    id: str
    sub: str = ""


def parse(code: str) -> AccountCode:
    """Take a code apart. A code nobody could have made is a bug, so it asserts.

    >>> parse("payable:organisation_1:cash")
    AccountCode(kind=<Kind.PAYABLE: 'payable'>, id='organisation_1', sub='cash')
    """
    assert 0 < len(code) <= MAX_LENGTH, f"account code of {len(code)} characters: {code!r}"
    head, *rest = code.split(":")
    assert head in Kind.__members__.values(), f"unknown kind of account: {code!r}"
    assert 1 <= len(rest) <= 2, f"not kind:id[:sub]: {code!r}"
    for part in rest:
        assert part and part.isprintable() and " " not in part, f"bad part in {code!r}"
    return AccountCode(kind=Kind(head), id=rest[0], sub=rest[1] if len(rest) == 2 else "")


def kind_of(code: str) -> Kind:
    """The kind of account a code names."""
    return parse(code).kind


def _code(kind: Kind, *parts: str) -> str:
    code = ":".join((kind, *parts))
    parse(code)
    return code


def budget(year: int) -> str:
    """年度预算: where the treasury's money for a programme year comes from."""
    return _code(Kind.BUDGET, str(year))


def pool(code: str) -> str:
    """算力券资金池 of one programme, by its code; vouchers are issued out of it."""
    return _code(Kind.POOL, code)


def voucher(ref: Ref) -> str:
    """算力券: what is left on one voucher."""
    return _code(Kind.VOUCHER, str(ref))


def bank(name: str) -> str:
    """监管银行户: the contra of real money lying at the supervised bank."""
    return _code(Kind.BANK, name)


def cash(org: Ref) -> str:
    """现金余额: what an organisation has paid in and not spent."""
    return _code(Kind.CASH, str(org))


def hold(job: Ref, source: str) -> str:
    """作业冻结: a job's escrow by source, "cash" or a voucher's text id."""
    return _code(Kind.HOLD, str(job), source)


def payable(org: Ref, source: str) -> str:
    """应付算力企业, apart by who pays in the end: "cash" (the tenant) or "voucher" (the treasury)."""
    assert source in {CASH, VOUCHER}, source
    return _code(Kind.PAYABLE, str(org), source)


def receivable(org: Ref, programme: str = "") -> str:
    """应收欠款: what a tenant still owes after the escrow ran out; with a programme's name, what it
    has to give back of vouchers.
    """
    return _code(Kind.RECEIVABLE, str(org), *([programme] if programme else []))


def lapsed(code: str) -> str:
    """过期收回: what expired vouchers of one programme gave back."""
    return _code(Kind.LAPSED, code)


def quota(programme: str) -> str:
    """上限总册 of one programme: where the caps of its applicants come from and go back to."""
    return _code(Kind.QUOTA, programme)


def limit(org: Ref, scope: str) -> str:
    """申报主体额度: what an applicant may still be granted under one cap, such as "2025-m09"."""
    return _code(Kind.LIMIT, str(org), scope)


def due(redemption: Ref) -> str:
    """待拨付: what was approved for one redemption and the bank has not paid yet."""
    return _code(Kind.DUE, str(redemption))


def paid(programme: str) -> str:
    """已兑付: what the treasury has paid of one programme."""
    return _code(Kind.PAID, programme)


def clawback(programme: str) -> str:
    """应追缴: what payees have to give back to one programme."""
    return _code(Kind.CLAWBACK, programme)


def suspense(name: str) -> str:
    """待查款项: money that came to a bank account and belongs to nobody we know yet."""
    return _code(Kind.SUSPENSE, name)
