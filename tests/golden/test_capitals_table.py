"""大写金额 as a table: worked out by hand from 《正确填写票据和结算凭证的基本规定》, never regenerated.

Where the rules leave a choice (a 零 is optional after a round 万 or 元 when the next place is not
nought) we write the shorter form; those rows say 可省.
"""

from __future__ import annotations

import pytest

from jinsuan.kernel.capitals import capitals
from jinsuan.kernel.money import Money

TABLE = """
0.00                零元整                              nothing at all
0.01                壹分                                one fen
0.05                伍分                                no 零 before a lone fen
0.10                壹角整                              one jiao
0.50                伍角整                              整 after jiao
0.58                伍角捌分                            no 整 after fen
0.99                玖角玖分                            the largest below a yuan
1.00                壹元整                              整 after yuan
1.01                壹元零壹分                          零 stands for the missing jiao
1.10                壹元壹角整                          jiao without fen
2.35                贰元叁角伍分                        all three
10.00               壹拾元整                            壹 before 拾
10.05               壹拾元零伍分                        round ten, fen only
10.50               壹拾元伍角整                        可省
15.00               壹拾伍元整                          壹 before 拾 in the teens
20.30               贰拾元叁角整                        可省
100.00              壹佰元整                            a round hundred
101.00              壹佰零壹元整                        one nought inside
105.70              壹佰零伍元柒角整                    nought inside, jiao
110.00              壹佰壹拾元整                        壹拾 inside a hundred
325.04              叁佰贰拾伍元零肆分                  the rules' own example
1000.00             壹仟元整                            a round thousand
1001.00             壹仟零壹元整                        two noughts, one 零
1010.00             壹仟零壹拾元整                      nought before the ten
1100.10             壹仟壹佰元壹角整                    可省
1409.50             壹仟肆佰零玖元伍角整                the rules' own example
1680.32             壹仟陆佰捌拾元叁角贰分              the rules' own example, 可省
6007.14             陆仟零柒元壹角肆分                  the rules' own example
10000.00            壹万元整                            a round 万
10000.01            壹万元零壹分                        only a fen behind 万
10001.00            壹万零壹元整                        three noughts, one 零
10010.00            壹万零壹拾元整                      零 behind 万
10100.00            壹万零壹佰元整                      零 behind 万
11000.00            壹万壹仟元整                        no gap behind 万
16409.02            壹万陆仟肆佰零玖元零贰分            the rules' own example
20500.00            贰万零伍佰元整                      零 behind 万
100000.00           壹拾万元整                          ten 万
101000.00           壹拾万壹仟元整                      可省
107000.53           壹拾万柒仟元伍角叁分                the rules' own example, 可省
1000000.00          壹佰万元整                          the cap of one article
1000001.00          壹佰万零壹元整                      a long gap
1020304.05          壹佰零贰万零叁佰零肆元零伍分        a 零 in every gap
5000000.00          伍佰万元整                          five million
10000000.00         壹仟万元整                          a thousand 万
10101010.10         壹仟零壹拾万壹仟零壹拾元壹角整      可省
12345678.90         壹仟贰佰叁拾肆万伍仟陆佰柒拾捌元玖角整  every figure
100000000.00        壹亿元整                            one 亿
100000001.00        壹亿零壹元整                        an empty 万
100010000.00        壹亿零壹万元整                      零 before 万
100100000.00        壹亿零壹拾万元整                    零 before 万
101000000.00        壹亿零壹佰万元整                    零 before 万
110000000.00        壹亿壹仟万元整                      no gap behind 亿
100001000.00        壹亿零壹仟元整                      an empty 万 before a full thousand
1000000000.00       壹拾亿元整                          ten 亿
2003000400.05       贰拾亿零叁佰万零肆佰元零伍分        two gaps
1000000000000.00    壹万亿元整                          万亿
1000000000001.00    壹万亿零壹元整                      two empty groups
1000100000000.00    壹万零壹亿元整                      万 and 亿 share the 亿
1000000010000.00    壹万亿零壹万元整                    万 on both sides
1200000000000.00    壹万贰仟亿元整                      no gap inside 万亿
9999999999999999.99 玖仟玖佰玖拾玖万玖仟玖佰玖拾玖亿玖仟玖佰玖拾玖万玖仟玖佰玖拾玖元玖角玖分 the largest
-0.01               负壹分                              negative fen
-10.00              负壹拾元整                          negative round
-1409.50            负壹仟肆佰零玖元伍角整              冲正
"""
ROWS = [line.split(maxsplit=2) for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize(("yuan", "words", "why"), ROWS, ids=[row[0] for row in ROWS])
def test_an_amount_in_capitals(yuan: str, words: str, why: str) -> None:
    assert capitals(Money.yuan(yuan)) == words, why


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len(ROWS) >= 60
    assert len({row[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("yuan", ["10000000000000000", "-10000000000000000.01"])
def test_what_no_payment_can_be_is_refused(yuan: str) -> None:
    with pytest.raises(ValueError, match="too large"):
        capitals(Money.yuan(yuan))
