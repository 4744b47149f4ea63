"""办理口径: how one rule's vouchers are run, read from `data/terms.toml`; numbers stay in the pack.

Pure; no Django here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.policy.law import Law
from jinsuan.policy.library import law_on

FILE = Path(__file__).parent / "data" / "terms.toml"


class Pays(StrEnum):
    """How a voucher pays."""

    DEDUCT = "deduct"
    CLAIM = "claim"

    @property
    def label(self) -> str:
        return {"deduct": "抵扣", "claim": "后补"}[self.value]

    @property
    def payee(self) -> str:
        """Whom the treasury pays."""
        return {"deduct": "算力企业", "claim": "用算主体"}[self.value]


class Answer(StrEnum):
    """What the platform can answer by itself about an application."""

    CONTRACT_AMOUNT = "contract_amount"
    CONTRACT_USED = "contract_used"
    RECEIVED = "received_this_year"
    PROVIDER = "provider_on_platform"
    YES = "yes"
    SIGNED_ON = "signed_on"
    STARTS_ON = "starts_on"
    UNTIL = "until"
    TODAY = "today"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How one rule's vouchers are run.

    Args:
        code: the programme's short name; with a year it names the pool.
        region: whose applicants it is for, by the first digits of their 行政区划代码.
        valid_months: 0 for "to the last day of the programme's year".
        pool, rate, cap, high_rate, high_cap: names of the pack's parameters, "" for none.
        high: facts of which one is enough for the higher rate and cap.
        cap_scope: with the year, which limit account a grant is taken from.
        categories: lines of a contract that count.
        confirm: facts that the platform answers, and how.
    """

    pack: str
    rule: str
    code: str
    region: str
    pays: Pays
    valid_months: int
    warn_days: int
    notice_working_days: int
    related: str
    pool: str
    rate: str
    cap: str
    high_rate: str
    high_cap: str
    high: tuple[str, ...]
    cap_scope: str
    categories: tuple[str, ...]
    confirm: Mapping[str, Answer]

    def law(self, on: date) -> Law:
        return law_on(self.pack, on)

    def asked(self, on: date) -> tuple[str, ...]:
        """The facts an applicant is asked for: those the rule reads and nobody else answers."""
        read = self.law(on).rule(self.rule).facts
        return tuple(name for name in read if name not in self.confirm)

    def rate_of(self, on: date, *, high: bool) -> Fraction:
        value = self.law(on).values[self.high_rate if high and self.high_rate else self.rate]
        return Fraction(value.number, value.over)

    def cap_of(self, on: date, *, high: bool) -> Money:
        return Money(
            self.law(on).values[self.high_cap if high and self.high_cap else self.cap].number
        )

    def expiry(self, issued: date, year_ends: date) -> date:
        """The last day of a voucher issued on a day, that day included."""
        if not self.valid_months:
            return year_ends
        month = issued.month - 1 + self.valid_months
        year, month = issued.year + month // 12, month % 12 + 1
        last = (date(year + month // 12, month % 12 + 1, 1) - date(year, month, 1)).days
        return date(year, month, min(issued.day, last)) - timedelta(days=1)


@lru_cache(maxsize=1)
def all_terms() -> Mapping[tuple[str, str], Terms]:
    """Every rule that grants vouchers, by pack and rule."""
    raw = tomllib.loads(FILE.read_text("utf-8"))
    found = {}
    for name, table in raw.items():
        pack, _, rule = name.partition("#")
        found[pack, rule] = Terms(
            pack=pack,
            rule=rule,
            **{
                **table,
                "pays": Pays(table["pays"]),
                "high": tuple(table["high"]),
                "categories": tuple(table["categories"]),
                "confirm": {fact: Answer(how) for fact, how in table["confirm"].items()},
            },
        )
    return found


def terms_of(pack: str, rule: str) -> Terms:
    """The terms of a rule.

    Raises:
        NotFound: the rule grants no vouchers here.
    """
    found = all_terms().get((pack, rule))
    if found is None:
        raise NotFound("算力券办理口径", f"{pack}#{rule}"[:80])
    return found
