"""The columns of a statement's lines, the same for every file that people read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jinsuan.kernel.money import Money
from jinsuan.kernel.period import BEIJING
from jinsuan.kernel.quantity import MILLI_UNIT_SECONDS_PER_UNIT_HOUR
from jinsuan.kernel.ref import Ref
from jinsuan.metering.charged import UsedUp
from jinsuan.metering.rating import spoken
from jinsuan.vouchers.statements import Line, Statement, counterparty

Cell = str | Money
"""An amount stays an amount, so that a spreadsheet can add it up."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Unit-hours as decimal text, exact to the millionth."""

    milli_unit_seconds: int

    def __str__(self) -> str:
        size = abs(self.milli_unit_seconds)
        millionths = (size * 1_000_000 * 2 // MILLI_UNIT_SECONDS_PER_UNIT_HOUR + 1) // 2
        hours, rest = divmod(millionths, 1_000_000)
        return f"{'-' if self.milli_unit_seconds < 0 else ''}{hours}.{rest:06d}"


BEFORE = ("记账时间", "事项", "作业", "合同", "对方", "算力中心")
MONEY = ("费用（元）", "券付", "现金付", "欠款", "更正", "其他收支", "本行变动", "余额")
AFTER = ("业务标识", "凭据", "转账")


def resources(statement: Statement) -> tuple[str, ...]:
    """The resources of the period; each has a column of its own."""
    return tuple(one.resource for one in statement.used)


def header(statement: Statement) -> list[str]:
    """What stands over the columns."""
    used = [" ".join(spoken(resource)) for resource in resources(statement)]
    return [*BEFORE, *used, *MONEY, *AFTER]


def rows(
    statement: Statement, lines: Iterable[Line], balance: Money | None = None
) -> Iterator[list[Cell | Hours]]:
    """A row per line, with the balance after it.

    Args:
        balance: before the first of these lines; the opening one when they are the first.
    """
    balance = statement.opening if balance is None else balance
    wanted = resources(statement)
    for line in lines:
        balance += line.amount
        basis = line.basis
        used = {one.resource: one for one in line.used}
        yield [
            f"{line.at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}",
            "费用" if line.charge else line.reason.label,
            "" if basis is None else str(basis.job),
            "" if basis is None else basis.contract_number,
            counterparty(line, statement.subject),
            "" if basis is None else f"{basis.centre_name}（{basis.centre}）",
            *(_hours(used.get(resource)) for resource in wanted),
            line.charge,
            line.voucher,
            line.cash,
            line.shortfall,
            line.correction,
            line.other,
            line.amount,
            balance,
            line.key,
            str(line.ref),
            _joined(line.transfers),
        ]


def _hours(used: UsedUp | None) -> Hours:
    return Hours(0 if used is None else used.milli_unit_seconds)


def _joined(refs: Iterable[Ref]) -> str:
    return " ".join(str(ref) for ref in refs)


def days_of(statement: Statement) -> str:
    """The period as people write it."""
    first, last = statement.subject.days(statement.period)
    return f"{first} 至 {last}（含，北京时间）"


def summary(statement: Statement) -> list[tuple[str, Cell | Hours]]:
    """The head of the statement, one fact a row."""
    totals = statement.totals
    found: list[tuple[str, Cell | Hours]] = [
        ("对账单编号", statement.number),
        (statement.subject.kind.label, statement.subject.name),
        ("期间", days_of(statement)),
        ("制表时间", f"{statement.made_at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"),
        ("期初余额", statement.opening),
    ]
    found += [(f"　其中{part.label}", part.opening) for part in statement.parts]
    found += [
        ("费用合计", totals.charge),
        ("　其中券付", totals.voucher),
        ("　其中现金付", totals.cash),
        ("　其中欠款", totals.shortfall),
        ("更正合计", totals.correction),
        ("其他收支合计", totals.other),
        ("期末余额", statement.closing),
    ]
    found += [(f"　其中{part.label}", part.closing) for part in statement.parts]
    found += [("明细行数", str(totals.lines))]
    used = ((" ".join(spoken(u.resource)), Hours(u.milli_unit_seconds)) for u in statement.used)
    return [*found, *used]
