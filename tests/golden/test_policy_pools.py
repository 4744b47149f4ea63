"""Pools and quotas over several applicants, worked by hand: one fen or one place more would show."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from jinsuan.policy.cases import case_facts
from jinsuan.policy.columns import Column
from jinsuan.policy.law import bind
from jinsuan.policy.library import load_pack
from jinsuan.policy.pack import Base
from jinsuan.policy.population import Population
from jinsuan.policy.simulate import simulate

PACK = load_pack("shanxi-2024-35")
ON = date(2025, 3, 1)
LARGE = 666_666_670  # fen; three tenths are 200,000,001, capped at 2,000,000.00 yuan
SMALL = 666_666_666  # three tenths are 199,999,999.8, so 1,999,999.99 yuan


def people(rule: str, rows: list[dict[str, Any]]) -> Population:
    """Applicants like the first case of a rule, but for what is given; ids 00, 01, …"""
    case = next(case for case in PACK.cases if case.rule == rule)
    first = {name: known.value for name, known in case_facts(PACK, case).items()}
    columns = {}
    for name, value in {**first, **rows[0]}.items():
        if PACK.facts[name].base is Base.LIST or value is None:
            continue
        kind = np.bool_ if PACK.facts[name].base is Base.BOOL else np.int64
        columns[name] = Column(np.array([row.get(name, value) for row in rows], kind))
    ids = np.array([f"{n:02d}".encode() for n in range(len(rows))])
    return Population(ids, columns)


def model(contract: int) -> dict[str, Any]:
    return {"m09_develops_model": 1, "m09_contract": contract}


def test_first_come_leaves_the_last_fen_to_the_last_in_time() -> None:
    """24 x 2,000,000.00 + 1,999,999.99 = 49,999,999.99, so 0.01 of 50,000,000.00 is left."""
    found = people("m09", [*[model(LARGE)] * 24, model(SMALL), model(LARGE)])
    days = Column(np.arange(26, dtype=np.int64) + date(2025, 1, 1).toordinal())

    run = simulate(bind(PACK, ON), replace(found, applied_on=days)).rules["m09"]

    assert run.granted is not None
    assert run.granted.tolist() == [200_000_000] * 24 + [199_999_999, 1]


def test_pro_rata_gives_the_fen_left_over_to_the_first_ids() -> None:
    """5,000,000,000 fen over 26 equal claims is 192,307,692 each and 8 fen left over."""
    found = simulate(
        bind(PACK, ON), people("m09", [model(LARGE)] * 26), sharing={"m09": "pro_rata"}
    )

    run = found.rules["m09"]
    assert run.granted is not None
    assert run.granted.tolist() == [192_307_693] * 8 + [192_307_692] * 18
    assert run.granted.sum() == 5_000_000_000


def test_the_tenth_place_goes_by_score_then_equipment_then_day() -> None:
    def entry(score: int, equipment: int, day: int) -> dict[str, Any]:
        on = date(2025, 2, day).toordinal()
        return {"m11_score": score, "m11_equipment": equipment, "m11_applied_on": on}

    first = [entry(9_000, 100, 1)] * 9
    edge = [entry(8_000, 1_000, 2), entry(8_000, 1_000, 1), entry(8_000, 999, 1)]

    (contest,) = simulate(bind(PACK, ON), people("m11", first + edge)).contests

    assert contest.winners == (*range(9), 10)


@pytest.mark.parametrize("pool", ["49999999.99", "50000000.01"])
def test_a_pool_of_another_fen_would_show(pool: str) -> None:
    found = people("m09", [*[model(LARGE)] * 24, model(SMALL), model(LARGE)])
    run = simulate(bind(PACK, ON, changes={"m09_pool": pool}), found).rules["m09"]

    assert run.granted is not None
    assert run.granted.tolist()[-1] != 1
