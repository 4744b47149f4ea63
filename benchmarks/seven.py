"""The seven measures reckoned by hand on Python's whole numbers and on fractions: the judge of all."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np

from jinsuan.policy.columns import Column, Ints
from jinsuan.policy.population import Population

PACK = Path(__file__).parent / "seven-measures" / "pack.md"
MEASURES = ("m01", "m02", "m04", "m09", "m10", "m12", "m14")
RATES = {"m01": 15, "m10": 2, "m12": 20, "m14": 1}
YUAN = 100


def data(rows: int, seed: int) -> dict[str, Ints]:
    """Made-up applicants, whole fen and whole units; about half of every condition is met."""
    dice = np.random.default_rng(seed)

    def upto(most: int) -> Ints:
        return dice.integers(0, most, rows, np.int64)

    columns = {
        "invest": upto(10**9 * YUAN),
        "tflops": upto(200_000),
        "cloud_revenue": upto(3 * 10**7 * YUAN),
        "revenue": upto(10**8 * YUAN),
        "racks": upto(10_000),
        "it_wh": upto(10**10) + 1,
        "facility_wh": upto(10**10),
        "contract": upto(2 * 10**7 * YUAN),
        "exports": upto(5 * 10**8 * YUAN),
        "params": upto(2_000),
        "scenes": upto(10),
        "research": upto(10**8 * YUAN),
    }
    for name in ("leads", "develops"):
        columns[name] = upto(4) == 0
    return columns


def population(columns: dict[str, Ints]) -> Population:
    """As the engine takes it: int64, a truth too."""
    size = len(columns["invest"])
    ids = np.char.zfill(np.arange(size).astype(np.bytes_), 8)
    return Population(ids, {name: Column(v.astype(np.int64)) for name, v in columns.items()})


def by_hand(columns: dict[str, Ints]) -> dict[str, Ints]:
    """Amounts in fen on Python's own whole numbers, which cannot overflow or round."""
    c = {name: values.tolist() for name, values in columns.items()}
    pairs = zip(c["leads"], c["develops"], strict=True)
    high = [leads or develops for leads, develops in pairs]
    racks = [n * 1000 * YUAN for n in c["racks"]]
    power = zip(c["facility_wh"], c["it_wh"], racks, strict=True)
    cloud = zip(c["cloud_revenue"], c["revenue"], racks, strict=True)
    return {
        name: np.array(values, np.int64)
        for name, values in {
            "m01": [
                min(v * 15 // 100, 50_000_000 * YUAN) if t >= 100_000 else 0
                for v, t in zip(c["invest"], c["tflops"], strict=True)
            ],
            "m02": [min(n, 3_000_000 * YUAN) if a * 100 >= b * 15 else 0 for a, b, n in cloud],
            "m04": [min(n, 5_000_000 * YUAN) if a * 100 < b * 118 else 0 for a, b, n in power],
            "m09": [
                min(v * 30 // 100, 2_000_000 * YUAN) if h else min(v * 20 // 100, 1_000_000 * YUAN)
                for v, h in zip(c["contract"], high, strict=True)
            ],
            "m10": [
                min(v * 2 // 100, 10_000_000 * YUAN) if v >= 200_000_000 * YUAN else 0
                for v in c["exports"]
            ],
            "m12": [
                min(v * 20 // 100, 10_000_000 * YUAN) if p >= 1000 and s >= 5 else 0
                for v, p, s in zip(c["research"], c["params"], c["scenes"], strict=True)
            ],
            "m14": [
                min(v // 100, 2_000_000 * YUAN) if v > 5_000_000 * YUAN else 0 for v in c["revenue"]
            ],
        }.items()
    }


def by_fractions(c: dict[str, Ints], row: int) -> dict[str, int]:
    """One row again, on fractions, as the text of a rule reads."""

    def of(name: str) -> Fraction:
        return Fraction(int(c[name][row]))

    def share(base: str, rate: str, cap: int, met: bool) -> int:
        return min(floor(of(base) * Fraction(rate)), cap * YUAN) if met else 0

    high = bool(c["leads"][row]) or bool(c["develops"][row])
    racks = int(c["racks"][row]) * 1000 * YUAN
    green = of("facility_wh") / of("it_wh") < Fraction("1.18")
    cloudy = of("cloud_revenue") >= of("revenue") * Fraction("0.15")
    return {
        "m01": share("invest", "0.15", 50_000_000, of("tflops") >= 100_000),
        "m02": min(racks, 3_000_000 * YUAN) if cloudy else 0,
        "m04": min(racks, 5_000_000 * YUAN) if green else 0,
        "m09": share(
            "contract", "0.30" if high else "0.20", 2_000_000 if high else 1_000_000, True
        ),
        "m10": share("exports", "0.02", 10_000_000, of("exports") >= 200_000_000 * YUAN),
        "m12": share("research", "0.20", 10_000_000, of("params") >= 1000 and of("scenes") >= 5),
        "m14": share("revenue", "0.01", 2_000_000, of("revenue") > 5_000_000 * YUAN),
    }
