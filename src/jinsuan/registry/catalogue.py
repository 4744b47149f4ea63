"""Accelerators (加速卡目录) and cities as package data. Pure; no Django here.

A figure that no source gives stays unknown (None). It is never guessed and never read as nought.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One card model.

    Args:
        domestic: None where the trace that names the model does not disclose it.
        millitflops_fp16: dense FP16 peak in thousandths of a TFLOPS, so that it is whole.
        status: how good the source is: high, medium, low, or trace (a label of a public trace).
    """

    name: str
    vendor: str
    domestic: bool | None
    millitflops_fp16: int | None
    memory_gib: int | None
    tdp_w: int | None
    status: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """One of the province's eleven cities."""

    adcode: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBody:
    """A recommending body (推荐单位) as the 2024 call names them.

    Args:
        kind: city (市), zone (综改区, 属地原则) or provincial (省直, 归口原则).
    """

    code: str
    name: str
    kind: str


def _rows(name: str) -> list[dict[str, str]]:
    text = files("jinsuan.registry").joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _milli(text: str) -> int | None:
    if not text:
        return None
    whole, _, part = text.partition(".")
    return int(whole) * 1000 + int(part.ljust(3, "0")[:3] or "0")


@cache
def catalogue() -> dict[str, Accelerator]:
    """Every known card model by its name."""
    return {
        row["name"]: Accelerator(
            name=row["name"],
            vendor=row["vendor"],
            domestic={"true": True, "false": False}.get(row["domestic"]),
            millitflops_fp16=_milli(row["fp16_dense_tflops"]),
            memory_gib=int(row["memory_gib"]) if row["memory_gib"] else None,
            tdp_w=int(row["tdp_w"]) if row["tdp_w"] else None,
            status=row["status"],
            source=row["source"],
        )
        for row in _rows("accelerators.csv")
    }


@cache
def domestic_models() -> frozenset[str]:
    """Names of card models that are domestic products."""
    return frozenset(name for name, card in catalogue().items() if card.domestic)


@cache
def cities() -> dict[str, City]:
    """The eleven cities by 行政区划代码, in the order of their codes."""
    return {
        row["adcode"]: City(adcode=row["adcode"], name=row["name"]) for row in _rows("cities.csv")
    }


@cache
def bodies() -> dict[str, KnownBody]:
    """The recommending bodies by code: the eleven cities, the reform zone, provincial units."""
    return {
        row["code"]: KnownBody(code=row["code"], name=row["name"], kind=row["kind"])
        for row in _rows("bodies.csv")
    }


_VENDORS = {"昇腾": "Ascend ", "昆仑芯": "Kunlunxin ", "海光": "DCU ", "寒武纪": "MLU"}
"""How people call makes that the catalogue writes in Latin letters."""


def near_models(name: str, *, most: int = 3) -> list[str]:
    """Catalogue names that somebody who wrote `name` may have meant, the likeliest first."""
    plain = {_plain(known): known for known in catalogue()}
    for chinese, latin in _VENDORS.items():
        name = name.replace(chinese, latin)
    wanted = _plain(name)
    inside = [known for text, known in plain.items() if wanted and wanted in text]
    close = [plain[text] for text in get_close_matches(wanted, plain, n=most, cutoff=0.55)]
    return list(dict.fromkeys(close + inside))[:most]


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())
