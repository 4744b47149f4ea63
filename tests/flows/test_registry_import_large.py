"""Large inventories: the real nodes of a public trace, and fifty thousand made-up ones."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

from jinsuan.kernel.ref import Actor, Role
from jinsuan.registry.models import Card, Centre
from jinsuan.registry.queries_capacity import capacity_on
from tests.flows.inventories import NOW, ROW, TODAY, counts, sheet, take
from tests.flows.world import organisation, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Actor:
    organisation(1, "甲算力", NOW)
    return person("sun", organisation(7, "平台公司", NOW), Role.PLATFORM_OPERATOR, NOW)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def openb(folder: Path) -> list[dict[str, str]]:
    """1,523 real nodes as 20 centres in eleven cities."""
    places = folder / "openb_province"
    nodes = folder / "openb" / "openb_node_list_all_node.csv"
    for path in (places / "centres.csv", places / "openb_node_to_centre.csv", nodes):
        if not path.exists():
            pytest.skip(f"no {path.name} in the shared data")
    centres = {row["centre"]: row for row in table(places / "centres.csv")}
    of = {row["sn"]: row["centre"] for row in table(places / "openb_node_to_centre.csv")}
    found = []
    for node in table(nodes):
        centre = centres[of[node["sn"]]]
        found.append(
            {
                **ROW,
                "centre": centre["centre"],
                "centre_name": f"{centre['city']}算力中心 {centre['centre']}",
                "city": centre["city"],
                "kind": "通算" if centre["pool"] == "CPU" else "智算",
                "engine": "embedded",
                "node": node["sn"],
                "model": node["model"],
                "cards": node["gpu"],
                "cpu_cores": f"{int(node['cpu_milli']) / 1000:.3f}",
                "memory_gib": f"{int(node['memory_mib']) / 1024:.10f}",
            }
        )
    return found


def test_the_real_province_comes_in_within_seconds_and_again_unchanged(
    shared_data: Path, operator: Actor
) -> None:
    content = sheet(openb(shared_data))
    begun = time.perf_counter()
    first = take(content, operator)
    took = time.perf_counter() - begun

    assert (first.centres_new, first.nodes_new, first.cards) == (20, 1523, 6212)
    assert Card.objects.count() == 6212
    assert took < 10, f"{took:.1f} s for 1,523 nodes"
    assert counts(take(content, operator)) == (0, 0, 1523)
    for centre in table(shared_data / "openb_province" / "centres.csv"):
        found = capacity_on(Centre.objects.get(code=centre["centre"]).id, TODAY)
        assert found.nodes_installed == int(centre["nodes"])
        assert sum(m.installed for m in found.models) == int(centre["gpus"])
        assert found.cards_of_unknown_power == int(centre["gpus"]), "the trace gives no figures"


@pytest.mark.slow
def test_fifty_thousand_rows_are_fine(operator: Actor) -> None:
    many = sheet({**ROW, "centre": f"C{i // 500}", "node": f"n{i}"} for i in range(50_000))
    begun = time.perf_counter()
    report = take(many, operator)
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    again = take(many, operator)
    second = time.perf_counter() - begun

    assert (report.nodes_new, report.cards, report.centres_new) == (50_000, 400_000, 100)
    assert counts(again) == (0, 0, 50_000)
    assert not again.bad_rows
    assert first < 120, f"{first:.0f} s first, {second:.0f} s again"
    print(f"50,000 rows: {first:.1f} s, again {second:.1f} s")
