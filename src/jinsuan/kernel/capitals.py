"""大写金额: amounts in Chinese capitals, as payment sheets and cheques require.

Rules followed: 《正确填写票据和结算凭证的基本规定》 (支付结算办法, annex 1): 整 after a whole yuan or jiao,
one 零 for any run of noughts between figures, 零 before fen when there is no jiao.
"""

from __future__ import annotations

from jinsuan.kernel.money import Money

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("", "拾", "佰", "仟")
_GROUPS = ("", "万", "亿", "万亿")


def capitals(amount: Money) -> str:
    """Write an amount in capitals.

    >>> capitals(Money.yuan("1409.50")), capitals(Money.yuan("107000.53")), capitals(Money(0))
    ('壹仟肆佰零玖元伍角整', '壹拾万柒仟元伍角叁分', '零元整')

    Raises:
        ValueError: 10^16 yuan or more, which no payment of ours can be.
    """
    sign = "负" if amount.fen < 0 else ""
    yuan, cents = divmod(abs(amount.fen), 100)
    jiao, fen = divmod(cents, 10)
    words = _whole_yuan(yuan) + "元" if yuan else ""
    if not cents:
        return sign + (words or "零元") + "整"
    if jiao:
        words += _DIGITS[jiao] + "角"
    elif yuan:
        words += "零"
    words += _DIGITS[fen] + "分" if fen else "整"
    return sign + words


def _whole_yuan(number: int) -> str:
    """The yuan part, in groups of four digits (个, 万, 亿, 万亿)."""
    if number >= 10**16:
        raise ValueError(f"{number} yuan is too large to write in capitals")
    groups: list[int] = []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    words, gap = "", False
    for place in reversed(range(len(groups))):
        group = groups[place]
        if group == 0:
            # 万亿 and 亿 share their 亿: an empty 亿 group still has to name it.
            if place == 2 and len(groups) == 4:
                words += "亿"
            gap = True
            continue
        if words and (gap or group < 1000):
            words += "零"
        unit = "万" if place == 3 else _GROUPS[place]
        words += _four(group) + unit
        gap = False
    return words


def _four(number: int) -> str:
    """1 to 9999 without a leading 零."""
    words, gap = "", False
    for place in (3, 2, 1, 0):
        digit = number // 10**place % 10
        if digit == 0:
            gap = bool(words)
            continue
        words += ("零" if gap else "") + _DIGITS[digit] + _PLACES[place]
        gap = False
    return words
