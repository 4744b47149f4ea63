"""Inventories for tests: rows, files, and taking them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, date, datetime

from jinsuan.kernel.ref import Actor
from jinsuan.registry.actions.inventory import ImportReport, import_inventory
from jinsuan.registry.inventory import HEADERS, read_inventory
from tests.flows.world import uscc

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
TODAY = date(2025, 9, 16)
ROW = {
    "centre": "TY01",
    "centre_name": "太原中心",
    "owner_uscc": uscc(1),
    "city": "太原",
    "kind": "智算",
    "network": "电信",
    "industry": "通用",
    "cluster": "main",
    "engine": "slurm",
    "node": "n1",
    "model": "Ascend 910B3",
    "cards": "8",
    "cpu_cores": "192",
    "memory_gib": "1024",
}


def sheet(rows: Iterable[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(HEADERS))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def rows(count: int, **change: str) -> list[dict[str, str]]:
    return [{**ROW, "node": f"n{i}", **change} for i in range(1, count + 1)]


def take(content: bytes, actor: Actor, **how: object) -> ImportReport:
    _, items = read_inventory(io.BytesIO(content))
    given: dict[str, object] = {"effective_on": TODAY, "actor": actor, "now": NOW, **how}
    return import_inventory(items, **given)  # type: ignore[arg-type]


def counts(report: ImportReport) -> tuple[int, int, int]:
    return report.nodes_new, report.nodes_changed, report.nodes_unchanged
