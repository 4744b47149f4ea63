"""The seven measures in OpenFisca-Core, as its own documentation writes a tax; run by the peer's Python.

Amounts are fen in OpenFisca's `float`, floored to the fen, which is the best it offers: its `int` has
32 bits. Calculation is timed alone, and with the taking in of the same int64 columns before it.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import numpy as np
from openfisca_core.entities import build_entity
from openfisca_core.periods import YEAR
from openfisca_core.simulations import SimulationBuilder
from openfisca_core.taxbenefitsystems import TaxBenefitSystem
from openfisca_core.variables import Variable

Person = build_entity(key="person", plural="persons", label="applicant", is_person=True)
PERIOD = "2025"
INPUTS = (
    *("invest", "tflops", "cloud_revenue", "revenue", "racks", "facility_wh", "it_wh"),
    *("contract", "exports", "params", "scenes", "research"),
)
TRUTHS = ("leads", "develops")


def least(rate: object, base: object, cap: int) -> object:
    return np.minimum(np.floor(base * rate), cap)


def m01(person, period):  # type: ignore[no-untyped-def]
    return (person("tflops", period) >= 100_000) * least(
        0.15, person("invest", period), 5_000_000_000
    )


def m02(person, period):  # type: ignore[no-untyped-def]
    met = person("cloud_revenue", period) >= person("revenue", period) * 0.15
    return met * np.minimum(person("racks", period) * 100_000, 300_000_000)


def m04(person, period):  # type: ignore[no-untyped-def]
    met = person("facility_wh", period) < person("it_wh", period) * 1.18
    return met * np.minimum(person("racks", period) * 100_000, 500_000_000)


def m09(person, period):  # type: ignore[no-untyped-def]
    high = person("leads", period) + person("develops", period)
    contract = person("contract", period)
    return np.where(high, least(0.30, contract, 200_000_000), least(0.20, contract, 100_000_000))


def m10(person, period):  # type: ignore[no-untyped-def]
    exports = person("exports", period)
    return (exports >= 20_000_000_000) * least(0.02, exports, 1_000_000_000)


def m12(person, period):  # type: ignore[no-untyped-def]
    met = (person("params", period) >= 1000) * (person("scenes", period) >= 5)
    return met * least(0.20, person("research", period), 1_000_000_000)


def m14(person, period):  # type: ignore[no-untyped-def]
    revenue = person("revenue", period)
    return (revenue > 500_000_000) * least(0.01, revenue, 200_000_000)


FORMULAS = {f.__name__: f for f in (m01, m02, m04, m09, m10, m12, m14)}


def variable(name: str, kind: type, formula: object = None) -> type:
    body = {"value_type": kind, "entity": Person, "definition_period": YEAR, "label": name}
    return type(name, (Variable,), body | ({"formula": formula} if formula else {}))


def main() -> None:
    source, target, repeats = sys.argv[1], sys.argv[2], int(sys.argv[3])
    data = np.load(source)
    system = TaxBenefitSystem([Person])
    for name in INPUTS:
        system.add_variable(variable(name, float))
    for name in TRUTHS:
        system.add_variable(variable(name, bool))
    for name, formula in FORMULAS.items():
        system.add_variable(variable(name, float, formula))
    seconds, whole, results = [], [], {}
    for _ in range(repeats):
        start = time.perf_counter()
        simulation = SimulationBuilder().build_default_simulation(system, len(data["invest"]))
        for name in (*INPUTS, *TRUTHS):
            simulation.set_input(name, PERIOD, data[name])
        begin = time.perf_counter()
        results = {name: simulation.calculate(name, PERIOD) for name in FORMULAS}
        seconds.append(time.perf_counter() - begin)
        whole.append(time.perf_counter() - start)
    np.savez(
        target,
        **{name: np.rint(v.astype(np.double)).astype(np.int64) for name, v in results.items()},
    )
    print(
        json.dumps(
            {
                "version": version("openfisca-core"),
                "seconds": seconds,
                "with_inputs": whole,
                "type": str(results["m01"].dtype),
            }
        )
    )


if __name__ == "__main__":
    main()
