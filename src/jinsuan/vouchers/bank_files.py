"""A bank statement file (银行流水文件) as lines with meaning. Pure; docs/reference/bank-files.md.

Whose money a line is, is told by its remark only where it says so itself: a top-up code (充值码),
a credit code of an organisation or the number of one of our orders.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from uuid import UUID

from jinsuan.casework.errors import SheetInvalid, SheetProblem
from jinsuan.casework.sheets import Row, read_sheet
from jinsuan.kernel.money import Money
from jinsuan.kernel.uscc import UsccInvalid, read_uscc

MOST_ROWS = 20_000
OWN, DAY, REFERENCE, SIDE = "本方账号", "交易日期", "流水号", "收付"
AMOUNT, OTHER_NAME, OTHER_ACCOUNT, REMARK = "金额", "对方户名", "对方账号", "附言"
BALANCE = "余额"
NEEDED = (OWN, DAY, REFERENCE, SIDE, AMOUNT, OTHER_NAME, OTHER_ACCOUNT, REMARK)
SIDES = {"收": "in", "贷": "in", "付": "out", "借": "out"}
"""贷 and 借 as the bank speaks: what it credits to our account came in."""
_ALONE = r"(?<![0-9A-Za-z]){}(?![0-9A-Za-z])"
_TOP_UP = re.compile(_ALONE.format(r"CZ([0-9]{8})([0-9])"))
_ORDER = re.compile(_ALONE.format(r"(?:TK|FK)[0-9]{4}-[0-9]{6}"))
_USCC = re.compile(_ALONE.format(r"[0-9A-HJ-NP-RTUWXY]{18}"))


class Direction(StrEnum):
    """Whether money came to the account or left it."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One movement on the account. `line` is where it stands in the file."""

    line: int
    own: str
    booked_on: date
    reference: str
    direction: Direction
    amount: Money
    other_name: str
    other_account: str
    remark: str
    balance: Money | None

    def __repr__(self) -> str:
        """Without the account numbers: a traceback is no place for them."""
        return f"StatementLine(line={self.line}, reference={self.reference!r})"


def read_statement(data: bytes) -> list[StatementLine]:
    """Read a bank's file, wholly or not at all.

    Raises:
        SheetInvalid: with line, column and mend of every mistake.
    """
    lines = read_sheet(
        data, needed=NEEDED, optional=(BALANCE,), most_rows=MOST_ROWS, read_row=_line
    )
    problems = [*_repeats(lines), *_gaps(lines)]
    if problems:
        raise SheetInvalid(tuple(problems[:100]))
    return lines


def _line(row: Row) -> StatementLine:
    side = row.one_of(SIDE, tuple(SIDES))
    balance = row.cells.get(BALANCE, "").strip()
    return StatementLine(
        line=row.line,
        own=row.digits(OWN),
        booked_on=row.day(DAY),
        reference=row.reference(REFERENCE),
        direction=Direction(SIDES.get(side, "in")),
        amount=row.amount(AMOUNT),
        other_name=row.text(OTHER_NAME, empty=True, most=120),
        other_account=row.digits(OTHER_ACCOUNT, empty=True),
        remark=row.text(REMARK, empty=True),
        balance=_balance(row) if balance else None,
    )


def _balance(row: Row) -> Money | None:
    """An account may be empty, so here nought is an amount."""
    if re.fullmatch(r"0+(\.0{1,2})?", row.cells[BALANCE].strip()):
        return Money(0)
    return row.amount(BALANCE)


def _repeats(lines: list[StatementLine]) -> list[SheetProblem]:
    """One reference is one movement; and one file speaks of one account."""
    seen: dict[str, int] = {}
    problems = []
    for one in lines:
        if one.own != lines[0].own:
            mend = "请按账户分成几份文件。"
            problems.append(SheetProblem(one.line, OWN, "与第一笔的本方账号不同", mend))
        first = seen.setdefault(one.reference, one.line)
        if first != one.line:
            problems.append(
                SheetProblem(
                    one.line,
                    REFERENCE,
                    f"{one.reference} 与第 {first} 行重复",
                    "一笔交易一个流水号，请向银行另要一份。",
                )
            )
    return problems


def _gaps(lines: list[StatementLine]) -> list[SheetProblem]:
    """Where the bank gives balances, each follows from the one before: no line is missing."""
    problems = []
    for before, one in pairwise(lines):
        if before.balance is None or one.balance is None:
            continue
        change = one.amount if one.direction is Direction.IN else -one.amount
        if before.balance + change != one.balance:
            problems.append(
                SheetProblem(
                    one.line,
                    BALANCE,
                    f"上一笔余额 {before.balance}，这一笔之后应为 {before.balance + change}，"
                    f"写的是 {one.balance}",
                    "可能缺行或次序不对，请按交易先后导出完整的流水。",
                )
            )
    return problems


@dataclass(frozen=True, slots=True)
class Named:
    """Whom and what a remark names."""

    codes: frozenset[str]
    usccs: frozenset[str]
    orders: frozenset[str]


def names_in(remark: str) -> Named:
    """What a remark names, in capitals.

    >>> sorted(names_in("退款 tk2025-000001，谢谢").orders)
    ['TK2025-000001']
    """
    text = remark.upper()
    codes = {f"CZ{m[1]}{m[2]}" for m in _TOP_UP.finditer(text) if m[2] == _check(m[1])}
    return Named(
        frozenset(codes),
        frozenset(code for code in _USCC.findall(text) if _valid(code)),
        frozenset(_ORDER.findall(text)),
    )


def _valid(uscc: str) -> bool:
    try:
        return bool(read_uscc(uscc))
    except UsccInvalid:
        return False


def top_up_code(organisation: UUID, *, attempt: int = 0) -> str:
    """The code an organisation writes into its transfers; `attempt` goes on where one is taken."""
    seed = sha256(organisation.bytes + bytes([attempt])).digest()
    digits = f"{int.from_bytes(seed[:8], 'big') % 10**8:08d}"
    return f"CZ{digits}{_check(digits)}"


def _check(digits: str) -> str:
    """A digit that sees nearly every wrong digit and swap of neighbours."""
    total = sum(int(d) * w for d, w in zip(digits, range(2, 10), strict=True))
    return str(total % 11 % 10)
