"""The province in numbers for the public pages: centres, cities, cards. Pure; no request, no table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from jinsuan.entrypoints.portal.show import Chip
from jinsuan.entrypoints.portal.words import centre_chip
from jinsuan.kernel.ref import Ref
from jinsuan.registry.capacity import ClusterFree
from jinsuan.registry.catalogue import catalogue
from jinsuan.registry.queries import SILENT_AFTER

WHOLE = 1000

# North to south, as on the ground; the second word places the brick (pages.css).
BRICKS = (
    ("大同", "dt"),
    ("朔州", "sz"),
    ("忻州", "xz"),
    ("太原", "ty"),
    ("阳泉", "yq"),
    ("吕梁", "ll"),
    ("晋中", "jz"),
    ("临汾", "lf"),
    ("长治", "cz"),
    ("运城", "yc"),
    ("晋城", "jc"),
)
FIGURES = {
    "pflops": ("算力规模", "PFLOPS"),
    "cards": ("加速卡", "张"),
    "free": ("空闲卡", "张"),
    "centres": ("中心", "个"),
}
CUTS = (Fraction(1, 8), Fraction(1, 4), Fraction(1, 2), Fraction(3, 4))
"""Where the five shades begin, as parts of the largest value."""


@dataclass(frozen=True, slots=True)
class Scale:
    """算力规模: nameplate FP16, dense, of the cards that the catalogue knows.

    Args:
        millitflops: thousandths of a TFLOPS.
        unknown: cards whose model has no figure in the catalogue; they are not counted.
        known: cards that are counted.
    """

    millitflops: int
    known: int
    unknown: int

    @property
    def text(self) -> str:
        """PFLOPS, two decimals below a hundred; — when no card has a figure."""
        if not self.known:
            return "—" if self.unknown else "0"
        return pflops(self.millitflops)


def pflops(millitflops: int) -> str:
    """Thousandths of a TFLOPS as PFLOPS, cut, not rounded up."""
    whole, rest = divmod(millitflops, 1_000_000)
    return f"{whole:,}" if whole >= 100 else f"{whole}.{rest // 10_000:02d}"


def scale_of(counts: Iterable[ModelCount]) -> Scale:
    """Add up nameplates. A model without a figure is counted apart, never as nought."""
    millitflops = known = unknown = 0
    for count in counts:
        entry = catalogue().get(count.model)
        if entry is None or entry.millitflops_fp16 is None:
            unknown += count.cards
        else:
            known += count.cards
            millitflops += count.cards * entry.millitflops_fp16
    return Scale(millitflops, known, unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCount:
    """Cards of one model. `free` is None where it cannot be known now."""

    model: str
    cards: int
    free: int | None

    @property
    def scale(self) -> Scale:
        return scale_of([self])


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreSummary:
    """One centre, from its clusters."""

    ref: Ref
    code: str
    name: str
    city: str
    owner: Ref
    owner_name: str
    kind: str
    network: str
    chip: Chip
    reason: str
    in_touch: bool
    seen_at: datetime | None
    nodes: int
    cores: int
    cores_free: int | None
    memory_gib: int
    models: tuple[ModelCount, ...]
    clusters: tuple[ClusterFree, ...]

    @property
    def cards(self) -> int:
        return sum(m.cards for m in self.models)

    @property
    def free(self) -> int | None:
        return sum(m.free or 0 for m in self.models) if self.in_touch else None


def centres(clusters: Iterable[ClusterFree], *, now: datetime) -> list[CentreSummary]:
    """Centres by city and code. What an absent centre has free is not known, so it is not shown."""
    grouped: dict[str, list[ClusterFree]] = defaultdict(list)
    for cluster in clusters:
        grouped[cluster.centre_code].append(cluster)
    order = [name for name, _ in BRICKS]
    found = [_centre(grouped[code], now) for code in sorted(grouped)]
    return sorted(found, key=lambda c: (order.index(c.city) if c.city in order else 99, c.code))


def _centre(clusters: Sequence[ClusterFree], now: datetime) -> CentreSummary:
    first = clusters[0]
    seen = max((c.last_seen_at for c in clusters if c.last_seen_at), default=None)
    in_touch = seen is not None and now - seen <= SILENT_AFTER
    nodes = [node for cluster in clusters for node in cluster.nodes]
    cards: dict[str, int] = defaultdict(int)
    free: dict[str, int] = defaultdict(int)
    for node in nodes:
        if node.model is not None:
            cards[node.model] += len(node.cards_free_milli)
            free[node.model] += sum(1 for milli in node.cards_free_milli if milli == WHOLE)
    return CentreSummary(
        ref=Ref("centre", first.centre_id),
        code=first.centre_code,
        name=first.centre_name,
        city=first.city.removesuffix("市"),
        owner=Ref("organisation", first.owner_id),
        owner_name=first.owner_name,
        kind=first.kind,
        network=first.network,
        chip=centre_chip(open_now=first.open, seen=seen, now=now),
        reason="" if first.open else first.closed_reason,
        in_touch=in_touch,
        seen_at=seen,
        nodes=len(nodes),
        cores=sum(n.cpu_milli for n in nodes) // WHOLE,
        cores_free=sum(n.cpu_free_milli for n in nodes) // WHOLE if in_touch else None,
        memory_gib=sum(n.memory_mib for n in nodes) // 1024,
        models=tuple(
            ModelCount(model=m, cards=cards[m], free=free[m] if in_touch else None)
            for m in sorted(cards)
        ),
        clusters=tuple(clusters),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """One row of the table."""

    name: str
    place: str
    centres: int
    cards: int
    free: int
    silent: int
    scale: Scale


@dataclass(frozen=True, slots=True)
class Brick:
    """One brick: its shade (1 to 5) and its figure in words."""

    city: City
    shade: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bricks:
    """The cartogram: eleven bricks, and what the shades mean."""

    bricks: tuple[Brick, ...]
    legend: tuple[str, ...]
    which: str
    word: str
    unit: str


def cities(found: Sequence[CentreSummary]) -> tuple[City, ...]:
    """The eleven cities, north to south, also those without a centre."""
    return tuple(_city(name, place, [c for c in found if c.city == name]) for name, place in BRICKS)


def _city(name: str, place: str, found: Sequence[CentreSummary]) -> City:
    return City(
        name=name,
        place=place,
        centres=len(found),
        cards=sum(c.cards for c in found),
        free=sum(c.free or 0 for c in found),
        silent=sum(1 for c in found if not c.in_touch),
        scale=scale_of(count for c in found for count in c.models),
    )


def bricks(rows: Sequence[City], *, which: str) -> Bricks:
    """Shade the cities by one figure."""
    word, unit = FIGURES[which]
    values = {city.name: _figure(city, which) for city in rows}
    cuts = _cuts(max(values.values()), least=10_000 if which == "pflops" else 1)
    laid = []
    for city in rows:
        value = values[city.name]
        words = f"{_words(value, which)} {unit}" if city.centres else "没有中心"
        if which == "pflops" and city.centres:
            words = f"{city.scale.text} P" if city.cards else "没有加速卡"
        laid.append(Brick(city, 1 + sum(1 for cut in cuts if value >= cut), words))
    legend = (f"<{_words(cuts[0], which)}", *(f"≥{_words(cut, which)}" for cut in cuts))
    return Bricks(bricks=tuple(laid), legend=legend, which=which, word=word, unit=unit)


def _figure(city: City, which: str) -> int:
    if which == "pflops":
        return city.scale.millitflops
    return {"cards": city.cards, "free": city.free, "centres": city.centres}[which]


def _words(value: int, which: str) -> str:
    if which != "pflops":
        return f"{value:,}"
    whole, rest = divmod(value, 1_000_000)
    return f"{whole:,}" if not rest else f"{whole}.{rest:06d}".rstrip("0")


def _cuts(most: int, *, least: int) -> tuple[int, int, int, int]:
    """Four growing values, at least `least` apart, round where there is room to round."""
    cuts: list[int] = []
    for part in CUTS:
        cut = _round(int(most * part))
        cuts.append(max(cut, cuts[-1] + least if cuts else least))
    a, b, c, d = cuts
    return a, b, c, d


def _round(number: int) -> int:
    step = 1
    while number >= step * 100:
        step *= 10
    return number // step * step


def model_counts(found: Iterable[CentreSummary]) -> list[ModelCount]:
    """Cards by model over all centres, most first."""
    cards: dict[str, int] = defaultdict(int)
    free: dict[str, int] = defaultdict(int)
    for centre in found:
        for count in centre.models:
            cards[count.model] += count.cards
            free[count.model] += count.free or 0
    rows = [ModelCount(model=m, cards=cards[m], free=free[m]) for m in cards]
    return sorted(rows, key=lambda r: (-r.cards, r.model))
