"""How audit rows are hashed into a Merkle tree and blocks into a chain. Pure; the format of the seal.

A leaf is the hash of 0x00 and the canonical text of the whole row, an inner node that of 0x01 and
its two children, split as in RFC 6962, so that no two lists of rows have the same root. A head
covers everything that its block says, the head before it included.

Every block names its hash, for its leaves, nodes and head alike. A book may change it from one
block to the next: a head is 32 bytes whatever made it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jinsuan.ledger.hashing import Hash, hash_named

NOTHING_BEFORE = bytes(32)
"""What the first block names as the head before it."""
SIGNED_AS = b"jinsuan audit head 1\n"
"""In front of every head that is signed: a signature of ours is good for nothing else."""


def text_of(value: Mapping[str, object]) -> str:
    """The one text of a value read from JSON. Unlike `digest.canonical` it takes what it finds."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def leaf(row: Mapping[str, object], by: Hash) -> bytes:
    """The hash of one whole row."""
    return by(b"\x00" + text_of(row).encode())


def node(left: bytes, right: bytes, by: Hash) -> bytes:
    """The hash of two children."""
    return by(b"\x01" + left + right)


def root(leaves: Sequence[bytes], by: Hash) -> bytes:
    """The Merkle root of at least one leaf."""
    assert leaves, "a block without rows is never sealed"
    if len(leaves) == 1:
        return leaves[0]
    cut = _cut(len(leaves))
    return node(root(leaves[:cut], by), root(leaves[cut:], by), by)


def _cut(count: int) -> int:
    """The largest power of two below the count."""
    return 1 << (count - 1).bit_length() - 1


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a proof: the hash beside ours, and whether it stands on the left."""

    beside: bytes
    on_left: bool


def proof(leaves: Sequence[bytes], index: int, by: Hash) -> tuple[Step, ...]:
    """What leads from one leaf to the root, without showing any other row."""
    assert 0 <= index < len(leaves), index
    if len(leaves) == 1:
        return ()
    cut = _cut(len(leaves))
    if index < cut:
        return (*proof(leaves[:cut], index, by), Step(root(leaves[cut:], by), on_left=False))
    return (*proof(leaves[cut:], index - cut, by), Step(root(leaves[:cut], by), on_left=True))


def proofs(leaves: Sequence[bytes], wanted: Iterable[int], by: Hash) -> dict[int, tuple[Step, ...]]:
    """The proofs of many leaves; every inner node is hashed once."""
    roots: dict[tuple[int, int], bytes] = {}

    def root_of(low: int, high: int) -> bytes:
        if high - low == 1:
            return leaves[low]
        if (low, high) not in roots:
            cut = low + _cut(high - low)
            roots[low, high] = node(root_of(low, cut), root_of(cut, high), by)
        return roots[low, high]

    def steps(index: int, low: int, high: int) -> tuple[Step, ...]:
        if high - low == 1:
            return ()
        cut = low + _cut(high - low)
        if index < cut:
            return (*steps(index, low, cut), Step(root_of(cut, high), on_left=False))
        return (*steps(index, cut, high), Step(root_of(low, cut), on_left=True))

    return {index: steps(index, 0, len(leaves)) for index in wanted}


def root_by_proof(of: bytes, steps: Sequence[Step], by: Hash) -> bytes:
    """The root that a leaf and its proof lead to."""
    for step in steps:
        of = node(step.beside, of, by) if step.on_left else node(of, step.beside, by)
    return of


def head(
    *,
    number: int,
    previous: bytes,
    merkle_root: bytes,
    rows: int,
    algorithm: str,
    key: str,
    sealed_at: str,
) -> bytes:
    """The hash of what a block says, by the algorithm that it names.

    Args:
        key: the id of the key that signs it, empty when nobody does; in the head, so that a
            signature cannot be taken away or replaced by another key's.

    Raises:
        UnknownHash.
    """
    said = {
        "number": number,
        "previous": previous.hex(),
        "root": merkle_root.hex(),
        "rows": rows,
        "algorithm": algorithm,
        "key": key,
        "sealed_at": sealed_at,
    }
    return hash_named(algorithm)(text_of(said).encode())
