"""Placement: every place is chosen or told why not, nothing is promised twice, owners share."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from jinsuan.dispatch.demand import Demand, Mix
from jinsuan.dispatch.least_waste import LeastWaste
from jinsuan.dispatch.placement import Board, Candidate, place
from jinsuan.kernel.money import Money
from jinsuan.metering.rating import CPU, MEMORY, card
from jinsuan.protocol.spec import Accelerators, Budget, JobSpec, Resources, Where
from jinsuan.registry.capacity import ClusterFree, NodeFree

PRICES = {card("T4"): 350_000, card("A10"): 900_000, CPU: 6_000, MEMORY: 1_000}


def node(n: int, model: str | None, cards: tuple[int, ...], cores: int = 64) -> NodeFree:
    return NodeFree(
        id=UUID(int=n),
        name=f"n{n:03d}",
        model=model,
        cards_free_milli=cards,
        cpu_milli=64_000,
        cpu_free_milli=cores * 1000,
        memory_mib=2**18,
        memory_free_mib=2**18,
    )


def cluster(
    n: int, nodes: tuple[NodeFree, ...], owner: int = 1, *, silent: bool = False, open_: bool = True
) -> ClusterFree:
    return ClusterFree(
        id=UUID(int=10_000 + n),
        name="main",
        engine="embedded",
        centre_id=UUID(int=20_000 + n),
        centre_code=f"C{n:02d}",
        centre_name=f"中心{n}",
        city="太原市",
        owner_id=UUID(int=owner),
        owner_name="甲",
        kind="智算",
        network="",
        domestic=frozenset(),
        open=open_,
        closed_reason="" if open_ else "检修",
        silent=silent,
        last_seen_at=None,
        nodes=nodes,
    )


def board(
    *clusters: ClusterFree, prices: dict[str, int] | None = None, policy: LeastWaste | None = None
) -> Board:
    return Board(clusters, {c.centre_id: prices or PRICES for c in clusters}, policy=policy)


MIX = Mix((Demand(4_000, 8_192, 1, 460), Demand(8_000, 8_192, 1, 1000)), (7, 3))
boards = st.sampled_from([None, LeastWaste(MIX)])
"""With and without a mix of past jobs."""


def spec(choice: Accelerators | None, nodes: int = 1, cores: int = 1, **more: object) -> JobSpec:
    resources = Resources(
        accelerators=() if choice is None else (choice,), cpu_milli=cores * 1000, memory_mib=1024
    )
    base = JobSpec(name="j", run="true", num_nodes=nodes, resources=resources, max_seconds=3600)
    return replace(base, **more)  # type: ignore[arg-type]


free_cards = st.lists(st.sampled_from([0, 300, 540, 1000]), min_size=1, max_size=8).map(tuple)
choices = st.one_of(
    st.none(),
    st.builds(Accelerators, model=st.sampled_from(["T4", "A10"]), count=st.integers(1, 8)),
    st.builds(Accelerators, model=st.just("T4"), count=st.just(1), card_milli=st.integers(1, 999)),
)
specs = st.builds(spec, choices, st.integers(1, 4), st.integers(1, 80))


@st.composite
def provinces(draw: st.DrawFn) -> tuple[ClusterFree, ...]:
    clusters, n = [], 0
    for c in range(draw(st.integers(1, 4))):
        nodes = []
        for _ in range(draw(st.integers(0, 4))):
            n += 1
            model = draw(st.sampled_from([None, "T4", "A10"]))
            cards = () if model is None else draw(free_cards)
            nodes.append(node(n, model, cards, draw(st.integers(0, 64))))
        clusters.append(cluster(c, tuple(nodes), owner=c))
    return tuple(clusters)


def fits(candidate: Candidate, order: JobSpec) -> None:
    """The shares are really there."""
    nodes = {n.id: n for n in candidate.cluster.nodes}
    assert len({s.node_id for s in candidate.shares}) == order.num_nodes
    for share in candidate.shares:
        found = nodes[share.node_id]
        assert share.cpu_milli <= found.cpu_free_milli
        assert share.memory_mib <= found.memory_free_mib
        assert len(set(share.cards)) == len(share.cards)
        assert all(found.cards_free_milli[i] >= share.card_milli for i in share.cards)
        if candidate.choice is not None:
            assert found.model == candidate.choice.model
            assert len(share.cards) == candidate.choice.count


@given(provinces(), specs, boards)
def test_every_place_is_chosen_or_told_why_not(
    province: tuple[ClusterFree, ...], order: JobSpec, policy: LeastWaste | None
) -> None:
    result = place(order, board(*province, policy=policy))

    named = [c.cluster.centre_code for c in result.candidates]
    named += [r.centre_code for r in result.refused]
    assert sorted(named) == [c.centre_code for c in province]
    assert all(r.cause and r.numbers and r.mend for r in result.refused)
    for candidate in result.candidates:
        # Shares are looked for at the best place only, so each is made the only one in turn.
        only = replace(order, where=Where(centres=(candidate.cluster.centre_code,)))
        chosen = place(only, board(*province, policy=policy)).chosen
        assert chosen is not None
        fits(chosen, order)
    if result.chosen is not None:
        fits(result.chosen, order)


@given(provinces(), st.lists(specs, min_size=1, max_size=12), boards)
def test_a_round_never_promises_the_same_room_twice(
    province: tuple[ClusterFree, ...], orders: list[JobSpec], policy: LeastWaste | None
) -> None:
    one = board(*province, policy=policy)
    used: Counter[tuple[UUID, int]] = Counter()
    cores: Counter[UUID] = Counter()
    for turn, order in enumerate(orders):
        chosen = place(order, one, turn=turn).chosen
        if chosen is None:
            continue
        one.take(chosen.shares)
        for share in chosen.shares:
            cores[share.node_id] += share.cpu_milli
            for i in share.cards:
                used[share.node_id, i] += share.card_milli

    free = {n.id: n for c in province for n in c.nodes}
    assert all(milli <= free[n].cards_free_milli[i] for (n, i), milli in used.items())
    assert all(milli <= free[n].cpu_free_milli for n, milli in cores.items())


def test_a_busy_place_may_be_waited_for_and_a_wrong_one_may_not() -> None:
    busy = board(cluster(1, (node(1, "T4", (0, 0)),)))
    order = spec(Accelerators(model="T4", count=2))

    assert place(order, busy).may_wait
    assert not place(spec(Accelerators(model="T4", count=3)), busy).may_wait
    assert not place(spec(Accelerators(model="H800", count=1)), busy).may_wait


def test_a_silent_or_closed_centre_gets_no_job_and_may_be_waited_for_only_if_it_would_do() -> None:
    machines = (node(1, "T4", (1000, 1000)),)
    for away in (cluster(1, machines, silent=True), cluster(1, machines, open_=False)):
        found = place(spec(Accelerators(model="T4", count=1)), board(away))
        assert found.chosen is None and found.may_wait
        assert found.refused[0].cause in ("失去联系", "暂停接单")
        assert not place(spec(Accelerators(model="H800", count=1)), board(away)).may_wait


@pytest.mark.parametrize("policy", [None, LeastWaste(MIX)])
def test_a_share_of_a_card_goes_to_the_card_already_broken(policy: LeastWaste | None) -> None:
    nodes = (node(1, "T4", (1000, 540)), node(2, "T4", (1000, 1000)))
    one = board(cluster(1, nodes), policy=policy)
    chosen = place(spec(Accelerators(model="T4", count=1, card_milli=460)), one).chosen

    assert chosen is not None
    assert [(s.node_id.int, s.cards) for s in chosen.shares] == [(1, (1,))]


def test_the_cheapest_place_wins_and_equal_ones_take_turns() -> None:
    one = cluster(1, (node(1, "T4", (1000,) * 8),), owner=1)
    two = cluster(2, (node(2, "T4", (1000,) * 8),), owner=2)
    order = spec(Accelerators(model="T4", count=1))
    dear = Board([one, two], {one.centre_id: {**PRICES, card("T4"): 1}, two.centre_id: PRICES})

    assert place(order, dear).candidates[0].cluster == one
    turns = {
        place(order, board(one, two), turn=t).candidates[0].cluster.centre_code for t in (0, 1)
    }
    assert turns == {"C01", "C02"}


def test_a_place_without_a_price_is_refused_never_free() -> None:
    result = place(
        spec(Accelerators(model="T4", count=1)),
        board(cluster(1, (node(1, "T4", (1000,)),)), prices={CPU: 1, MEMORY: 1}),
    )

    assert result.chosen is None
    assert "card:T4" in result.refused[0].numbers


def test_a_budget_shortens_the_run_and_a_tiny_one_is_refused_with_the_price() -> None:
    one = board(cluster(1, (node(1, "T4", (1000,)),)))
    choice = Accelerators(model="T4", count=1)
    half = spec(choice, budget=Budget(total=Money.yuan("1.80")))
    tiny = spec(choice, budget=Budget(total=Money(0 + 1)), cores=60)
    chosen = place(half, one).chosen

    # 3.50 a card-hour, 0.06 a core-hour, 0.01 a GiB-hour: 1.80 buys 1,815 whole seconds.
    assert chosen is not None
    assert chosen.max_seconds == 1815
    assert chosen.authorised <= Money.yuan("1.80")
    assert place(tiny, one).chosen is not None


def test_where_it_may_run_is_a_hard_filter() -> None:
    one = board(cluster(1, (node(1, "T4", (1000,)),)))
    choice = Accelerators(model="T4", count=1)

    assert place(spec(choice, where=Where(cities=("太原",))), one).chosen is not None
    for where, cause in (
        (Where(cities=("大同",)), "城市不符"),
        (Where(centres=("C09",)), "未选此处"),
        (Where(exclude=("C01",)), "已排除"),
        (Where(domestic=True), "非国产卡"),
    ):
        result = place(spec(choice, where=where), one)
        assert [r.cause for r in result.refused] == [cause]
