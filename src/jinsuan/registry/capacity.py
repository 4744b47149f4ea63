"""Capacity as frozen values, for placement to think with. Pure; no Django here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from jinsuan.kernel.quantity import show_milli


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFree:
    """What is free on one node.

    Args:
        cards_free_milli: free thousandths of each card, in card order; its length is the count.
        cpu_milli, memory_mib: what the node has in all; the `_free` fields what is left.
    """

    id: UUID
    name: str
    model: str | None
    cards_free_milli: tuple[int, ...]
    cpu_milli: int
    cpu_free_milli: int
    memory_mib: int
    memory_free_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFree:
    """One cluster of one centre and what is free there.

    Args:
        domestic: those of its card models that are domestic products.
        open: whether the centre takes orders now; `closed_reason` says why not.
        silent: whether its agent was not heard lately, so nobody can say what is free there.
    """

    id: UUID
    name: str
    engine: str
    centre_id: UUID
    centre_code: str
    centre_name: str
    city: str
    owner_id: UUID
    owner_name: str
    kind: str
    network: str
    domestic: frozenset[str]
    open: bool
    closed_reason: str
    silent: bool
    last_seen_at: datetime | None
    nodes: tuple[NodeFree, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of one node that one attempt reserves."""

    node_id: UUID
    cards: tuple[int, ...]
    card_milli: int
    cpu_milli: int
    memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What somebody says a node is: an agent's report or a line of an inventory."""

    name: str
    model: str | None
    cards: int
    cpu_milli: int
    memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What we hold of a node: what it is, and how much of it is promised to jobs."""

    machine: Machine
    online: bool
    cards_reserved_milli: int
    cpu_reserved_milli: int
    memory_reserved_mib: int


def objection(standing: Standing, said: Machine) -> str:
    """Why a node cannot become what is said of it while jobs hold parts of it; empty if it can.

    Cards may be added at any time. Taking cards away or changing their model needs all cards of
    the node free: which index goes away, only the engine knows.
    """
    now, held = standing.machine, standing.cards_reserved_milli
    if held and said.model != now.model:
        return f"型号由 {now.model} 变为 {said.model or '无卡'}，而卡上还有作业"
    if held and said.cards < now.cards:
        return f"加速卡由 {now.cards} 张变为 {said.cards} 张，而卡上还有作业"
    if said.cpu_milli < standing.cpu_reserved_milli:
        return (
            f"核数变为 {show_milli(said.cpu_milli)}，"
            f"少于作业占用的 {show_milli(standing.cpu_reserved_milli)}"
        )
    if said.memory_mib < standing.memory_reserved_mib:
        return f"内存变为 {said.memory_mib} MiB，少于作业占用的 {standing.memory_reserved_mib} MiB"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCount:
    """Cards of one model at one centre on one day.

    Args:
        millitflops_fp16: dense FP16 peak of one card; None where the catalogue does not know.
    """

    model: str
    installed: int
    online: int
    millitflops_fp16: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityOn:
    """What a centre had at the end of a Beijing day (算力规模), installed >= online."""

    centre: str
    day: date
    nodes_installed: int
    nodes_online: int
    cpu_milli_installed: int
    cpu_milli_online: int
    memory_mib_installed: int
    memory_mib_online: int
    models: tuple[ModelCount, ...]

    def cards(self, model: str) -> ModelCount:
        """The count of one model; of a model that is not there, none."""
        nothing = ModelCount(model=model, installed=0, online=0, millitflops_fp16=None)
        return next((m for m in self.models if m.model == model), nothing)

    @property
    def installed_millitflops_fp16(self) -> int:
        """Of the cards whose figure is known; read it with `cards_of_unknown_power`."""
        return sum(m.installed * (m.millitflops_fp16 or 0) for m in self.models)

    @property
    def online_millitflops_fp16(self) -> int:
        return sum(m.online * (m.millitflops_fp16 or 0) for m in self.models)

    @property
    def cards_of_unknown_power(self) -> int:
        """Installed cards for which no source gives a figure: never counted as nought silently."""
        return sum(m.installed for m in self.models if m.millitflops_fp16 is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityNow:
    """What of a centre's cards, in thousandths, is online, open to orders, allocated and used.

    Args:
        used_milli: held by attempts that run; None when the caller did not say which ones run.
    """

    centre: str
    installed_milli: int
    online_milli: int
    open_milli: int
    allocated_milli: int
    used_milli: int | None


def show_pflops(millitflops: int) -> str:
    """PFLOPS as plain decimal text, exact.

    >>> show_pflops(313_000), show_pflops(2_504_000)
    ('0.313', '2.504')
    """
    whole, rest = divmod(millitflops, 1_000_000)
    return f"{whole:,}" + (f".{rest:06d}".rstrip("0") if rest else "")
