"""The sealer (封存): turns audit rows into blocks, and reads the blocks out again.

One sealer at a time, off the hot path: whoever writes audit rows neither waits for it nor knows
of it. A trigger notes each new row as waiting, in the transaction that writes it; the sealer takes
what waits and gives it its place in the chain. Never "ids above the last one": a transaction that
began earlier may commit a lower id later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from jinsuan.ledger import chain
from jinsuan.ledger.hashing import SHA256, hash_named
from jinsuan.ledger.models import Block, SealedRow
from jinsuan.ledger.signing import Signer
from jinsuan.ledger.verify import FORMAT

MAX_ROWS = 10_000
"""In one block: what one transaction reads into memory."""
SEAL_LOCK = 0x6A73_7365_616C
"""PostgreSQL's advisory lock of who seals; it ends with the transaction."""

# Times, ids and digests as text, so that a row reads the same here and on any other machine.
_COLUMNS = """
    a.id, to_char(a.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    a.person::text, a.organisation::text, a.role, a.via, a.action, a.subject, a.reason,
    encode(a.before_digest, 'hex'), encode(a.after_digest, 'hex'), a.detail::text
"""
_NAMES = (
    *("id", "recorded_at", "person", "organisation", "role", "via", "action", "subject"),
    *("reason", "before_digest", "after_digest", "detail"),
)
# By an array, so that PostgreSQL looks the rows up by their ids however wrong its figures are of a
# table that fills and empties all day.
_WAITING = f"""
    SELECT {_COLUMNS} FROM ledger_audit_row a
    WHERE a.id = ANY (ARRAY(SELECT w.row_id FROM ledger_waiting_row w ORDER BY w.row_id LIMIT %s))
    ORDER BY a.id
"""  # noqa: S608
_PLACED = "DELETE FROM ledger_waiting_row WHERE row_id = ANY (%s::bigint[])"
_MISSED = """
    INSERT INTO ledger_waiting_row (row_id)
    SELECT a.id FROM ledger_audit_row a
    WHERE NOT EXISTS (SELECT FROM ledger_sealed_row s WHERE s.row_id = a.id)
    ON CONFLICT DO NOTHING
"""
_OF_BLOCK = f"""
    SELECT s.position, s.leaf, {_COLUMNS}
    FROM ledger_sealed_row s JOIN ledger_audit_row a ON a.id = s.row_id
    WHERE s.block_id = %s ORDER BY s.position
"""  # noqa: S608
_PLACE = """
    INSERT INTO ledger_sealed_row (position, row_id, block_id, leaf)
    SELECT n.position, n.row_id, %s, n.leaf
    FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[]) AS n(position, row_id, leaf)
"""
_PLACED_ALREADY = """
    DELETE FROM ledger_waiting_row w USING ledger_sealed_row s WHERE s.row_id = w.row_id
"""


def seal_all(
    *, signer: Signer | None, now: datetime, algorithm: str = SHA256, most: int = MAX_ROWS
) -> int:
    """Seal until nothing waits; returns how many rows got their place. Each block is committed."""
    sealed = 0
    while rows := seal_block(signer=signer, now=now, algorithm=algorithm, most=most):
        sealed += rows
        if rows < most:
            break
    return sealed


@transaction.atomic
def seal_block(
    *, signer: Signer | None, now: datetime, algorithm: str = SHA256, most: int = MAX_ROWS
) -> int:
    """Seal at most so many waiting rows as one block; returns how many, 0 when none wait.

    Args:
        algorithm: of this block; those before keep theirs.
    """
    by = hash_named(algorithm)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SEAL_LOCK])
        # A new statement, so a new snapshot: what the sealer before us placed is visible.
        cursor.execute(_WAITING, [most])
        rows = [_row(values) for values in cursor.fetchall()]
        if not rows:
            return 0
        leaves = [chain.leaf(row, by) for row in rows]
        block = _next_block(chain.root(leaves, by), len(leaves), algorithm, signer, now)
        last = SealedRow.objects.order_by("-position").values_list("position", flat=True).first()
        first = (last or 0) + 1
        positions = list(range(first, first + len(rows)))
        block.save(force_insert=True)
        ids = [row["id"] for row in rows]
        cursor.execute(_PLACE, [block.number, positions, ids, leaves])
        cursor.execute(_PLACED, [ids])
    return len(rows)


@transaction.atomic
def find_missed() -> int:
    """Let rows wait again that have no place and do not wait; returns how many.

    There are none unless somebody wrote rows around the trigger, or took them off the waiting ones.
    What was put there although it has its place, and would stop the sealer, goes. Reads the whole
    book.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SEAL_LOCK])
        cursor.execute(_PLACED_ALREADY)
        cursor.execute(_MISSED)
        return int(cursor.rowcount)


def _next_block(
    merkle_root: bytes, rows: int, algorithm: str, signer: Signer | None, now: datetime
) -> Block:
    last = Block.objects.order_by("-number").first()
    number = last.number + 1 if last else 1
    previous = bytes(last.head) if last else chain.NOTHING_BEFORE
    key = signer.key_id if signer else ""
    head = chain.head(
        number=number,
        previous=previous,
        merkle_root=merkle_root,
        rows=rows,
        algorithm=algorithm,
        key=key,
        sealed_at=_moment(now),
    )
    return Block(
        number=number,
        previous=previous,
        root=merkle_root,
        rows=rows,
        algorithm=algorithm,
        head=head,
        key=key,
        signature=signer.sign(head) if signer else b"",
        sealed_at=now,
    )


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _row(values: Iterable[Any]) -> dict[str, Any]:
    """The whole row as it is hashed. `detail` stays the text that PostgreSQL shows, which is one
    for one value: read as numbers, 1.0 and 1.00 would be the same, and no detail like a null.
    """
    return dict(zip(_NAMES, values, strict=True))


def export_lines() -> Iterator[str]:
    """The sealed book as lines of JSON, one block in memory at a time.

    Blocks never change, so a sealer at work does no harm; what it adds later is in the next export.
    """
    yield chain.text_of({"kind": "export", "format": FORMAT}) + "\n"
    blocks = rows = 0
    head = chain.NOTHING_BEFORE
    for block in Block.objects.order_by("number").iterator(chunk_size=500):
        yield chain.text_of(_block_line(block)) + "\n"
        blocks, head = blocks + 1, bytes(block.head)
        for position, leaf, row in _rows_of(block.number):
            rows += 1
            said = {"kind": "row", "block": block.number, "position": position}
            yield chain.text_of(said | {"leaf": leaf.hex(), "row": row}) + "\n"
    said = {"kind": "end", "blocks": blocks, "rows": rows, "head": head.hex()}
    yield chain.text_of(said) + "\n"


def _block_line(block: Block) -> dict[str, Any]:
    return {
        "kind": "block",
        "number": block.number,
        "previous": bytes(block.previous).hex(),
        "root": bytes(block.root).hex(),
        "rows": block.rows,
        "algorithm": block.algorithm,
        "key": block.key,
        "sealed_at": _moment(block.sealed_at),
        "head": bytes(block.head).hex(),
        "signature": bytes(block.signature).hex(),
    }


def _rows_of(number: int) -> list[tuple[int, bytes, dict[str, Any]]]:
    with connection.cursor() as cursor:
        cursor.execute(_OF_BLOCK, [number])
        return [
            (position, bytes(leaf), _row(values)) for position, leaf, *values in cursor.fetchall()
        ]


_OF_SUBJECTS = f"""
    SELECT s.position, s.block_id, s.leaf, {_COLUMNS}
    FROM ledger_audit_row a LEFT JOIN ledger_sealed_row s ON s.row_id = a.id
    WHERE a.subject = ANY (%s::text[]) ORDER BY a.id
"""  # noqa: S608


def evidence_of(subjects: Iterable[str]) -> dict[str, Any]:
    """Every audit row of some things with its proof, and the blocks that the proofs lead to.

    A row that waits for the seal has neither position nor proof.
    """
    rows, wanted = [], defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_OF_SUBJECTS, [sorted(set(subjects))])
        for position, number, leaf, *values in cursor.fetchall():
            said: dict[str, Any] = {"row": _row(values), "position": position, "block": number}
            rows.append(said | {"leaf": bytes(leaf).hex() if leaf else None, "proof": []})
            if number is not None:
                wanted[number].append(rows[-1])
    blocks = list(Block.objects.filter(number__in=wanted).order_by("number"))
    for block in blocks:
        found, by = wanted[block.number], hash_named(block.algorithm)
        places = SealedRow.objects.filter(block=block).order_by("position")
        known = list(places.values_list("position", "leaf"))
        leaves, first = [bytes(leaf) for _, leaf in known], known[0][0]
        proofs = chain.proofs(leaves, [one["position"] - first for one in found], by)
        for one in found:
            steps = proofs[one["position"] - first]
            one["proof"] = [[step.beside.hex(), step.on_left] for step in steps]
    return {"rows": rows, "blocks": [_block_line(block) for block in blocks]}
