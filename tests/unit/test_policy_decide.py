"""One applicant under a small pack: outcomes, reasons, dates, the higher branch, replay."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jinsuan.kernel.money import Money
from jinsuan.policy.decide import Dates, Decided, Outcome, decide
from jinsuan.policy.facts import Known
from jinsuan.policy.law import Law, bind
from jinsuan.policy.load import read_pack
from jinsuan.policy.pack import Attest, Mode
from tests.policy_world import PACK, write_pack

ON = date(2025, 3, 1)
GREEN: dict[str, Any] = {
    "honest": 1,
    "facility_wh": 1_179_999,
    "it_wh": 1_000_000,
    "racks": 100,
    "rate": 15,
}
TRAINING: dict[str, Any] = {
    "invest": 10_003,
    "bills": (),
    "kind": 0,
    "opened": date(2025, 6, 30).toordinal(),
}


def law_of(folder: Path, text: str = PACK) -> Law:
    return bind(read_pack(write_pack(folder, text)), ON)


@pytest.fixture
def law(tmp_path: Path) -> Law:
    return law_of(tmp_path)


def decided(law: Law, facts: dict[str, Any], dates: Dates | None = None) -> Decided:
    return decide(law, {k: Known(v, Attest.MEASURED) for k, v in facts.items()}, dates)


def outcomes(found: Decided) -> dict[str, str]:
    return {d.bound.rule.id: str(d.outcome) for d in found.decisions}


def test_each_mode_has_its_outcome(law: Law) -> None:
    found = decided(law, {**GREEN, **TRAINING, "kind": 1})

    assert outcomes(found) == {
        "m01a": "eligible",
        "m01b": "not_eligible",
        "m02": "referred",
        "m02x": "no_effect",
    }
    assert found.of("m02").note == "战新产业政策"
    assert found.of("m02x").note == "不影响谁能拿。"
    assert [r.test.label for r in found.of("m01b").failed] == ["训练用"]


def test_a_refusal_lists_every_reason(law: Law) -> None:
    found = decided(law, {**GREEN, "honest": 0, "facility_wh": 1_180_000, "rate": 14}).of("m01a")

    assert [r.test.label for r in found.failed] == ["不在失信名单上", "低于上限", "占比够"]
    assert found.amount is None
    compared = found.reasons[1].compared[0]
    assert (compared.left, compared.right) == (1_180_000, 59_000_000)
    assert compared.comparison.right.bottom == 50


def test_what_is_unknown_is_asked_for_and_never_nought(law: Law) -> None:
    found = decided(law, {**GREEN, "facility_wh": None, "racks": None}).of("m01a")
    settled = decided(law, {**GREEN, "facility_wh": None, "rate": 14}).of("m01a")

    assert found.outcome is Outcome.NEEDS
    assert found.missing == ("facility_wh", "racks")
    assert settled.outcome is Outcome.NOT_ELIGIBLE  # no answer could mend that
    assert not settled.missing


def test_an_amount_that_is_unknown_is_no_amount(law: Law) -> None:
    found = decided(law, {**GREEN, "racks": None})

    assert found.of("m01a").outcome is Outcome.NEEDS
    assert found.of("m01a").missing == ("racks",)
    assert found.total(Mode.CEILING) == Money(0)


def test_weak_proof_is_named(law: Law) -> None:
    facts = {name: Known(value, Attest.DECLARED) for name, value in GREEN.items()}
    facts["racks"] = Known(100, Attest.ATTESTED)

    found = decide(law, facts).of("m01a")

    assert found.outcome is Outcome.ELIGIBLE
    assert found.weak == ("facility_wh", "it_wh")


@pytest.mark.parametrize(
    ("invest", "higher", "green", "training"),
    [
        (40_000_000, "tie goes to the first in order", "eligible", "superseded"),
        (40_000_004, "one fen more", "superseded", "eligible"),
        (39_999_996, "one fen less", "eligible", "superseded"),
    ],
)
@pytest.mark.parametrize("both_ways", [False, True])
def test_of_alternatives_only_the_higher_counts(
    tmp_path: Path, invest: int, higher: str, green: str, training: str, both_ways: bool
) -> None:
    back = 'frequency = "once"\ninstead_of = ["m01b"]'
    text = PACK.replace('frequency = "once"', back) if both_ways else PACK
    facts = {**GREEN, **TRAINING, "invest": invest}

    found = decided(law_of(tmp_path, text), facts)

    assert (outcomes(found)["m01a"], outcomes(found)["m01b"]) == (green, training), higher
    total = found.total(Mode.CEILING, Mode.FIXED)
    assert total == max(Money(10_000_000), Money(invest // 4))
    lower = found.of("m01b" if training == "superseded" else "m01a")
    assert lower.amount is None
    assert "只取高的一支" in lower.note


FIRST, LAST = date(2024, 7, 1), date(2026, 12, 31)


@pytest.mark.parametrize(
    ("dates", "why"),
    [
        (Dates(application=FIRST), ""),
        (Dates(application=LAST), ""),
        (Dates(application=date(2024, 6, 30)), "申报日 2024-06-30"),
        (Dates(application=date(2027, 1, 1)), "申报日 2027-01-01"),
        (Dates(application=ON, event=date(2024, 6, 30)), "事项发生日 2024-06-30"),
        (Dates(application=ON, event=FIRST), ""),
        (Dates(application=LAST, decision=date(2027, 1, 1)), ""),
        (Dates(application=LAST, decision=date(2027, 6, 30)), ""),
        (Dates(application=LAST, decision=date(2027, 7, 1)), "判定日 2027-07-01"),
        (Dates(application=LAST, payment=date(2027, 12, 31)), ""),
        (Dates(application=LAST, payment=date(2028, 1, 1)), "拨付日 2028-01-01"),
        (
            Dates(
                application=LAST,
                event=LAST,
                decision=date(2027, 6, 30),
                payment=date(2027, 12, 31),
            ),
            "",
        ),
    ],
)
def test_four_dates_are_kept_apart(law: Law, dates: Dates, why: str) -> None:
    found = decided(law, GREEN, dates).of("m01a")

    if why:
        assert found.outcome is Outcome.OUT_OF_FORCE
        assert found.note.startswith(why)
    else:
        assert found.outcome is Outcome.ELIGIBLE


def test_without_a_run_off_nothing_is_asked_of_decision_and_payment(tmp_path: Path) -> None:
    text = PACK.replace("run_off = {decide_until = 2027-06-30, pay_until = 2027-12-31}\n", "")
    late = Dates(application=LAST, decision=date(2030, 1, 1), payment=date(2031, 1, 1))
    strict = text.replace('"application"]', '"application", "decision"]')

    assert decided(law_of(tmp_path, text), GREEN, late).of("m01a").outcome is Outcome.ELIGIBLE
    found = decided(law_of(tmp_path / "strict", strict), GREEN, late).of("m01a")
    assert found.outcome is Outcome.OUT_OF_FORCE


def test_totals_are_by_mode(law: Law) -> None:
    found = decided(law, {**GREEN, **TRAINING, "rate": 14})

    assert found.total(Mode.FIXED) == Money(2_500)
    assert found.total(Mode.CEILING) == Money(0)


def test_a_decision_replays_to_the_same_fen(tmp_path: Path) -> None:
    facts = {**GREEN, **TRAINING}
    first = decided(law_of(tmp_path / "a"), facts)
    moved = PACK.replace("```toml define", "\n\n```toml define")
    again = decided(law_of(tmp_path / "b", moved), facts)

    assert (first.digest, first.engine) == (again.digest, again.engine)
    assert [(d.outcome, d.amount, d.missing, d.note) for d in first.decisions] == [
        (d.outcome, d.amount, d.missing, d.note) for d in again.decisions
    ]


def test_the_parameters_of_a_rule_include_those_of_its_definitions(law: Law) -> None:
    assert law.rule("m01a").params == {"pue", "per_rack", "cap", "rate_floor"}
    assert law.rule("m01b").params == {"invest_rate", "cutoff"}
