"""A row is proven by its neighbours' hashes alone, and no other row is; by either hash."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, strategies as st

from jinsuan.ledger.chain import NOTHING_BEFORE, head, leaf, proof, proofs, root, root_by_proof
from jinsuan.ledger.hashing import ALGORITHMS, UnknownHash, hash_named

LEAVES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40, unique=True)
NAMES = st.sampled_from(ALGORITHMS)


@given(LEAVES, NAMES, st.data())
def test_one_row_is_proven_without_the_others(
    leaves: list[bytes], name: str, data: st.DataObject
) -> None:
    by, index = hash_named(name), data.draw(st.integers(0, len(leaves) - 1))
    steps = proof(leaves, index, by)

    assert root_by_proof(leaves[index], steps, by) == root(leaves, by)
    assert proofs(leaves, [index], by) == {index: steps}
    assert len(steps) <= (len(leaves) - 1).bit_length()
    for other in leaves:
        assert (root_by_proof(other, steps, by) == root(leaves, by)) == (other == leaves[index])


@given(LEAVES, NAMES, LEAVES, NAMES)
def test_two_lists_never_have_one_root(
    one: list[bytes], by_one: str, other: list[bytes], by_other: str
) -> None:
    same = root(one, hash_named(by_one)) == root(other, hash_named(by_other))
    assert same == (one == other and (by_one == by_other or len(one) == 1))


@given(
    st.fixed_dictionaries(
        {
            "number": st.integers(1, 3),
            "previous": st.sampled_from([NOTHING_BEFORE, bytes(31) + b"1"]),
            "merkle_root": st.sampled_from([NOTHING_BEFORE, bytes(31) + b"2"]),
            "rows": st.integers(1, 3),
            "algorithm": NAMES,
            "key": st.sampled_from(["", "a", "b"]),
            "sealed_at": st.sampled_from(["2025", "2026"]),
        }
    ),
    st.data(),
)
def test_two_blocks_never_have_one_head(said: dict[str, object], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(said)))
    values = {"number": 9, "rows": 9, "key": "c", "sealed_at": "2027"}
    values |= {"previous": bytes(31) + b"9", "merkle_root": bytes(31) + b"9"}
    values["algorithm"] = "sm3" if said["algorithm"] == "sha256" else "sha256"

    assert head(**said) != head(**said | {name: values[name]})  # type: ignore[arg-type]
    assert len(head(**said)) == 32  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_last_row_told_twice_gives_another_root(name: str) -> None:
    by = hash_named(name)
    rows = [leaf({"id": number}, by) for number in range(3)]
    assert root(rows, by) != root([*rows, rows[-1]], by)


# The two examples of GB/T 32905-2016, appendix A.
@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_is_that_of_the_standard(text: bytes, digest: str) -> None:
    assert hash_named("sm3")(text).hex() == digest


def test_sha256_is_the_one_of_the_library() -> None:
    assert hash_named("sha256")(b"abc") == sha256(b"abc").digest()


@pytest.mark.parametrize("name", ["", "SHA256", "md5", "sm2", "sha256 "])
def test_no_other_hash_is_taken(name: str) -> None:
    with pytest.raises(UnknownHash, match="sha256、sm3"):
        hash_named(name)
