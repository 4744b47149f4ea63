"""The index of texts: nearly the same texts share a key, whatever was changed about them."""

from __future__ import annotations

import random

from jinsuan.kernel.ids import new_id
from jinsuan.vouchers.checks.papers import likeness_bps, shingles
from jinsuan.vouchers.checks.similar import BANDS, number_key, text_keys
from jinsuan.vouchers.checks.thresholds import thresholds

AT = thresholds().copies
CHARACTERS = [chr(code) for code in range(0x4E00, 0x4E00 + 1500)]
MARKS = str.maketrans("，。（）", ",.()")


def contract(chance: random.Random) -> list[str]:
    """Twelve clauses of a made-up contract, with a name, a date and a number."""
    clauses = ["".join(chance.choices(CHARACTERS, k=chance.randint(20, 45))) for _ in range(10)]
    day = f"{chance.randint(1, 12)}月{chance.randint(1, 28)}日"
    return [*clauses, f"甲方{''.join(chance.choices(CHARACTERS, k=4))}公司", f"编号2025-{day}"]


def edited(clauses: list[str], chance: random.Random) -> str:
    """Clauses in another order, another name, number and date, a few characters, other marks."""
    found = [*clauses]
    chance.shuffle(found)
    for _ in range(chance.randint(0, 14)):
        n = chance.randrange(len(found))
        place = chance.randrange(len(found[n]))
        found[n] = found[n][:place] + chance.choice(CHARACTERS) + found[n][place + 1 :]
    text = "，".join(found) + f"（{chance.randint(1, 99999)}）。"
    if chance.random() < 0.5:
        text = text.translate(MARKS)
    if chance.random() < 0.5:
        text = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
    return text


def test_of_texts_at_least_80_percent_alike_99_percent_share_a_key() -> None:
    chance = random.Random(7)
    alike = missed = 0
    for _ in range(900):
        clauses = contract(chance)
        one, other = "，".join(clauses), edited(clauses, chance)
        sets = [shingles(text, AT.shingle) for text in (one, other)]
        if likeness_bps(*sets) < AT.similar_bps:
            continue
        alike += 1
        missed += not set(text_keys(one, AT)) & set(text_keys(other, AT))
    assert alike >= 300
    assert missed * 100 <= alike, f"{missed} of {alike}"


def test_texts_that_have_little_in_common_share_none() -> None:
    chance = random.Random(8)
    keys = [set(text_keys("，".join(contract(chance)), AT)) for _ in range(200)]
    assert all(len(one) == BANDS for one in keys)
    assert len(set().union(*keys)) == 200 * BANDS


def test_a_short_text_has_no_keys() -> None:
    assert text_keys("训练", AT) == []


def test_a_number_is_one_however_it_is_written() -> None:
    seller, other = new_id(), new_id()
    assert number_key(seller, "ht 1") == number_key(seller, "ＨＴ-1") != number_key(other, "HT-1")
