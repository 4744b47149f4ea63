"""Potentials and scores: as a slow reckoning has them, nothing that fits is refused, no chance in it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings, strategies as st

from jinsuan.dispatch.aftermath import aftermath
from jinsuan.dispatch.demand import FULL, Demand, Mix, counted, typical
from jinsuan.dispatch.fragmentation import Potentials
from jinsuan.dispatch.least_waste import LeastWaste
from jinsuan.dispatch.remainders import remainder_values
from jinsuan.dispatch.rooms import Room, Rooms
from jinsuan.dispatch.scoring import AT_ONCE, NEVER, Policy, ScoreTable
from jinsuan.simulation.policies import BestFit, Fgd, Random

MODELS = ("T4", "A10")

shares = st.builds(
    Demand,
    st.integers(1, 16).map(lambda n: n * 1000),
    st.integers(1, 32).map(lambda n: n * 1024),
    st.just(1),
    st.sampled_from([100, 250, 470, 500, 810, 999]),
    st.sampled_from([(), (), ("T4",), ("A10", "T4")]),
)
wholes = st.builds(
    Demand,
    st.integers(1, 64).map(lambda n: n * 1000),
    st.integers(1, 64).map(lambda n: n * 1024),
    st.sampled_from([1, 1, 2, 4]),
    st.just(FULL),
    st.sampled_from([(), (), ("A10",)]),
)
cores = st.builds(
    Demand,
    st.integers(1, 64).map(lambda n: n * 1000),
    st.integers(1, 64).map(lambda n: n * 1024),
    st.just(0),
    st.just(0),
)
jobs = st.one_of(shares, wholes, cores)
machines = st.builds(
    Room,
    st.sampled_from(MODELS),
    st.integers(0, 128).map(lambda n: n * 1000),
    st.integers(0, 256).map(lambda n: n * 1024),
    st.lists(st.sampled_from([0, 90, 190, 500, 530, 900, FULL]), min_size=1, max_size=8).map(tuple),
)
bare = st.builds(
    Room,
    st.just(""),
    st.integers(0, 128).map(lambda n: n * 1000),
    st.integers(0, 256).map(lambda n: n * 1024),
    st.just(()),
)
fleets = st.lists(st.one_of(machines, machines, bare), min_size=1, max_size=6)
pasts = st.lists(jobs, min_size=1, max_size=12)


def fits(room: Room, job: Demand) -> bool:
    enough = sum(left >= job.card_milli for left in room.cards) >= job.cards
    accepted = not job.cards or (room.model != "" and (not job.models or room.model in job.models))
    return (
        room.cpu_milli >= job.cpu_milli
        and room.memory_mib >= job.memory_mib
        and enough
        and accepted
    )


def slow_stranded(room: Room, mix: Mix) -> int:
    """By the words of the paper: of each kind the idle cards that it cannot use, times its count."""
    idle, total = sum(room.cards), 0
    for kind, count in zip(mix.kinds, mix.counts, strict=True):
        usable = [left for left in room.cards if kind.card_milli and left >= kind.card_milli]
        can = (
            kind.cards > 0
            and kind.accepts(room.model)
            and room.cpu_milli >= kind.cpu_milli
            and len(usable) >= kind.cards
        )
        total += count * (idle - sum(usable) if can else idle)
    return total


def slow_brim(room: Room, mix: Mix) -> int:
    """One copy after another until no more fits."""
    idle, total = sum(room.cards), 0
    for kind, count in zip(mix.kinds, mix.counts, strict=True):
        cpu, memory, cards = room.cpu_milli, room.memory_mib, list(room.cards)
        while kind.cards and kind.accepts(room.model):
            having = [i for i, left in enumerate(cards) if left >= kind.card_milli]
            if len(having) < kind.cards or cpu < kind.cpu_milli or memory < kind.memory_mib:
                break
            cpu, memory = cpu - kind.cpu_milli, memory - kind.memory_mib
            for i in having[: kind.cards]:
                cards[i] -= kind.card_milli
        total += count * sum(cards)
        assert sum(cards) <= idle
    return total


def slow_starved(room: Room, mix: Mix) -> Fraction:
    pairs = [(k, n) for k, n in zip(mix.kinds, mix.counts, strict=True) if k.cards]
    asked = sum(n * k.cards * k.card_milli for k, n in pairs)
    cpu = sum(n * k.cpu_milli for k, n in pairs)
    memory = sum(n * k.memory_mib for k, n in pairs)
    fed = min(
        Fraction(room.cpu_milli * asked, max(cpu, 1)),
        Fraction(room.memory_mib * asked, max(memory, 1)),
    )
    return max(Fraction(0), sum(room.cards) - fed)


@given(pasts, fleets)
def test_potentials_are_those_of_a_slow_reckoning(past: list[Demand], fleet: list[Room]) -> None:
    mix = typical(counted(past), percent=100)
    value = remainder_values(mix)
    potentials, rooms = Potentials(mix, value=value), Rooms(fleet)
    rows = potentials.table[rooms.cards].sum(axis=1)
    access = potentials.access(rooms.models)[rooms.model]
    found = potentials.measure(rooms.cpu, rooms.memory, access, rows)

    for room, (stranded, brim, starved, worth) in zip(fleet, found.tolist(), strict=True):
        assert stranded == slow_stranded(room, mix)
        assert brim == slow_brim(room, mix)
        assert abs(Fraction(starved) - slow_starved(room, mix)) < Fraction(1, 10**6)
        assert worth == sum(value[left] for left in room.cards)


@given(pasts, fleets, jobs)
def test_an_aftermath_is_the_difference_of_two_states(
    past: list[Demand], fleet: list[Room], job: Demand
) -> None:
    potentials, rooms = Potentials(typical(counted(past), percent=100)), Rooms(fleet)
    nodes = rooms.fitting(job, np.arange(len(fleet)))
    assert nodes.tolist() == [i for i, room in enumerate(fleet) if fits(room, job)]
    found = aftermath(job, rooms, nodes, potentials)

    ways = set()
    for which, card, change in zip(found.which, found.card, found.change, strict=True):
        room = fleet[int(nodes[which])]
        left = list(room.cards)
        used = [int(card)] if job.is_share else [i for i, m in enumerate(left) if m == FULL]
        for i in used[: job.cards]:
            left[i] -= job.card_milli
        after = Room(
            room.model,
            room.cpu_milli - job.cpu_milli,
            room.memory_mib - job.memory_mib,
            tuple(left),
        )
        mix = potentials.mix
        assert change[0] == slow_stranded(after, mix) - slow_stranded(room, mix)
        assert change[1] == slow_brim(after, mix) - slow_brim(room, mix)
        ways.add((int(which), room.cards[int(card)] if job.is_share else None))
    # Every node has a way, a share one for each different card that has room.
    assert ways == {
        (which, left)
        for which, node in enumerate(nodes.tolist())
        for left in (
            {m for m in fleet[node].cards if m >= job.card_milli} if job.is_share else {None}
        )
    }


def policies(past: list[Demand]) -> list[Policy]:
    potentials = Potentials(typical(counted(past)))
    return [Random(seed=7), BestFit(), Fgd(potentials), LeastWaste(typical(counted(past)))]


@settings(max_examples=60)
@given(fleets, st.lists(jobs, min_size=1, max_size=25))
def test_what_fits_is_placed_and_what_is_placed_fits(
    fleet: list[Room], orders: list[Demand]
) -> None:
    for policy in policies(orders):
        table = ScoreTable(Rooms(fleet), policy)
        left = [(room.cpu_milli, room.memory_mib, list(room.cards)) for room in fleet]
        for job in orders:
            now = [
                Room(room.model, cpu, memory, tuple(cards))
                for room, (cpu, memory, cards) in zip(fleet, left, strict=True)
            ]
            found = table.place(job)
            if found is None:
                assert not any(fits(room, job) for room in now)
                continue
            node, cards = found
            assert fits(now[node], job) and len(set(cards)) == job.cards
            for i in cards:
                left[node][2][i] -= job.card_milli
            left[node] = (
                left[node][0] - job.cpu_milli,
                left[node][1] - job.memory_mib,
                left[node][2],
            )
            assert min(left[node][2], default=0) >= 0


@settings(max_examples=40)
@given(fleets, st.lists(jobs, min_size=1, max_size=25))
def test_rows_kept_up_are_rows_made_anew(fleet: list[Room], orders: list[Demand]) -> None:
    policy = LeastWaste(typical(counted(orders)))
    table = ScoreTable(Rooms(fleet), policy)
    for job in orders:
        table.place(job)
    for job in orders:
        fresh = ScoreTable(table.rooms, policy)
        assert table.row(job).tolist() == fresh.row(job).tolist()
        best = table.row(job).tolist()
        if max(best) != NEVER:
            # Equal scores go to the lowest node.
            assert fresh.choose(job) == table.choose(job)
            assert table.choose(job)[0] == best.index(max(best))  # type: ignore[index]


@settings(max_examples=20)
@given(st.lists(st.one_of(machines, bare), min_size=1, max_size=3), st.lists(jobs, max_size=6))
def test_many_nodes_are_scored_like_few(fleet: list[Room], orders: list[Demand]) -> None:
    policy = LeastWaste(typical(counted(orders)))
    many = ScoreTable(Rooms(fleet * (AT_ONCE // len(fleet) + 1)), policy)
    for job in orders:
        few = ScoreTable(Rooms(fleet), policy)
        assert many.row(job).tolist() == few.row(job).tolist() * (AT_ONCE // len(fleet) + 1)
