"""Each hash with each signature: the book verifies, and every way of tampering is found."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import chain
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.hashing import hash_named
from jinsuan.ledger.models import Block
from jinsuan.ledger.seal import export_lines, seal_all
from jinsuan.ledger.signing import Checkers, Signer, checker_of
from jinsuan.ledger.verify import Report, verify
from tests.flows.seal_keys import DIGESTS, SIGNATURES, WAYS, signer

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 1, 8, 0, 0, 123456, tzinfo=UTC)
Lines = list[dict[str, Any]]


def write(count: int = 3) -> None:
    notes = [
        Note(action="job.submit", subject=Ref("job", UUID(int=n)), reason="理由", after={"n": n})
        for n in range(count)
    ]
    record(notes, actor=Actor.system("test"), now=NOW)


def sealed(*ways: tuple[str, str]) -> Lines:
    """One block of three rows for each way."""
    for digest, signature in ways:
        write()
        assert seal_all(signer=signer(signature), now=NOW, algorithm=digest) == 3
    return [json.loads(line) for line in export_lines()]


def trusted(*signers: Signer | None) -> Checkers | None:
    return {one.key_id: checker_of(one.public_pem) for one in signers if one} or None


def checked(lines: Lines, signature: str, which: int = 0, head: str | None = None) -> Report:
    texts = [chain.text_of(one) for one in lines]
    return verify(texts, checkers=trusted(signer(signature, which)), head=head)


def changed(value: Any) -> Any:
    """Another value of the same type; another hexadecimal digit or letter of a text."""
    if isinstance(value, int):
        return value + 1
    if not value:
        return "0"
    return ("1" if value[0] == "0" else "0") + value[1:]


def broken(lines: Lines) -> dict[str, Lines]:
    """The three blocks' lines with one thing done to them, as an attacker would tidy them."""
    head, one, two, three, end = lines[0], lines[1:5], lines[5:9], lines[9:13], lines[13]
    row = copy.deepcopy(two[1])
    ways = {
        "row gone": [*one, *two[:2], two[3], *three],
        "row added": [*one, *two[:2], row, *two[2:], *three],
        "row of another block": [*one, *two[:1], one[1], *two[2:], *three],
        "rows in another order": [*one, two[0], two[2], two[1], two[3], *three],
        "row moved on": [*one, *two[:3], three[0], two[3], *three[1:]],
        "first block gone": [*two, *three],
        "block gone": [*one, *three],
        "block twice": [*one, *two, *two, *three],
        "blocks swapped": [*one, *three, *two],
        "head without rows": [*one, two[0], *three],
    }
    return {name: _tidied([head, *found, end]) for name, found in ways.items()}


def _tidied(lines: Lines) -> Lines:
    lines, rows, blocks, head = copy.deepcopy(lines), 0, 0, ""
    for one in lines:
        if one["kind"] == "block":
            blocks, head = blocks + 1, one["head"]
        elif one["kind"] == "row":
            rows, one["position"] = rows + 1, rows + 1
        elif one["kind"] == "end":
            one |= {"blocks": blocks, "rows": rows, "head": head}
    return lines


@pytest.mark.parametrize(("digest", "signature"), WAYS)
def test_a_book_verifies_and_every_change_of_a_row_or_block_is_found(
    digest: str, signature: str
) -> None:
    lines = sealed(*[(digest, signature)] * 3)
    found = checked(lines, signature)
    assert (found.differences, found.blocks, found.rows) == ((), 3, 9)
    assert found.signed == (0 if signature == "unsigned" else 3)
    assert {len(one["head"]) for one in lines if one["kind"] == "block"} == {64}

    for place, line in enumerate(lines):
        if line["kind"] == "row":
            for field in line["row"]:
                other = copy.deepcopy(lines)
                other[place]["row"][field] = changed(line["row"][field])
                assert checked(other, signature).differences, (place, field)
                if signature == "unsigned":  # where nothing but the root stands in the way
                    leaf = chain.leaf(other[place]["row"], hash_named(digest))
                    other[place]["leaf"] = leaf.hex()
                    assert checked(other, signature).differences, (place, field, "new leaf")
        for field in line.keys() - {"kind", "row", "format"}:
            other = copy.deepcopy(lines)
            other[place][field] = changed(line[field])
            assert checked(other, signature).differences, (place, field)


@pytest.mark.parametrize(("digest", "signature"), WAYS)
def test_taking_away_adding_and_moving_is_found(digest: str, signature: str) -> None:
    lines = sealed(*[(digest, signature)] * 3)
    for name, other in broken(lines).items():
        assert checked(other, signature).differences, name

    cut = _tidied([*lines[:9], lines[-1]])
    assert checked(cut, signature).differences == ()  # by itself a shorter chain is a chain
    known = lines[-1]["head"]
    assert any("事先记下" in one for one in checked(cut, signature, head=known).differences)
    assert checked(lines, signature, head=cut[-1]["head"]).differences == ()


@pytest.mark.parametrize("digest", DIGESTS)
@pytest.mark.parametrize("signature", SIGNATURES[1:])
def test_a_signature_is_good_for_its_own_head_and_key_only(digest: str, signature: str) -> None:
    lines = sealed(*[(digest, signature)] * 3)
    found = checked(lines, signature, which=1).differences
    assert sum("不是所给的公钥" in one for one in found) == 3

    def signed_as(text: str) -> Lines:
        other = copy.deepcopy(lines)
        other[5]["signature"] = text
        return other

    theirs = signer(signature, 1)
    assert theirs
    for text in (
        lines[1]["signature"],  # of another head
        theirs.sign(bytes.fromhex(lines[5]["head"])).hex(),  # by another key
        lines[5]["signature"] + "00",
        lines[5]["signature"][:-2],
        "00" * 64,
        "3000",
        "zz",
    ):
        assert any("签名不对" in one for one in checked(signed_as(text), signature).differences)
    assert any("取走" in one for one in checked(signed_as(""), signature).differences)


def test_a_book_changes_its_ways_in_the_middle() -> None:
    ways = [*WAYS, WAYS[0], ("sm3", "sm2")]
    lines = sealed(*ways)
    told = [one["algorithm"] for one in lines if one["kind"] == "block"]
    assert told == [digest for digest, _ in ways]

    texts = [chain.text_of(one) for one in lines]
    keys = trusted(*[signer(signature) for signature in SIGNATURES])
    found = verify(texts, checkers=keys)
    assert (found.differences, found.blocks, found.signed) == ((), 8, 5)

    for place, one in enumerate(lines):
        if one["kind"] == "block":
            other = copy.deepcopy(lines)
            other[place]["algorithm"] = "sm3" if one["algorithm"] == "sha256" else "sha256"
            assert verify([chain.text_of(line) for line in other], checkers=keys).differences


def test_an_unknown_hash_is_named_and_nothing_of_its_block_is_believed() -> None:
    lines = sealed(("sm3", "sm2"), ("sm3", "sm2"))
    lines[1]["algorithm"] = "sm4"
    found = checked(lines, "sm2")
    (told,) = found.differences
    assert "区块 1：摘要算法 sm4" in told and "只认 sha256、sm3" in told and "没有核验" in told
    assert found.signed == 1


def test_sm2_signatures_fit_where_they_are_kept() -> None:
    sealed(("sm3", "sm2"))
    block = Block.objects.get()
    assert len(bytes(block.signature)) <= 72 < 128 and block.algorithm == "sm3"
