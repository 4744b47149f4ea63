"""Check an exported audit book from its lines alone: no database, no Django, no trust in us.

Everything is computed again: each row's leaf, each block's root and head, the chain from block to
block, the signatures. Every line must be the one canonical text of what it says, so that two
readers cannot read two things from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinsuan.ledger import chain
from jinsuan.ledger.hashing import Hash, UnknownHash, hash_named
from jinsuan.ledger.signing import Checkers

FORMAT = "jinsuan-audit-1"
_SAYS: dict[str, dict[str, type]] = {
    "export": {"kind": str, "format": str},
    "block": {
        "kind": str,
        "number": int,
        "previous": str,
        "root": str,
        "rows": int,
        "algorithm": str,
        "key": str,
        "sealed_at": str,
        "head": str,
        "signature": str,
    },
    "row": {"kind": str, "block": int, "position": int, "leaf": str, "row": dict},
    "end": {"kind": str, "blocks": int, "rows": int, "head": str},
}


class Unreadable(ValueError):
    """This is no export of ours, or a line of it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was read, and every difference in words. No difference: the book is as it was sealed.

    Args:
        signed: how many blocks carry a good signature of a trusted key.
        proven: how many blocks, from the first on, such a signature vouches for.
    """

    blocks: int
    rows: int
    signed: int
    proven: int
    head: str
    differences: tuple[str, ...]


@dataclass(slots=True)
class _Check:
    """What has been read so far.

    Args:
        by: what hashes the block that is being read; None when its algorithm is unknown, and then
            nothing can be said of its rows.
    """

    checkers: Checkers | None
    differences: list[str] = field(default_factory=list)
    block: Mapping[str, Any] | None = None
    by: Hash | None = None
    leaves: list[bytes] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    previous: bytes = chain.NOTHING_BEFORE
    blocks: int = 0
    rows: int = 0
    signed: int = 0
    proven: int = 0
    ended: bool = False


def verify(
    lines: Iterable[str], *, checkers: Checkers | None = None, head: str | None = None
) -> Report:
    """Check an export line by line.

    Args:
        checkers: the public keys to trust. None: signatures are not looked at.
        head: a head that was written down earlier; the chain must still contain it.

    Raises:
        Unreadable: it is no export, or a line is broken.
    """
    check = _Check(checkers)
    for place, text in enumerate(lines, 1):
        said = _read(place, text)
        kind = said["kind"]
        if (place == 1) != (kind == "export"):
            raise Unreadable(f"第 {place} 行应当{'是' if place == 1 else '不是'}文件头")
        if check.ended:
            check.differences.append(f"第 {place} 行在结束行之后，不应存在")
        elif kind == "block":
            _close(check)
            _open(check, said)
        elif kind == "row":
            _row(check, said)
        elif kind == "end":
            _end(check, said)
    if not check.ended and not check.blocks and not check.rows:
        raise Unreadable("文件是空的，或只有文件头")
    if not check.ended:
        _close(check)
        check.differences.append("文件没有结束行：末尾被截去，或导出没有完成")
    _conclude(check, head)
    return Report(
        blocks=check.blocks,
        rows=check.rows,
        signed=check.signed,
        proven=check.proven,
        head=check.previous.hex() if check.blocks else "",
        differences=tuple(check.differences),
    )


def _read(place: int, text: str) -> dict[str, Any]:
    """One line, of a known kind, with exactly the fields of its kind."""
    text = text.removesuffix("\n")
    try:
        said: Any = json.loads(text)
        plain = isinstance(said, dict) and chain.text_of(said) == text
        text.encode()
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"第 {place} 行读不出：不是 JSON") from error
    if not isinstance(said, dict) or not plain:
        raise Unreadable(f"第 {place} 行不是规范的写法，同一内容只能有一种写法")
    fields = _SAYS.get(str(said.get("kind")))
    if fields is None or fields.keys() != said.keys():
        raise Unreadable(f"第 {place} 行不是审计导出的一行，或缺项、多项")
    for name, kind in fields.items():
        if type(said[name]) is not kind:
            raise Unreadable(f"第 {place} 行的 {name} 类型不对")
    if said["kind"] == "export" and said["format"] != FORMAT:
        raise Unreadable(f"第 {place} 行的格式是 {said['format']}，本程序只认 {FORMAT}")
    return said


def _open(check: _Check, said: Mapping[str, Any]) -> None:
    check.block, check.leaves = said, []
    check.blocks += 1
    number = said["number"]
    if number != check.blocks:
        check.differences.append(
            f"区块 {number}：此处应是区块 {check.blocks}，有区块被删去、插入或调换"
        )
    try:
        check.by = hash_named(said["algorithm"])
    except UnknownHash as error:
        check.by = None
        check.differences.append(f"区块 {number}：{error}。它的记录没有核验")
    if said["previous"] != check.previous.hex():
        check.differences.append(f"区块 {number}：所指的前一区块链头与前一区块不符，链在此断开")


def _row(check: _Check, said: Mapping[str, Any]) -> None:
    check.rows += 1
    position, row = said["position"], said["row"]
    named = f"区块 {said['block']} 第 {position} 条（审计记录 {row.get('id')}）"
    if check.block is None or said["block"] != check.block["number"]:
        check.differences.append(f"{named}：不属于它所在的区块")
    if position != check.rows:
        check.differences.append(f"{named}：此处应是第 {check.rows} 条，有记录被删去、插入或调换")
    if check.by is None:
        check.leaves.append(b"")
        return
    found = chain.leaf(row, check.by)
    if said["leaf"] != found.hex():
        check.differences.append(f"{named}：内容与封存时的摘要不符")
    check.leaves.append(found)


def _close(check: _Check) -> None:
    """Everything that can be said of a block once its rows are read."""
    said = check.block
    if said is None:
        return
    named, differences = f"区块 {said['number']}", check.differences
    if said["rows"] != len(check.leaves):
        differences.append(f"{named}：封存了 {said['rows']} 条，文件里有 {len(check.leaves)} 条")
    if check.by is not None:
        _hashes(check, said, check.by)
    # What stands there leads on, so that one change is told once and not of every later block.
    check.previous = _bytes(said["head"])
    check.heads.append(said["head"])
    check.block = None


def _hashes(check: _Check, said: Mapping[str, Any], by: Hash) -> None:
    """Root, head and signature of a block whose hash is known."""
    named, differences = f"区块 {said['number']}", check.differences
    merkle_root = chain.root(check.leaves, by) if check.leaves else b""
    if said["root"] != merkle_root.hex():
        differences.append(f"{named}：记录算出的 Merkle 根与封存的不符，其中有记录被改动")
    head = chain.head(
        number=said["number"],
        previous=check.previous,
        merkle_root=merkle_root,
        rows=len(check.leaves),
        algorithm=said["algorithm"],
        key=said["key"],
        sealed_at=said["sealed_at"],
    )
    if said["head"] != head.hex():
        differences.append(f"{named}：重算的链头与封存的不符")
    _signature(check, said, head)


def _signature(check: _Check, said: Mapping[str, Any], head: bytes) -> None:
    """Whether a trusted key signed this head. A good signature vouches for all blocks before."""
    named, key = f"区块 {said['number']}", said["key"]
    if bool(key) != bool(said["signature"]):
        check.differences.append(f"{named}：签名被取走或被添上")
    if check.checkers is None or not key:
        return
    checker = check.checkers.get(key)
    if checker is None:
        check.differences.append(f"{named}：签名的密钥 {key} 不是所给的公钥")
    elif not checker.good(head, _bytes(said["signature"])):
        check.differences.append(f"{named}：签名不对")
    else:
        check.signed += 1
        check.proven = check.blocks


def _end(check: _Check, said: Mapping[str, Any]) -> None:
    _close(check)
    check.ended = True
    counted = (check.blocks, check.rows, check.previous.hex())
    if counted != (said["blocks"], said["rows"], said["head"]):
        check.differences.append(
            f"结束行说有 {said['blocks']} 个区块、{said['rows']} 条记录，"
            f"文件里是 {check.blocks} 个、{check.rows} 条，或最后的链头不符"
        )


def _conclude(check: _Check, head: str | None) -> None:
    if check.checkers is not None and check.proven < check.blocks:
        check.differences.append(
            f"最后 {check.blocks - check.proven} 个区块没有可信的签名，"
            "在平台用私钥封存下一个区块之前，它们可以被整体重写"
        )
    if head is not None and head.strip().lower() not in check.heads:
        check.differences.append(
            f"事先记下的链头 {head} 不在文件里：末尾的区块被截去，或整条链被重写"
        )


def _bytes(text: str) -> bytes:
    """What hexadecimal digits say; anything else matches no hash and no signature."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
