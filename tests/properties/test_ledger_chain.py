"""A row is proven by its neighbours' hashes alone, and no other row is."""

from __future__ import annotations

from hypothesis import given, strategies as st

from jinsuan.ledger.chain import leaf, proof, root, root_by_proof

LEAVES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40, unique=True)


@given(LEAVES, st.data())
def test_one_row_is_proven_without_the_others(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    steps = proof(leaves, index)

    assert root_by_proof(leaves[index], steps) == root(leaves)
    assert len(steps) <= (len(leaves) - 1).bit_length()
    for other in leaves:
        assert (root_by_proof(other, steps) == root(leaves)) == (other == leaves[index])


@given(LEAVES, LEAVES)
def test_two_lists_never_have_one_root(one: list[bytes], other: list[bytes]) -> None:
    assert (root(one) == root(other)) == (one == other)


def test_a_last_row_told_twice_gives_another_root() -> None:
    rows = [leaf({"id": number}) for number in range(3)]
    assert root(rows) != root([*rows, rows[-1]])
