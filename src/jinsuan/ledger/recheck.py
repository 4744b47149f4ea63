"""Verify a few blocks where they lie (核验), with the very check that an auditor runs on an export.

The whole chain is checked from its export (`jinsuan audit export` and `verify`). Here a part of it
is, between two blocks, leaning on the head before the first: good for a look, within a bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Max, Sum

from jinsuan.kernel.errors import BadInput
from jinsuan.ledger import chain
from jinsuan.ledger.models import Block, SealedRow
from jinsuan.ledger.seal import _block_line, _rows_of
from jinsuan.ledger.signing import Checkers
from jinsuan.ledger.snapshot import one_snapshot
from jinsuan.ledger.verify import _Check, _close, _conclude, _open, _read, _row

MOST_ROWS = 20_000
"""Checked within one request: about half a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rechecked:
    """What was checked, from block to block, and every difference in words.

    Args:
        signed: how many of these blocks carry a good signature of a trusted key.
        head: the head that the last of them comes to.
    """

    first: int
    last: int
    blocks: int
    rows: int
    signed: int
    head: str
    differences: tuple[str, ...]


def recheck(first: int, last: int, *, checkers: Checkers | None = None) -> Rechecked:
    """Verify the blocks `first` to `last`, both included.

    Args:
        checkers: the public keys to trust. None: signatures are not looked at.

    Raises:
        BadInput: there are no such blocks, or more rows than fit into one request.
    """
    with one_snapshot():
        blocks = Block.objects.filter(number__gte=first, number__lte=last)
        count = blocks.aggregate(rows=Sum("rows"), last=Max("number"))
        newest = Block.objects.aggregate(last=Max("number"))["last"] or 0
        if not 1 <= first <= last <= newest:
            raise BadInput(
                "区块", f"{first} 至 {last}", f"现有区块 1 至 {newest}，请在其中选起止。"
            )
        if (count["rows"] or 0) > MOST_ROWS:
            raise BadInput(
                "区块范围",
                f"共 {count['rows']:,} 条记录，页面一次至多核验 {MOST_ROWS:,} 条",
                "请缩小范围，或导出后用命令核验：jinsuan audit export 和 jinsuan audit verify。",
            )
        check = _before(first, checkers)
        for place, text in enumerate(_lines(first, last), 1):
            said = _read(place, text)
            if said["kind"] == "block":
                _close(check)
                _open(check, said)
            else:
                _row(check, said)
        _close(check)
        _conclude(check, None)
        missing = sorted(set(range(first, last + 1)) - set(blocks.values_list("number", flat=True)))
    return Rechecked(
        first=first,
        last=last,
        blocks=check.blocks - (first - 1),
        rows=check.rows - _row_before(first),
        signed=check.signed,
        head=check.previous.hex(),
        differences=(*check.differences, *(f"区块 {number}：不见了" for number in missing)),
    )


def _before(first: int, checkers: Checkers | None) -> _Check:
    """Where the check stands after the block before the first, taken as it lies."""
    before = Block.objects.filter(number=first - 1).first()
    head = chain.NOTHING_BEFORE if before is None else bytes(before.head)
    # Nothing before it is vouched for here, and nothing before it is missed either.
    return _Check(
        checkers, previous=head, blocks=first - 1, rows=_row_before(first), proven=first - 1
    )


def _row_before(first: int) -> int:
    found = SealedRow.objects.filter(block__lt=first).aggregate(last=Max("position"))
    return found["last"] or 0


def _lines(first: int, last: int) -> Iterator[str]:
    for block in Block.objects.filter(number__gte=first, number__lte=last).order_by("number"):
        yield chain.text_of(_block_line(block))
        for position, leaf, row in _rows_of(block.number):
            said = {"kind": "row", "block": block.number, "position": position}
            yield chain.text_of(said | {"leaf": leaf.hex(), "row": row})
