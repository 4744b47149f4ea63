"""What is sealed stays as it was: every way of tampering is found, in the export and in the tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import chain
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.hashing import hash_named
from jinsuan.ledger.queries import seal_status, sealed_since
from jinsuan.ledger.seal import export_lines, seal_all, seal_block
from jinsuan.ledger.signing import Ed25519Checker, Ed25519Signer, new_private_pem
from jinsuan.ledger.verify import Report, Unreadable, verify

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 1, 8, 0, 0, 123456, tzinfo=UTC)
SHA = hash_named("sha256")
SYSTEM = Actor.system("test")
SIGNER = Ed25519Signer(new_private_pem())
OTHER = Ed25519Signer(new_private_pem())
Lines = list[dict[str, Any]]


def trusted(*signers: Ed25519Signer) -> dict[str, Ed25519Checker]:
    return {one.key_id: Ed25519Checker(one.public_pem) for one in signers}


def write(count: int) -> None:
    notes = [
        Note(
            action="job.submit",
            subject=Ref("job", UUID(int=number)),
            reason="晋\n\u2028理由",
            before={"n": number},
            after={"n": number + 1, "big": 2**70},
        )
        for number in range(count)
    ]
    record(notes, actor=SYSTEM, now=NOW)


@pytest.fixture
def sealed() -> None:
    """Three signed blocks of three rows."""
    for _ in range(3):
        write(3)
        assert seal_all(signer=SIGNER, now=NOW) == 3


def checked(lines: Lines | None = None, **given: Any) -> Report:
    texts = list(export_lines()) if lines is None else [chain.text_of(one) for one in lines]
    return verify(texts, checkers=given.pop("checkers", trusted(SIGNER)), **given)


def exported() -> Lines:
    return [json.loads(line) for line in export_lines()]


def sql(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text)


def as_owner(*statements: str) -> None:
    """Do what only the tables' owner can: switch off the triggers and what ties the tables."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    for table in ("ledger_audit_row", "ledger_block", "ledger_sealed_row"):
        sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass "
                "AND (contype = 'f' OR conname = 'audit_person_unless_system')",
                [table],
            )
            tied = [name for (name,) in cursor.fetchall()]
        for name in tied:
            sql(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    for text in statements:
        sql(text)


@pytest.mark.usefixtures("sealed")
def test_a_book_that_nobody_touched_has_no_difference() -> None:
    found = checked(head=seal_status().head)

    assert found.differences == ()
    assert (found.blocks, found.rows, found.signed, found.proven) == (3, 9, 3, 3)
    assert found.head == seal_status().head


@pytest.mark.usefixtures("sealed")
def test_readers_follow_positions_that_have_no_gap() -> None:
    assert [one.position for one in sealed_since(0)] == list(range(1, 10))
    assert [(one.position, one.block) for one in sealed_since(7)] == [(8, 3), (9, 3)]
    assert [one.position for one in sealed_since(2, limit=2)] == [3, 4]


def test_many_rows_make_several_blocks_and_nothing_makes_none() -> None:
    assert seal_all(signer=SIGNER, now=NOW) == 0
    write(5)
    assert seal_all(signer=SIGNER, now=NOW, most=2) == 5
    assert (seal_status().blocks, seal_status().rows, seal_status().waiting) == (3, 5, 0)
    assert checked().differences == ()


FIELDS = {
    "id": "id + 1000",
    "recorded_at": "recorded_at + interval '1 microsecond'",
    "person": "'00000000-0000-0000-0000-000000000001'",
    "organisation": "'00000000-0000-0000-0000-000000000001'",
    "role": "'x'",
    "via": "via || ' '",
    "action": "'job.cancel'",
    "subject": "'job_00000000000000000000000009'",
    "reason": "''",
    "before_digest": "NULL",
    "after_digest": "sha256('x')",
    "detail": "'null'::jsonb",
}


@pytest.mark.usefixtures("sealed")
def test_every_column_of_a_row_is_tampered_with_below() -> None:
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, "ledger_audit_row")
    assert {column.name for column in columns} == FIELDS.keys() == exported()[2]["row"].keys()


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("column", FIELDS)
@pytest.mark.parametrize("position", [1, 5, 9])
def test_a_changed_field_is_found_in_the_database(column: str, position: int) -> None:
    (row_id,) = [one["row"]["id"] for one in exported() if one.get("position") == position]
    changes = [f"UPDATE ledger_audit_row SET {column} = {FIELDS[column]} WHERE id = {row_id}"]
    if column == "id":
        changes.append(
            f"UPDATE ledger_sealed_row SET row_id = {row_id + 1000} WHERE row_id = {row_id}"
        )
    as_owner(*changes)

    found = checked().differences

    number = (position + 2) // 3
    assert any(f"区块 {number} 第 {position} 条" in one for one in found), found
    assert any(f"区块 {number}：记录算出的 Merkle 根" in one for one in found), found


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("column", FIELDS)
def test_a_changed_field_is_found_in_the_export_even_with_a_new_leaf(column: str) -> None:
    lines = exported()
    (line,) = [one for one in lines if one.get("position") == 5]
    line["row"][column] = "x"
    assert any("区块 2 第 5 条" in one for one in checked(lines).differences)

    line["leaf"] = chain.leaf(line["row"], SHA).hex()
    assert any("区块 2：记录算出的 Merkle 根" in one for one in checked(lines).differences)


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize(
    "field",
    ["number", "previous", "root", "rows", "algorithm", "key", "sealed_at", "head", "signature"],
)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_changed_field_of_a_block_is_found(field: str, number: int) -> None:
    lines = exported()
    (block,) = [one for one in lines if one.get("number") == number]
    old = block[field]
    block[field] = old + 1 if isinstance(old, int) else f"{'1' if old[0] == '0' else '0'}{old[1:]}"

    assert checked(lines).differences


ROW_GONE = """
    DELETE FROM ledger_audit_row a USING ledger_sealed_row s
    WHERE s.row_id = a.id AND s.position = 5
"""
SWAPPED = """
    UPDATE ledger_sealed_row SET position = 100 WHERE position = 4;
    UPDATE ledger_sealed_row SET position = 4 WHERE position = 5;
    UPDATE ledger_sealed_row SET position = 5 WHERE position = 100
"""


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_block SET root = sha256('x') WHERE number = 2",
        "UPDATE ledger_block SET head = sha256('x') WHERE number = 2",
        "UPDATE ledger_block SET head = sha256('x') WHERE number = 3",
        "UPDATE ledger_block SET previous = sha256('x') WHERE number = 1",
        "UPDATE ledger_block SET signature = sha256('x') WHERE number = 2",
        "UPDATE ledger_block SET signature = '' WHERE number = 2",
        "UPDATE ledger_block SET signature = '', key = '' WHERE number = 2",
        "UPDATE ledger_block SET key = 'other' WHERE number = 2",
        "UPDATE ledger_block SET sealed_at = sealed_at + interval '1 second' WHERE number = 2",
        "UPDATE ledger_block SET algorithm = 'sm3' WHERE number = 2",
        "UPDATE ledger_block SET rows = 2 WHERE number = 2",
        "DELETE FROM ledger_block WHERE number = 1",
        "DELETE FROM ledger_block WHERE number = 2",
        ROW_GONE,
        "DELETE FROM ledger_sealed_row WHERE position = 5",
        "DELETE FROM ledger_sealed_row WHERE position = 9",
        "UPDATE ledger_sealed_row SET leaf = sha256('x') WHERE position = 5",
        "UPDATE ledger_sealed_row SET block_id = 2 WHERE position = 3",
        "UPDATE ledger_sealed_row SET position = 99 WHERE position = 9",
        SWAPPED,
    ],
)
def test_the_owner_of_the_tables_is_found_out(change: str) -> None:
    as_owner(change)
    assert checked().differences


def renumber(lines: Lines) -> Lines:
    """Give rows and the end line the figures that an attacker would."""
    rows = [one for one in lines if one["kind"] == "row"]
    for position, one in enumerate(rows, 1):
        one["position"] = position
    lines[-1]["rows"] = len(rows)
    lines[-1]["blocks"] = sum(one["kind"] == "block" for one in lines)
    return lines


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("tidied", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.pop(3),
        lambda x: x.insert(3, json.loads(json.dumps(x[3]))),
        lambda x: x.__setitem__(slice(2, 4), [x[3], x[2]]),
        lambda x: x.__delitem__(slice(5, 9)),
        lambda x: x.__setitem__(slice(1, 9), [*x[5:9], *x[1:5]]),
        lambda x: x.insert(5, x.pop(4)) or x.insert(4, x.pop(5)) or x.insert(6, x.pop(4)),
    ],
    ids=["row gone", "row twice", "rows swapped", "block gone", "blocks swapped", "row moved on"],
)
def test_deleting_inserting_and_reordering_is_found(
    change: Callable[[Lines], object], tidied: bool
) -> None:
    lines = exported()
    change(lines)
    assert checked(renumber(lines) if tidied else lines).differences


@pytest.mark.usefixtures("sealed")
def test_a_cut_end_is_found_by_a_head_that_was_written_down() -> None:
    head, lines = seal_status().head, exported()
    cut = [*lines[:9], lines[-1]]
    renumber(cut)
    cut[-1]["head"] = lines[5]["head"]

    assert checked(cut).differences == ()  # by itself a shorter chain is a chain
    (told,) = checked(cut, head=head).differences
    assert "事先记下的链头" in told
    assert any("没有结束行" in one for one in checked(lines[:-1]).differences)
    write(1)
    seal_all(signer=SIGNER, now=NOW)
    assert checked(head=head).differences == ()


def forged() -> Lines:
    """The same lines with the first row's reason changed and everything above computed again."""
    lines, previous = exported(), chain.NOTHING_BEFORE
    lines[2]["row"]["reason"] = "forged"
    for start in (1, 5, 9):
        block, rows = lines[start], lines[start + 1 : start + 4]
        leaves = [chain.leaf(one["row"], SHA) for one in rows]
        for one, digest in zip(rows, leaves, strict=True):
            one["leaf"] = digest.hex()
        block |= {
            "previous": previous.hex(),
            "root": chain.root(leaves, SHA).hex(),
            "key": OTHER.key_id,
        }
        previous = chain.head(
            number=block["number"],
            previous=previous,
            merkle_root=chain.root(leaves, SHA),
            rows=3,
            algorithm="sha256",
            key=OTHER.key_id,
            sealed_at=block["sealed_at"],
        )
        block |= {"head": previous.hex(), "signature": OTHER.sign(previous).hex()}
    lines[-1]["head"] = previous.hex()
    return lines


@pytest.mark.usefixtures("sealed")
def test_a_chain_rewritten_whole_fails_for_want_of_the_key() -> None:
    lines = forged()
    assert checked(lines, checkers=None).differences == ()
    assert any("不是所给的公钥" in one for one in checked(lines).differences)
    assert checked(lines, checkers=None, head=seal_status().head).differences


def test_blocks_without_a_signature_are_vouched_for_by_a_later_one() -> None:
    write(1)
    seal_all(signer=None, now=NOW)
    assert any("没有可信的签名" in one for one in checked().differences)
    write(1)
    seal_all(signer=SIGNER, now=NOW)
    assert (checked().differences, checked().signed, checked().proven) == ((), 1, 2)


@pytest.mark.usefixtures("sealed")
def test_an_auditor_may_trust_the_old_and_the_new_key() -> None:
    write(1)
    seal_all(signer=OTHER, now=NOW)
    assert checked(checkers=trusted(SIGNER, OTHER)).differences == ()
    assert checked(checkers=trusted(OTHER)).differences


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"kind":"row"', '"kind": "row"'),
        ('"kind":"row"', '"kind":"row","kind":"row"'),
        ('"kind":"row"', '"kind":"cow"'),
        ('"position":1', '"position":"1"'),
        ('"position":1', '"position":1,"position2":1'),
        ("{", ""),
        ("jinsuan-audit-1", "jinsuan-audit-2"),
    ],
)
def test_a_line_that_can_be_read_in_two_ways_is_not_read(old: str, new: str) -> None:
    text = "".join(export_lines())
    with pytest.raises(Unreadable, match=r"第 \d+ 行"):
        verify(
            text.replace(old, new, 1).splitlines(keepends=True)
            if old == "{"
            else text.replace(old, new, 1).split("\n")[:-1]
        )


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("table", ["ledger_block", "ledger_sealed_row"])
@pytest.mark.parametrize(
    "words", ["UPDATE {} SET block_id = 1", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_blocks_and_places_are_append_only(table: str, words: str) -> None:
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    if table == "ledger_block":
        words = words.replace("block_id", "rows")
    with pytest.raises(IntegrityError, match="refuses"), transaction.atomic():
        sql(words.format(table))


def test_an_empty_book_is_exported_and_checked() -> None:
    assert checked().differences == ()
    assert seal_block(signer=SIGNER, now=NOW) == 0
    with pytest.raises(Unreadable):
        verify([])
