"""What a row of the trace asks for, and the order that asks us for it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from jinsuan.entrypoints.replay.errors import ReplayDataBad, ReplayDataMissing
from jinsuan.entrypoints.replay.pods import Pace, order_for, read_pods, sample
from jinsuan.entrypoints.replay.province import models_of, read_centres, read_machines
from jinsuan.entrypoints.replay.rows import table
from jinsuan.protocol.parse import parse_spec
from jinsuan.protocol.spec import Accelerators

PACE = Pace(speed=600, longest_seconds=20)
MODELS = ("P100", "T4")


def row(**more: str) -> dict[str, str]:
    return {
        "name": "openb-pod-0001",
        "cpu_milli": "6000",
        "memory_mib": "12288",
        "num_gpu": "1",
        "gpu_milli": "460",
        "gpu_spec": "",
        "qos": "LS",
        "pod_phase": "Succeeded",
        "creation_time": "1000",
        "scheduled_time": "1100",
        "deletion_time": "2000",
        **more,
    }


def order(**more: str) -> dict[str, Any]:
    (pod,) = read_pods([row(**more)], file="pods.csv")
    return order_for(pod, MODELS, PACE)


def test_a_share_of_any_card_lists_every_model_of_the_province() -> None:
    spec = parse_spec(order())
    assert spec.resources.accelerators == (
        Accelerators(model="P100", count=1, card_milli=460),
        Accelerators(model="T4", count=1, card_milli=460),
    )
    assert (spec.resources.cpu_milli, spec.resources.memory_mib) == (6000, 12288)
    assert spec.run == "sleep 1.50"  # 900 seconds, from its start, at 600 times the speed


def test_named_models_stay_and_many_cards_are_whole() -> None:
    spec = parse_spec(order(num_gpu="8", gpu_milli="1000", gpu_spec="V100M16|V100M32"))
    assert [str(choice) for choice in spec.resources.accelerators] == ["V100M16:8", "V100M32:8"]


def test_a_pod_without_cards_asks_for_none() -> None:
    wanted = order(num_gpu="0", gpu_milli="0")
    assert "accelerators" not in wanted["resources"]
    assert parse_spec(wanted).resources.accelerators == ()


def test_a_pod_that_never_started_lives_from_its_creation_and_a_long_life_is_cut() -> None:
    assert order(scheduled_time="", deletion_time="1600")["run"] == "sleep 1.00"
    assert order(deletion_time="12902960")["run"] == "sleep 20.00"
    assert order(deletion_time="")["run"] == "sleep 0.00"
    assert PACE.cuts(12_001)
    assert not PACE.cuts(12_000)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"cpu_milli": "-1"}, "cpu_milli"),
        ({"memory_mib": "many"}, "memory_mib"),
        ({"gpu_milli": "1200"}, "gpu_milli"),
        ({"num_gpu": "2"}, "2 张卡"),
        ({"name": ""}, "name"),
    ],
    ids=lambda value: str(value),
)
def test_a_bad_row_is_named_by_its_line(wrong: dict[str, str], word: str) -> None:
    with pytest.raises(ReplayDataBad) as refused:
        read_pods([row(), row(**wrong)], file="pods.csv")
    assert refused.value.line == 3
    assert word in refused.value.explain()


def test_a_sample_is_even_and_in_the_order_of_asking() -> None:
    rows = [row(name=f"p{i:02d}", creation_time=str(100 - i)) for i in range(10)]
    pods = read_pods(rows, file="pods.csv")
    assert [pod.name for pod in sample(pods, 5)] == ["p09", "p07", "p05", "p03", "p01"]
    assert sample(pods, 99) == pods


def test_machines_find_their_centre_and_models_are_those_that_exist() -> None:
    rows = [
        {"sn": "n1", "cpu_milli": "64000", "memory_mib": "262144", "gpu": "2", "model": "P100"},
        {"sn": "n2", "cpu_milli": "32000", "memory_mib": "262144", "gpu": "0", "model": ""},
    ]
    machines = read_machines(rows, file="nodes.csv")
    centre = {"centre": "C12", "adcode": "140500", "city": "晋城", "pool": "P100"}
    (made,) = read_centres([centre], {"C12": list(machines.values())}, file="centres.csv")
    assert models_of([made]) == ("P100",)
    assert machines["n2"].model is None
    assert made.prices(600)["card:P100"] == 600 * made.prices(1)["card:P100"]


def test_a_table_may_be_packed_and_a_missing_one_says_where_it_was_sought(tmp_path: Path) -> None:
    packed = tmp_path / "pods.csv.gz"
    packed.write_bytes(gzip.compress(b"name,cpu_milli\np1,1\n"))
    assert table(tmp_path / "pods.csv") == [{"name": "p1", "cpu_milli": "1"}]
    with pytest.raises(ReplayDataMissing) as refused:
        table(tmp_path / "nodes.csv")
    assert str(tmp_path / "nodes.csv") in refused.value.explain()
