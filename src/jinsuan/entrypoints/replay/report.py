"""What a replay found: counted from the tables after the last job, compared with the book."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from jinsuan.dispatch.queries import centres_of_attempts, counts, refusals
from jinsuan.kernel.money import Money
from jinsuan.kernel.quantity import show_unit_hours
from jinsuan.ledger.queries import BookCheck, check_book
from jinsuan.metering.queries import doubt_count, usage_of_attempts
from jinsuan.protocol.states import JobState, Outcome
from jinsuan.vouchers.queries import MoneyTotals, money_totals


@dataclass(slots=True)
class CentreLine:
    """One centre's part."""

    attempts: int = 0
    charged: Money = field(default_factory=lambda: Money(0))
    usage: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a replay says at its end.

    Args:
        submitted: orders sent; `refused_at_order` of them were refused at once, with reasons.
        usage: milli-unit-seconds by resource.
        cpu_ms: processor time by process, from the first order to the last settlement.
        kinds: how many orders of each kind.
        cut: how many lives were longer than the longest stand-in.
    """

    submitted: int
    kinds: dict[str, int]
    cut: int
    speed: int
    refused_at_order: dict[str, int]
    by_state: dict[str, int]
    by_outcome: dict[str, int]
    refused_later: dict[str, int]
    placed: int
    most_waiting: int
    waiting_reasons: dict[str, int]
    usage: dict[str, int]
    doubts: int
    money: MoneyTotals
    centres: dict[str, CentreLine]
    order_seconds: float
    wall_seconds: float
    cpu_ms: dict[str, int]
    client_ms: int
    book: BookCheck

    @property
    def settled(self) -> int:
        return self.by_state.get(str(JobState.SETTLED), 0)

    @property
    def unexplained(self) -> int:
        """Orders that are neither settled nor refused with a reason."""
        refused = self.by_outcome.get(str(Outcome.REFUSED), 0)
        silent = refused - sum(self.refused_later.values())
        return self.submitted - sum(self.refused_at_order.values()) - self.settled + silent

    @property
    def cpu_ms_per_job(self) -> float:
        return sum(self.cpu_ms.values()) / max(1, self.settled)

    @property
    def jobs_per_second(self) -> float:
        return self.settled / max(0.001, self.wall_seconds)

    @property
    def problems(self) -> list[str]:
        """What makes the exit code non-zero."""
        found = list(self.book.differences)
        if self.unexplained:
            found.append(f"{self.unexplained} 个作业既没有结清，也没有说明原因的拒绝")
        if self.money.held != Money(0):
            found.append(f"全部结清之后仍冻结 {self.money.held}")
        return found

    def plain(self) -> dict[str, Any]:
        """The report as one JSON document; amounts are yuan as text, usage is unit-hours as text."""
        return {
            "submitted": self.submitted,
            "kinds": self.kinds,
            "lives_cut": self.cut,
            "speed": self.speed,
            "refused_at_order": self.refused_at_order,
            "states": self.by_state,
            "outcomes": self.by_outcome,
            "refused_later": self.refused_later,
            "placed": self.placed,
            "most_waiting": self.most_waiting,
            "waiting_reasons": self.waiting_reasons,
            "usage_unit_hours": {r: show_unit_hours(m) for r, m in self.usage.items()},
            "doubtful_readings": self.doubts,
            "money": {
                "charged": self.money.charged.plain,
                "from_vouchers": self.money.from_vouchers.plain,
                "cash": self.money.cash.plain,
                "shortfall": self.money.shortfall.plain,
                "held_now": self.money.held.plain,
            },
            "centres": {
                code: {
                    "attempts": line.attempts,
                    "charged": line.charged.plain,
                    "usage_unit_hours": {r: show_unit_hours(m) for r, m in line.usage.items()},
                }
                for code, line in self.centres.items()
            },
            "order_seconds": round(self.order_seconds, 2),
            "wall_seconds": round(self.wall_seconds, 2),
            "jobs_per_second": round(self.jobs_per_second, 2),
            "cpu_ms": self.cpu_ms,
            "cpu_ms_per_settled_job": round(self.cpu_ms_per_job, 2),
            "client_cpu_ms": self.client_ms,
            "book": {
                "accounts": self.book.accounts,
                "transfers": self.book.transfers,
                "differences": list(self.book.differences),
            },
            "problems": self.problems,
        }


def counted() -> dict[str, Any]:
    """The part of the report that stands in the tables."""
    homes, lines = centres_of_attempts(), defaultdict[str, CentreLine](CentreLine)
    usage: Counter[str] = Counter()
    for code in homes.values():
        lines[code].attempts += 1
    for used in usage_of_attempts():
        line = lines[homes[used.attempt]]
        line.charged += used.charged
        line.usage.update(used.milli_unit_seconds)
        usage.update(used.milli_unit_seconds)
    states = counts()
    return {
        "by_state": states.by_state,
        "by_outcome": states.by_outcome,
        "refused_later": dict(refusals()),
        "placed": states.tried,
        "usage": dict(sorted(usage.items())),
        "doubts": doubt_count(),
        "money": money_totals(),
        "centres": dict(sorted(lines.items())),
        "book": check_book(),
    }
