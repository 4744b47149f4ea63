"""Choose where a job runs, and say of every other place why not. Pure; no Django here.

Hard filters first, each with a cause and two numbers; then the cheapest, then the place that is
left least fragmented, then a rotation so that equal owners share. The caller keeps a `Board` of
free capacity for one round and places many jobs on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from jinsuan.kernel.money import Money
from jinsuan.kernel.period import BEIJING
from jinsuan.kernel.quantity import show_milli
from jinsuan.metering.rating import Prices, Shape, cost_of, price_per_hour, seconds_for
from jinsuan.protocol.spec import Accelerators, JobSpec
from jinsuan.registry.capacity import ClusterFree, NodeFree, Share

VERSION = "cheapest-bestfit-1"
FULL = 1000


@dataclass(slots=True)
class Node:
    """A node's free room during one round; `take` changes it."""

    free: NodeFree
    cards: list[int]
    cpu: int
    memory: int

    def fits(self, choice: Accelerators | None, spec: JobSpec) -> tuple[int, ...] | None:
        """The cards that would be used, () for a job without cards, None when it does not fit."""
        if self.cpu < spec.resources.cpu_milli or self.memory < spec.resources.memory_mib:
            return None
        if choice is None:
            return ()
        if self.free.model != choice.model:
            return None
        if choice.card_milli == FULL:
            empty = [i for i, milli in enumerate(self.cards) if milli == FULL]
            return tuple(empty[: choice.count]) if len(empty) >= choice.count else None
        # A share goes to the fullest card that still has room, which keeps whole cards whole.
        room = [(milli, i) for i, milli in enumerate(self.cards) if milli >= choice.card_milli]
        return (min(room)[1],) if room else None

    def waste(
        self, choice: Accelerators | None, used: tuple[int, ...]
    ) -> tuple[int, int, int, str]:
        """How much is spoiled by using this node; the smallest wins."""
        if choice is None:
            return (len(self.cards), self.cpu, self.memory, self.free.name)
        broken = sum(1 for i in used if self.cards[i] == FULL and choice.card_milli < FULL)
        left = sum(1 for milli in self.cards if milli == FULL) - len(used)
        return (broken, left, self.cpu, self.free.name)

    def take(self, share: Share) -> None:
        """Use the share up for the rest of the round."""
        self.cpu -= share.cpu_milli
        self.memory -= share.memory_mib
        for i in share.cards:
            self.cards[i] -= share.card_milli


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One cluster with its prices of today, during one round."""

    cluster: ClusterFree
    prices: Prices
    nodes: tuple[Node, ...]


class Board:
    """Free capacity of the province during one round of placement."""

    def __init__(self, clusters: Sequence[ClusterFree], prices: dict[UUID, dict[str, int]]) -> None:
        self.sites = tuple(
            Site(
                cluster=cluster,
                prices=prices.get(cluster.centre_id, {}),
                nodes=tuple(
                    Node(n, list(n.cards_free_milli), n.cpu_free_milli, n.memory_free_mib)
                    for n in cluster.nodes
                ),
            )
            for cluster in clusters
        )
        self._nodes = {node.free.id: node for site in self.sites for node in site.nodes}

    def take(self, shares: Sequence[Share]) -> None:
        """Use the shares up for the rest of the round."""
        for share in shares:
            self._nodes[share.node_id].take(share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A place where the job could run now.

    Args:
        authorised: the most it would ever cost there; what is held against.
        max_seconds: how long it may run there, by its own limit and by its budget.
    """

    cluster: ClusterFree
    choice: Accelerators | None
    shape: Shape
    prices: Prices
    hourly: Money
    authorised: Money
    max_seconds: int
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A place where it could not, with a cause in few characters, the numbers, and what would help.

    `passing` is True when waiting can help: the place is right, only busy.
    """

    centre_code: str
    centre_name: str
    cause: str
    numbers: str
    mend: str
    passing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Every place is either a candidate (best first) or refused."""

    candidates: tuple[Candidate, ...]
    refused: tuple[Refused, ...]

    @property
    def chosen(self) -> Candidate | None:
        return self.candidates[0] if self.candidates else None

    @property
    def may_wait(self) -> bool:
        """Whether some place would do once it is free."""
        return any(refused.passing for refused in self.refused)


def place(
    spec: JobSpec, board: Board, *, turn: int = 0, avoid: frozenset[str] = frozenset()
) -> Placement:
    """Sort all places for one job.

    Args:
        avoid: centres that turned this job down before.
        turn: rotates equal candidates among owners; any number that changes from job to job.
    """
    candidates: list[Candidate] = []
    refused: list[Refused] = []
    choices: Sequence[Accelerators | None] = spec.resources.accelerators or (None,)
    for site in board.sites:
        best, why = None, _shut(spec, site, avoid)
        if why is None:
            results = [_try(spec, choice, site) for choice in choices]
            found = [r for r in results if isinstance(r, Candidate)]
            best = min(found, key=lambda c: c.authorised, default=None)
            reasons = [r for r in results if isinstance(r, Refused)]
            why = next((r for r in reasons if r.passing), reasons[0] if reasons else None)
        if best is not None:
            candidates.append(best)
        else:
            assert why is not None
            refused.append(why)
    count = max(1, len(candidates))
    order = {id(c): i for i, c in enumerate(candidates)}
    candidates.sort(key=lambda c: (c.authorised, c.hourly, (order[id(c)] + turn) % count))
    return Placement(candidates=tuple(candidates), refused=tuple(refused))


def _shut(spec: JobSpec, site: Site, avoid: frozenset[str]) -> Refused | None:
    """What the order itself rules out."""
    cluster, where = site.cluster, spec.where
    if where.cities and not any(
        cluster.city.startswith(c.removesuffix("市")) for c in where.cities
    ):
        return _no(
            site, "城市不符", f"要求 {'、'.join(where.cities)}，此处为 {cluster.city}", "放宽城市"
        )
    if where.centres and cluster.centre_code not in where.centres:
        return _no(site, "未选此处", f"只选了 {'、'.join(where.centres)}", "放宽中心")
    if cluster.centre_code in where.exclude:
        return _no(site, "已排除", f"排除了 {cluster.centre_code}", "去掉排除")
    if cluster.centre_code in avoid:
        return _no(site, "已拒收", "这个中心的引擎拒收过本作业", "改作业后另下一单")
    return None


def _try(spec: JobSpec, choice: Accelerators | None, site: Site) -> Candidate | Refused:
    cluster, need = site.cluster, spec.resources
    if choice is not None:
        models = {n.free.model for n in site.nodes} - {None}
        if choice.model not in models:
            has = "、".join(sorted(m for m in models if m)) or "没有加速卡"
            return _no(site, "型号不符", f"要 {choice.model}，此处为 {has}", "换一种加速卡")
        if spec.where.domestic and choice.model not in cluster.domestic:
            return _no(site, "非国产卡", f"{choice.model} 不在国产目录", "去掉国产要求")
    size = _too_small(spec, choice, site)
    if size is not None:
        return size
    shape = Shape(
        model=None if choice is None else choice.model,
        milli_cards=0 if choice is None else choice.count * choice.card_milli * spec.num_nodes,
        cpu_milli=need.cpu_milli * spec.num_nodes,
        memory_mib=need.memory_mib * spec.num_nodes,
    )
    missing = [r for r in shape.milli_units() if r not in site.prices]
    if missing:
        return _no(site, "未定价", f"没有 {missing[0]} 的价目", "请中心登记价目")
    limit = _limit(spec, shape, site.prices)
    if limit < 1:
        hourly = price_per_hour(shape, site.prices)
        return _no(site, "预算不足", f"此处每小时 {hourly}，预算 {spec.budget.total}", "提高预算")
    if closed := _closed(site):
        return closed
    shares = _gang(spec, choice, site)
    if shares is None:
        return _no(site, "空闲不足", _free_now(choice, site), "等空闲，或换型号", passing=True)
    cost = cost_of(shape, site.prices, seconds=limit)
    return Candidate(
        cluster=cluster,
        choice=choice,
        shape=shape,
        prices=site.prices,
        hourly=price_per_hour(shape, site.prices),
        authorised=cost if spec.budget.total is None else min(cost, spec.budget.total),
        max_seconds=limit,
        shares=shares,
    )


def _closed(site: Site) -> Refused | None:
    """What passes by itself. Asked last: a closed place that would never do is no reason to wait."""
    cluster = site.cluster
    if not cluster.open:
        return _no(
            site, "暂停接单", cluster.closed_reason or "中心未开放", "等中心恢复", passing=True
        )
    if cluster.silent:
        seen = cluster.last_seen_at
        when = f"最近联系在 {seen.astimezone(BEIJING):%m-%d %H:%M:%S}" if seen else "还没有联系过"
        return _no(site, "失去联系", when, "等中心恢复联系", passing=True)
    return None


def _limit(spec: JobSpec, shape: Shape, prices: Prices) -> int:
    """How long it may run: its own limit, and what the budget pays for."""
    limits = []
    if spec.max_seconds is not None:
        limits.append(spec.max_seconds)
    if spec.budget.total is not None:
        paid = seconds_for(shape, prices, budget=spec.budget.total)
        if paid is not None:
            limits.append(paid)
    # Only a budget, and a price of nought: nothing limits it, so the longest order does.
    return min(limits, default=365 * 24 * 3600)


def _too_small(spec: JobSpec, choice: Accelerators | None, site: Site) -> Refused | None:
    """Whether even an empty cluster could not hold it."""
    need = spec.resources
    big = [
        n.free
        for n in site.nodes
        if n.free.cpu_milli >= need.cpu_milli
        and n.free.memory_mib >= need.memory_mib
        and (choice is None or (n.free.model == choice.model and len(n.cards) >= choice.count))
    ]
    if len(big) >= spec.num_nodes:
        return None
    want = f"{spec.num_nodes} 个节点，每个 {show_milli(need.cpu_milli)} 核、{need.memory_mib} MiB"
    if choice is not None:
        want += f"、{show_milli(choice.count * choice.card_milli)} 张 {choice.model}"
    return _no(site, "规模不够", f"要 {want}；此处这样的节点有 {len(big)} 个", "改小每个节点的需求")


def _gang(spec: JobSpec, choice: Accelerators | None, site: Site) -> tuple[Share, ...] | None:
    """All nodes or none: the ones that waste least."""
    fits = []
    for node in site.nodes:
        used = node.fits(choice, spec)
        if used is not None:
            fits.append((node.waste(choice, used), node, used))
    if len(fits) < spec.num_nodes:
        return None
    fits.sort(key=lambda fit: fit[0])
    return tuple(
        Share(
            node_id=node.free.id,
            cards=used,
            card_milli=FULL if choice is None else choice.card_milli,
            cpu_milli=spec.resources.cpu_milli,
            memory_mib=spec.resources.memory_mib,
        )
        for _, node, used in fits[: spec.num_nodes]
    )


def _free_now(choice: Accelerators | None, site: Site) -> str:
    if choice is None:
        cores = max((n.cpu for n in site.nodes), default=0)
        return f"单节点最多空闲 {show_milli(cores)} 核"
    nodes = [n for n in site.nodes if n.free.model == choice.model]
    whole = max((sum(1 for m in n.cards if m == FULL) for n in nodes), default=0)
    return f"单节点最多空闲 {whole} 张整卡"


def _no(site: Site, cause: str, numbers: str, mend: str, *, passing: bool = False) -> Refused:
    return Refused(
        centre_code=site.cluster.centre_code,
        centre_name=site.cluster.centre_name,
        cause=cause,
        numbers=numbers,
        mend=mend,
        passing=passing,
    )
