"""A job specification (作业说明): what a tenant orders. Words as in SkyPilot; all values whole.

`parse.py` reads it from YAML or JSON; this module holds the values and their canonical form.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from jinsuan.kernel.money import Money
from jinsuan.kernel.quantity import show_milli


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerators:
    """Cards per node: `count` whole cards, or `card_milli` thousandths of exactly one."""

    model: str
    count: int
    card_milli: int = 1000

    def __str__(self) -> str:
        return f"{self.model}:{show_milli(self.count * self.card_milli)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one node must give. `accelerators` lists alternatives; none means CPU only."""

    accelerators: tuple[Accelerators, ...] = ()
    cpu_milli: int = 1000
    memory_mib: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the job may cost at most, and whether vouchers pay their share of it.

    Args:
        total: None leaves only max_duration as the limit.
        voucher: "auto", "none" or one voucher's id.
    """

    total: Money | None = None
    voucher: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which centres may run it; empty means any."""

    cities: tuple[str, ...] = ()
    centres: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    domestic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One order. `max_seconds` counts running time only; it or `budget.total` must be given."""

    name: str
    run: str
    num_nodes: int = 1
    resources: Resources = Resources()
    envs: tuple[tuple[str, str], ...] = ()
    image: str | None = None
    max_seconds: int | None = None
    budget: Budget = Budget()
    where: Where = Where()
    priority: int = 50
    labels: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        assert self.max_seconds is not None or self.budget.total is not None, self.name

    def plain(self) -> dict[str, Any]:
        """The canonical form: the same words that `parse` reads, empty ones left out."""
        resources: dict[str, Any] = {
            "accelerators": [str(choice) for choice in self.resources.accelerators],
            "cpus": show_milli(self.resources.cpu_milli),
            "memory": f"{self.resources.memory_mib}MiB",
        }
        where = {
            "city": list(self.where.cities),
            "centre": list(self.where.centres),
            "domestic": self.where.domestic,
        }
        total = self.budget.total
        return _without_empty(
            {
                "name": self.name,
                "run": self.run,
                "num_nodes": self.num_nodes,
                "resources": _without_empty(resources),
                "envs": dict(self.envs),
                "image": self.image,
                "max_duration": None if self.max_seconds is None else f"{self.max_seconds}s",
                "budget": {
                    **({} if total is None else {"total": total.plain}),
                    "voucher": self.budget.voucher,
                },
                "placement": _without_empty(
                    {"require": _without_empty(where), "exclude": list(self.where.exclude)}
                ),
                "priority": self.priority,
                "labels": dict(self.labels),
            }
        )

    def digest(self) -> str:
        """SHA-256 over the canonical form, in hexadecimal."""
        text = json.dumps(self.plain(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {
        k: v for k, v in values.items() if v is not None and v is not False and v not in ([], {})
    }
