"""The trace's machines as a province of twenty centres, with invented owners, users and prices.

Machines are real (cluster-trace-gpu-v2023); which centre they belong to is the proposal of the
data folder; organisations, people and prices are made up and say so in their names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jinsuan.entrypoints.replay.errors import ReplayDataBad
from jinsuan.entrypoints.replay.rows import Row, numbered, table, whole, word
from jinsuan.kernel.uscc import check_character
from jinsuan.metering.rating import CPU, MEMORY, card

CENTRES = "openb_province/centres.csv"
NODE_TO_CENTRE = "openb_province/openb_node_to_centre.csv"
NODES = "openb/openb_node_list_all_node.csv"
PODS = "openb/pods/openb_pod_list_default.csv"

PRICES = {
    "G2": 980_000,
    "G3": 1_260_000,
    "P100": 360_000,
    "T4": 210_000,
    "V100M16": 520_000,
    "V100M32": 680_000,
    "A10": 450_000,
}
"""Invented: thousandths of a fen per card-hour. The trace does not disclose what G2 and G3 are."""
OTHER_PRICE = 500_000
CPU_PRICE, MEMORY_PRICE = 6_000, 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One node of the trace."""

    name: str
    cpu_milli: int
    memory_mib: int
    cards: int
    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """One centre with its machines."""

    code: str
    name: str
    adcode: str
    city: str
    kind: str
    machines: tuple[Machine, ...]

    @property
    def models(self) -> frozenset[str]:
        return frozenset(m.model for m in self.machines if m.model is not None)

    def prices(self, speed: int) -> dict[str, int]:
        """Prices of one replayed hour: a second stands for `speed` seconds, so it costs as much."""
        real = {card(m): PRICES.get(m, OTHER_PRICE) for m in sorted(self.models)}
        real |= {CPU: CPU_PRICE, MEMORY: MEMORY_PRICE}
        return {resource: price * speed for resource, price in real.items()}


def read_province(folder: Path) -> tuple[Centre, ...]:
    """The centres of a data folder, by code.

    Raises:
        ReplayDataMissing, ReplayDataBad: with the file.
    """
    machines = read_machines(table(folder / NODES), file=NODES)
    homes: dict[str, list[Machine]] = {}
    for line, row in numbered(table(folder / NODE_TO_CENTRE)):
        name = word(row, "sn", file=NODE_TO_CENTRE, line=line)
        if name not in machines:
            raise ReplayDataBad(NODE_TO_CENTRE, line, f"的节点 {name[:60]} 不在节点表中")
        homes.setdefault(word(row, "centre", file=NODE_TO_CENTRE, line=line), []).append(
            machines[name]
        )
    return read_centres(table(folder / CENTRES), homes, file=CENTRES)


def read_machines(rows: Iterable[Row], *, file: str) -> dict[str, Machine]:
    """The node table by name."""
    found: dict[str, Machine] = {}
    for line, row in numbered(rows):
        cards = whole(row, "gpu", file=file, line=line)
        machine = Machine(
            name=word(row, "sn", file=file, line=line),
            cpu_milli=whole(row, "cpu_milli", file=file, line=line),
            memory_mib=whole(row, "memory_mib", file=file, line=line),
            cards=cards,
            model=word(row, "model", file=file, line=line) if cards else None,
        )
        found[machine.name] = machine
    return found


def read_centres(
    rows: Iterable[Row], homes: dict[str, list[Machine]], *, file: str
) -> tuple[Centre, ...]:
    """The centre table, each with its machines."""
    centres = []
    for line, row in numbered(rows):
        code = word(row, "centre", file=file, line=line)
        city, pool = (
            word(row, "city", file=file, line=line),
            word(row, "pool", file=file, line=line),
        )
        if not homes.get(code):
            raise ReplayDataBad(file, line, f"的中心 {code[:40]} 没有节点")
        centres.append(
            Centre(
                code=code,
                name=f"回放{city}算力中心{code}（{pool}）",
                adcode=word(row, "adcode", file=file, line=line),
                city=city,
                kind="通算" if pool == "CPU" else "智算",
                machines=tuple(homes[code]),
            )
        )
    return tuple(centres)


def models_of(centres: Iterable[Centre]) -> tuple[str, ...]:
    """Every card model of the province, sorted."""
    return tuple(sorted({model for centre in centres for model in centre.models}))


def made_up_uscc(number: int) -> str:
    """A code with a right check character, in a range that no register gives out."""
    body = f"91140000REP{number:06d}"
    return body + check_character(body)
