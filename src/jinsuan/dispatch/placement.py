"""Choose where a job runs, and say of every other place why not. Pure; no Django here.

Hard filters first, each with a cause and two numbers; then the cheapest, then a rotation so that
equal owners share; inside the place, the nodes that are left least fragmented. The caller keeps a
`Board` of free capacity for one round and places many jobs on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from jinsuan.dispatch.demand import FULL
from jinsuan.dispatch.least_waste import LeastWaste
from jinsuan.dispatch.node import Node
from jinsuan.dispatch.packing import Packing, demand_of
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import BEIJING
from jinsuan.kernel.quantity import SECONDS_PER_HOUR, show_milli
from jinsuan.metering.rating import Prices, Shape, cost_of, seconds_for
from jinsuan.protocol.spec import Accelerators, JobSpec
from jinsuan.registry.capacity import ClusterFree, Share

BEST_FIT = "cheapest-bestfit-1"
"""Version of a board that knows no mix of past jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One cluster with its prices of today, during one round.

    Args:
        by_model: the nodes by card model; None holds all, for work without cards.
        costs, sizes: what was reckoned before in this round. Prices and whole nodes do not change
            in it, and many orders are alike.
        packed: how to pack the nodes by the mix of past jobs, made when first needed; stays empty
            without a mix.
    """

    cluster: ClusterFree
    prices: Prices
    by_model: dict[str | None, tuple[Node, ...]]
    costs: dict[tuple[Shape, int], Money] = field(default_factory=dict)
    sizes: dict[tuple[Accelerators | None, int, int], int] = field(default_factory=dict)
    policy: LeastWaste | None = None
    packed: list[Packing] = field(default_factory=list)

    def packing(self) -> Packing | None:
        if self.policy is not None and not self.packed:
            self.packed.append(Packing([n.now() for n in self.nodes_for(None)], self.policy))
        return self.packed[0] if self.packed else None

    def nodes_for(self, choice: Accelerators | None) -> tuple[Node, ...]:
        return self.by_model.get(None if choice is None else choice.model, ())

    def models(self) -> Iterator[str]:
        return (model for model in self.by_model if model is not None)

    def cost(self, shape: Shape, seconds: int) -> Money:
        """What so long costs here at most."""
        found = self.costs.get((shape, seconds))
        if found is None:
            found = self.costs[shape, seconds] = cost_of(shape, self.prices, seconds=seconds)
        return found

    def hourly(self, shape: Shape) -> Money:
        return self.cost(shape, SECONDS_PER_HOUR)

    def large_enough(self, choice: Accelerators | None, cpu_milli: int, memory_mib: int) -> int:
        """How many nodes could hold one node's part if they were empty."""
        key = (choice, cpu_milli, memory_mib)
        if key not in self.sizes:
            self.sizes[key] = sum(
                node.free.cpu_milli >= cpu_milli
                and node.free.memory_mib >= memory_mib
                and (choice is None or len(node.cards) >= choice.count)
                for node in self.nodes_for(choice)
            )
        return self.sizes[key]


def _site(cluster: ClusterFree, prices: Prices, policy: LeastWaste | None) -> Site:
    nodes = tuple(
        Node(n, list(n.cards_free_milli), n.cpu_free_milli, n.memory_free_mib)
        for n in cluster.nodes
    )
    models = {node.free.model for node in nodes} - {None}
    by_model: dict[str | None, tuple[Node, ...]] = {
        model: tuple(node for node in nodes if node.free.model == model) for model in models
    }
    by_model[None] = nodes
    return Site(cluster=cluster, prices=prices, by_model=by_model, policy=policy)


class Board:
    """Free capacity of the province during one round of placement.

    Args:
        policy: chooses nodes inside a place by the mix of past jobs; best fit without. A board with
            a policy keeps scores up as it is asked, so it is for one thread only.
    """

    def __init__(
        self,
        clusters: Sequence[ClusterFree],
        prices: dict[UUID, dict[str, int]],
        *,
        policy: LeastWaste | None = None,
    ) -> None:
        self.version = BEST_FIT if policy is None else f"cheapest-{policy.weights.version}"
        self.sites = tuple(_site(c, prices.get(c.centre_id, {}), policy) for c in clusters)
        self._nodes = {
            node.free.id: (site, node) for site in self.sites for node in site.nodes_for(None)
        }

    def take(self, shares: Sequence[Share]) -> None:
        """Use the shares up for the rest of the round."""
        for share in shares:
            site, node = self._nodes[share.node_id]
            node.take(share)
            for packing in site.packed:
                packing.take(share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A place where the job could run now.

    Args:
        authorised: the most it would ever cost there; what is held against.
        max_seconds: how long it may run there, by its own limit and by its budget.
        shares: what would be reserved; looked for at the best place only, empty at the others.
    """

    cluster: ClusterFree
    choice: Accelerators | None
    shape: Shape
    prices: Prices
    hourly: Money
    authorised: Money
    max_seconds: int
    shares: tuple[Share, ...] = ()


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
    found: list[tuple[Candidate, Site]] = []
    refused: list[Refused] = []
    for site in board.sites:
        answer = _shut(spec, site, avoid) or _best(spec, site)
        if isinstance(answer, Candidate):
            found.append((answer, site))
        else:
            refused.append(answer)
    count = max(1, len(found))
    order = sorted(
        range(len(found)),
        key=lambda i: (found[i][0].authorised, found[i][0].hourly, (i + turn) % count),
    )
    candidates = [found[i][0] for i in order]
    if candidates:
        shares = _gang(spec, candidates[0].choice, found[order[0]][1])
        candidates[0] = replace(candidates[0], shares=shares)
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


def _best(spec: JobSpec, site: Site) -> Candidate | Refused:
    """The cheapest of the alternatives that this place has, or why none will do."""
    choices: Sequence[Accelerators | None] = spec.resources.accelerators or (None,)
    here = [choice for choice in choices if choice is None or choice.model in site.by_model]
    if not here:
        wanted = "、".join(choice.model for choice in choices if choice is not None)
        has = "、".join(sorted(site.models())) or "没有加速卡"
        return _no(site, "型号不符", f"要 {wanted}，此处为 {has}", "换一种加速卡")
    results = [_try(spec, choice, site) for choice in here]
    found = [r for r in results if isinstance(r, Candidate)]
    if found:
        return min(found, key=lambda candidate: candidate.authorised)
    reasons = [r for r in results if isinstance(r, Refused)]
    return next((r for r in reasons if r.passing), reasons[0])


def _try(spec: JobSpec, choice: Accelerators | None, site: Site) -> Candidate | Refused:
    need = spec.resources
    if choice is not None and spec.where.domestic and choice.model not in site.cluster.domestic:
        return _no(site, "非国产卡", f"{choice.model} 不在国产目录", "去掉国产要求")
    large = site.large_enough(choice, need.cpu_milli, need.memory_mib)
    if large < spec.num_nodes:
        return _too_small(spec, choice, site, large)
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
    hourly = site.hourly(shape)
    if limit < 1:
        return _no(site, "预算不足", f"此处每小时 {hourly}，预算 {spec.budget.total}", "提高预算")
    if closed := _closed(site):
        return closed
    if not _has_room(spec, choice, site):
        return _no(site, "空闲不足", _free_now(choice, site), "等空闲，或换型号", passing=True)
    cost = site.cost(shape, limit)
    return Candidate(
        cluster=site.cluster,
        choice=choice,
        shape=shape,
        prices=site.prices,
        hourly=hourly,
        authorised=cost if spec.budget.total is None else min(cost, spec.budget.total),
        max_seconds=limit,
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


def _too_small(spec: JobSpec, choice: Accelerators | None, site: Site, large: int) -> Refused:
    """Even the empty cluster could not hold it."""
    need = spec.resources
    want = f"{spec.num_nodes} 个节点，每个 {show_milli(need.cpu_milli)} 核、{need.memory_mib} MiB"
    if choice is not None:
        want += f"、{show_milli(choice.count * choice.card_milli)} 张 {choice.model}"
    return _no(site, "规模不够", f"要 {want}；此处这样的节点有 {large} 个", "改小每个节点的需求")


def _has_room(spec: JobSpec, choice: Accelerators | None, site: Site) -> bool:
    """Whether enough nodes have room now; looks no further than it must."""
    wanted = spec.num_nodes
    for node in site.nodes_for(choice):
        if node.fits(choice, spec) is not None:
            wanted -= 1
            if not wanted:
                return True
    return False


def _gang(spec: JobSpec, choice: Accelerators | None, site: Site) -> tuple[Share, ...]:
    """All nodes: the ones that waste least."""
    packing = site.packing()
    if packing is None:
        fits = [
            (n, used) for n in site.nodes_for(choice) if (used := n.fits(choice, spec)) is not None
        ]
        fits.sort(key=lambda fit: fit[0].waste(choice, fit[1]))
        best = [(node.free.id, used) for node, used in fits[: spec.num_nodes]]
    else:
        best = packing.best(demand_of(spec, choice), spec.num_nodes)
    assert len(best) == spec.num_nodes, "a candidate has room"
    return tuple(
        Share(
            node_id=node,
            cards=used,
            card_milli=FULL if choice is None else choice.card_milli,
            cpu_milli=spec.resources.cpu_milli,
            memory_mib=spec.resources.memory_mib,
        )
        for node, used in best
    )


def _free_now(choice: Accelerators | None, site: Site) -> str:
    if choice is None:
        cores = max((n.cpu for n in site.nodes_for(None)), default=0)
        return f"单节点最多空闲 {show_milli(cores)} 核"
    nodes = site.nodes_for(choice)
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
