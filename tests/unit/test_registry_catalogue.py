"""Our copy of the accelerator catalogue says what the collected sources say, and no more."""

from __future__ import annotations

import csv
from pathlib import Path

from jinsuan.registry.catalogue import catalogue, domestic_models, near_models


def number(text: str) -> str:
    """A figure without a trailing ".0", so that 312 and 312.0 are one."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def test_every_figure_equals_the_collected_one(shared_data: Path) -> None:
    with (shared_data / "accelerators.csv").open(encoding="utf-8", newline="") as file:
        collected = {row["name"]: row for row in csv.DictReader(file)}
    ours = catalogue()

    assert collected.keys() == {name for name, card in ours.items() if card.status != "trace"}
    for name, row in collected.items():
        card = ours[name]
        tflops = "" if card.millitflops_fp16 is None else f"{card.millitflops_fp16 / 1000}"
        assert number(tflops) == number(row["fp16_dense_tflops"]), name
        assert str(card.memory_gib or "") == row["memory_gib"], name
        assert str(card.tdp_w or "") == row["tdp_w"], name
        assert card.domestic is {"true": True, "false": False}[row["domestic"]], name
        assert card.vendor == row["vendor"], name
        assert row["source"] == f"[{card.status}] {card.source}", name


def test_an_unpublished_figure_is_unknown_and_never_nought() -> None:
    assert catalogue()["MLU290-M5"].millitflops_fp16 is None
    assert all(card.millitflops_fp16 != 0 for card in catalogue().values())


def test_a_trace_label_discloses_nothing() -> None:
    labels = [card for card in catalogue().values() if card.status == "trace"]
    assert {card.name for card in labels} == {"G2", "G3", "T4", "P100", "V100M16", "V100M32", "A10"}
    assert all(card.millitflops_fp16 is card.domestic is None for card in labels)
    assert not domestic_models() & {card.name for card in labels}


def test_every_known_name_is_nearest_to_itself() -> None:
    for name in catalogue():
        assert near_models(name)[0] == name
