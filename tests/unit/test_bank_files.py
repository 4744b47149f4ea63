"""Bank statement files: what is read, and how every mistake is told. No database."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from jinsuan.casework.errors import SheetInvalid
from jinsuan.kernel.money import Money
from jinsuan.vouchers.bank_files import (
    NEEDED,
    Direction,
    names_in,
    read_statement,
    top_up_code,
)
from tests.bank_world import OWN, statement

GOOD = {"流水号": "B1", "金额": "1.00"}


def test_a_line_is_read_to_the_fen_in_either_encoding() -> None:
    data = statement({"流水号": "B1", "金额": "0.01", "附言": "=1+1", "对方户名": "㐂氏企业"})

    for encoded in (data, b"\xef\xbb\xbf" + data, data.decode().encode("gb18030")):
        (line,) = read_statement(encoded)
        assert (line.amount, line.direction, line.booked_on) == (
            Money(1),
            Direction.IN,
            date(2025, 9, 15),
        )
        assert (line.line, line.own, line.remark, line.other_name) == (2, OWN, "=1+1", "㐂氏企业")
        assert OWN not in repr(line)


@pytest.mark.parametrize(
    ("change", "line", "column", "says"),
    [
        ({"金额": "0"}, 3, "金额", "不在"),
        ({"金额": "1.001"}, 3, "金额", "不是金额"),
        ({"金额": "1,000.00"}, 3, "金额", "不是金额"),
        ({"金额": "-1"}, 3, "金额", "不是金额"),
        ({"金额": "１.00"}, 3, "金额", "不是金额"),
        ({"金额": "1000000000000.01"}, 3, "金额", "1 万亿"),
        ({"交易日期": "2025-02-30"}, 3, "交易日期", "不是日期"),
        ({"流水号": ""}, 3, "流水号", "没有填写"),
        ({"流水号": "=1+1"}, 3, "流水号", "不是至多 60 位"),
        ({"流水号": "B1"}, 3, "流水号", "与第 2 行重复"),
        ({"收付": "出"}, 3, "收付", "不在"),
        ({"本方账号": "5.0212E+18"}, 3, "本方账号", "不是 8 至 30 位"),
        ({"本方账号": "0502123409300099999"}, 3, "本方账号", "与第一笔"),
        ({"附言": "一\n二"}, 3, "附言", "控制字符"),
        ({"附言": "长" * 301}, 3, "附言", "301 字"),
    ],
)
def test_a_mistake_names_line_column_and_mend(
    change: dict[str, str], line: int, column: str, says: str
) -> None:
    with pytest.raises(SheetInvalid) as refused:
        read_statement(statement(GOOD, {"流水号": "B2", **change}))

    first = refused.value.problems[0]
    assert (first.line, first.column) == (line, column)
    assert says in first.problem
    assert first.mend.endswith("。")
    assert f"第 {line} 行" in refused.value.explain()


def test_all_mistakes_are_told_at_once_and_account_numbers_never() -> None:
    wrong = {"流水号": "B2", "金额": "x", "本方账号": OWN + OWN}
    with pytest.raises(SheetInvalid) as refused:
        read_statement(statement(GOOD, wrong, {"流水号": "", "金额": "y"}))

    assert [p.line for p in refused.value.problems] == [3, 3, 4, 4]
    assert OWN not in refused.value.explain()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "表头里没有"),
        (b"\n\n", "表头里没有"),
        (",".join(NEEDED).encode(), "一行也没有"),
        (",".join(NEEDED[1:]).encode(), "表头里没有这一列"),
        (",".join((*NEEDED, "备注")).encode(), "不认识"),
        (",".join((*NEEDED, "金额")).encode(), "两次"),
        (b"\xff\xfe\x00\x00", "既不是"),
        ((",".join(NEEDED) + '\n"a').encode(), "读不成 CSV"),
        ((",".join(NEEDED) + "\na,b").encode(), "有 2 格"),
        (b"x" * (16 * 2**20 + 1), "16 MiB"),
    ],
)
def test_what_is_no_statement_is_refused_whole(data: bytes, says: str) -> None:
    with pytest.raises(SheetInvalid, match=says):
        read_statement(data)


def test_balances_show_a_missing_line() -> None:
    first = {"流水号": "B1", "金额": "5.00", "余额": "5.00"}
    paid = {"流水号": "B2", "金额": "5.00", "收付": "付", "余额": "0.00"}
    more = {"流水号": "B3", "金额": "1.00", "余额": "1.00"}

    assert len(read_statement(statement(first, paid, more))) == 3
    with pytest.raises(SheetInvalid, match="可能缺行") as refused:
        read_statement(statement(first, more))
    assert (refused.value.problems[0].line, refused.value.problems[0].column) == (3, "余额")


def test_lines_are_counted_as_a_spreadsheet_and_an_editor_do() -> None:
    data = (
        statement(GOOD) + b"\n,,,,,,,\n" + statement({"流水号": "B2", "金额": "?"}).split(b"\n")[1]
    )

    with pytest.raises(SheetInvalid) as refused:
        read_statement(data)

    assert refused.value.problems[0].line == data.count(b"\n") + 1


def test_a_remark_names_codes_orders_and_credit_codes_only_when_they_stand_alone() -> None:
    code = top_up_code(UUID(int=7))
    wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
    named = names_in(f"充值{code.lower()}，退款tk2025-000001;91350100M000100Y43")

    assert (named.codes, named.orders) == ({code}, {"TK2025-000001"})
    assert named.usccs == {"91350100M000100Y43"}
    assert not names_in(f"{wrong} {code}9 X{code} 91350100M000100Y44 ATK2025-000001").codes
    assert names_in(f"{code}9 91350100M000100Y44 ATK2025-000001") == names_in("")
