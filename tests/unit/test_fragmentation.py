"""Fragmentation by hand: two small nodes, the typical mix, the worth of remainders, frozen weights."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from jinsuan.dispatch.demand import FULL, Demand, Mix, counted, typical
from jinsuan.dispatch.fragmentation import Potentials
from jinsuan.dispatch.least_waste import LeastWaste, frozen_weights
from jinsuan.dispatch.remainders import remainder_values
from jinsuan.dispatch.rooms import Room, Rooms
from jinsuan.dispatch.scoring import ScoreTable
from jinsuan.simulation.policies import BestFit, Fgd

HALF = Demand(4_000, 8_192, 1, 500)
WHOLE = Demand(8_000, 16_384, 1, FULL)
PAIR = Demand(16_000, 16_384, 2, FULL)
CORES = Demand(8_000, 8_192, 0, 0)


def measured(mix: Mix, room: Room) -> list[float]:
    potentials, rooms = Potentials(mix), Rooms([room])
    rows = potentials.table[rooms.cards].sum(axis=1)
    access = potentials.access(rooms.models)[rooms.model]
    found: list[float] = potentials.measure(rooms.cpu, rooms.memory, access, rows)[0].tolist()
    return found


def test_stranded_and_brim_by_hand() -> None:
    # Idle: 1000 + 700 = 1700. Ten jobs of the mix: 5 halves, 2 wholes, 1 pair, 2 without cards.
    mix = Mix((HALF, WHOLE, PAIR, CORES), (5, 2, 1, 2))
    stranded, brim, *_ = measured(mix, Room("T4", 32_000, 65_536, (1000, 700)))

    # A half can use both cards; a whole not the 700; a pair nothing; no cards: all is useless.
    assert stranded == 5 * 0 + 2 * 700 + 1 * 1700 + 2 * 1700
    # Three halves leave 200, one whole 700, no pair 1700.
    assert brim == 5 * 200 + 2 * 700 + 1 * 1700 + 2 * 1700


def test_the_brim_sees_the_processor_run_out_where_the_paper_does_not() -> None:
    mix = Mix((HALF,), (1,))
    stranded, brim, starved, _ = measured(mix, Room("T4", 4_000, 65_536, (1000, 1000)))

    assert stranded == 0
    assert brim == 1500, "4 cores run one half"
    assert starved == 1500, "a thousandth of a card needs 8 thousandths of a core"


def test_a_model_that_will_not_do_makes_all_of_it_useless() -> None:
    mix = Mix((Demand(1_000, 1_024, 1, 500, ("A10",)),), (3,))

    assert measured(mix, Room("T4", 32_000, 65_536, (1000,)))[:2] == [3000, 3000]
    assert measured(mix, Room("A10", 32_000, 65_536, (1000,)))[:2] == [0, 0]


def test_the_typical_mix_is_the_most_frequent_and_sees_past_memory() -> None:
    more = Demand(HALF.cpu_milli, 32_768, 1, 500)
    mix = typical(counted([HALF] * 50 + [more] * 5 + [WHOLE] * 41 + [PAIR] * 4))

    assert mix.kinds == (more, WHOLE), "96 of 100; the largest memory of a kind"
    assert mix.counts == (55, 41)
    assert typical(counted([])).total == 0


def test_remainders_are_worth_the_pieces_that_can_be_cut_from_them() -> None:
    # Only halves: a card is two of them.
    value = remainder_values(Mix((HALF,), (10,)))
    assert (value[499], value[500], value[999], value[FULL]) == (0, 500, 500, 1000)

    # 810s are as good as a whole card when nothing small enough to fill up the rest is wanted.
    value = remainder_values(Mix((Demand(1, 1, 1, 810), Demand(1, 1, 1, 320)), (100, 30)))
    assert value[810] == 1000
    assert value[319] == 0 and value[320] == 333 and value[640] == 667
    assert all(a <= b for a, b in pairwise(value))

    # 190 beside 810 makes a full card: many 810s make them cheap, few make them dear.
    for big, small, price in ((100, 30, 0), (30, 100, 200)):
        mix = Mix((Demand(1, 1, 1, 810), Demand(1, 1, 1, 190)), (big, small))
        assert remainder_values(mix)[190] == price
    assert remainder_values(Mix((CORES,), (3,)))[999] == 0


@pytest.mark.parametrize("policy", [LeastWaste(Mix((HALF, WHOLE), (5, 5))), BestFit()])
def test_a_half_joins_the_other_half_instead_of_breaking_a_card(policy: LeastWaste) -> None:
    rooms = Rooms(
        [
            Room("T4", 32_000, 65_536, (1000, 1000)),
            Room("T4", 28_000, 57_344, (1000, 500)),
            Room("T4", 28_000, 57_344, (500, 1000)),
        ]
    )

    assert ScoreTable(rooms, policy).choose(HALF) == (1, (1,)), "of equals the lowest node"


def test_fgd_by_hand() -> None:
    # The mix is wholes only. A half on the full card strands the rest of it, on the broken one it
    # takes a stranded half away: change +500 against -500 thousandths, 37 against 62 of 100.
    potentials = Potentials(Mix((WHOLE,), (4,)))
    rooms = Rooms([Room("T4", 32_000, 65_536, (1000,)), Room("T4", 32_000, 65_536, (500,))])
    scores, cards = Fgd(potentials).scores(HALF, rooms, np.array([0, 1]))

    assert scores.tolist() == [37, 62]
    assert cards.tolist() == [0, 0]

    # Neither remainder is of use to a whole: both cards are equally good, so the first one.
    rooms = Rooms([Room("T4", 32_000, 65_536, (1000, 600, 700, 600))])
    assert Fgd(potentials).scores(HALF, rooms, np.array([0]))[1].tolist() == [1]


def test_changed_nodes_are_looked_at_again() -> None:
    rooms = Rooms([Room("T4", 32_000, 65_536, (1000,)), Room("T4", 32_000, 65_536, (1000,))])
    table = ScoreTable(rooms, LeastWaste(Mix((WHOLE,), (1,))))
    assert table.place(WHOLE) == (0, (0,))
    assert table.place(WHOLE) == (1, (0,))
    assert table.place(WHOLE) is None

    rooms.cards[1, 0], rooms.cpu[1], rooms.memory[1] = FULL, 32_000, 65_536
    table.changed(1)
    assert table.place(WHOLE) == (1, (0,))


def test_frozen_weights_have_a_version_and_no_quantum_of_nought() -> None:
    weights = frozen_weights()

    assert weights.version.startswith("least-waste-")
    assert all(part.quantum > 0 for part in (weights.share, weights.whole, weights.cpu))
    assert weights.of(HALF) is weights.share
    assert weights.of(PAIR) is weights.whole
    assert weights.of(CORES) is weights.cpu
