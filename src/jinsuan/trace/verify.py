"""Check a trace bundle from itself alone: no database, no Django, no trust in us. Pure.

The money is worked out again, the law is applied again, and every transfer, decision and person is
found again in sealed audit rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinsuan.kernel.errors import DomainError
from jinsuan.ledger import chain
from jinsuan.ledger.digest import digest
from jinsuan.ledger.hashing import UnknownHash, hash_named
from jinsuan.ledger.signing import Checkers, checker_of
from jinsuan.ledger.sm2 import Sm2Missing
from jinsuan.trace import recompute
from jinsuan.trace.recompute import Bundle

FORMAT = "jinsuan-trace-1"
MAX_BYTES = 200_000_000
_BROKEN = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError, AssertionError),
    *(ArithmeticError, RecursionError, StopIteration, DomainError),
)


class Unreadable(ValueError):
    """This is no bundle of ours."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Args:
        differences: what is wrong, in words; empty when nothing is.
        note: what this check could not prove, although nothing is wrong.
    """

    name: str
    count: int
    differences: tuple[str, ...]
    note: str = ""

    @property
    def good(self) -> bool:
        return not self.differences


def read(data: bytes) -> dict[str, Any]:
    """A bundle from a file.

    Raises:
        Unreadable.
    """
    if len(data) > MAX_BYTES:
        raise Unreadable(f"文件超过 {MAX_BYTES} 字节")
    try:
        found = json.loads(data.decode("utf-8"), parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"不是 JSON（{str(error)[:80]}）") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise Unreadable("不是晋算的溯源包")
    return found


def _refuse(text: str) -> Any:
    raise ValueError(f"不该有小数 {text[:20]}")


def verify(bundle: Bundle, *, trusted: Checkers | None = None) -> tuple[Check, ...]:
    """Every check, in the order of the trace.

    Args:
        trusted: public keys that the reader had before. Without any, a signature only shows that
            the bundle is of one piece, not who made it.
    """
    return (
        _run("转账：编号和摘要由内容算出", bundle, "transfers", recompute.transfers),
        _run("费用：读数 × 锁定价，四舍五入，减此前", bundle, "attempts", recompute.charges),
        _run("券付：不超过比例和冻结的券额", bundle, "attempts", recompute.shares),
        _run("判定：用包里的规则和事实重新判定", bundle, "decisions", recompute.decisions),
        _run("发放：面额、判定和账上一致", bundle, "vouchers", recompute.grants),
        _run("兑付：四数、核销和拨付一致", bundle, "redemptions", recompute.redemptions),
        _run("留痕：转账、判定、经手人在留痕里", bundle, "audit", recorded),
        _run("封存：留痕的摘要、默克尔证明和链头", bundle, "audit", sealed),
        _signatures(bundle, trusted),
    )


def _run(name: str, bundle: Bundle, group: str, find: Callable[[Bundle], Iterator[str]]) -> Check:
    found: list[str] = []
    count = 0
    try:
        part = bundle[group]
        count = len(part["rows"] if group == "audit" else part)
        found.extend(find(bundle))
    except _BROKEN as error:
        found.append(f"内容不完整或写法不对（{type(error).__name__}: {str(error)[:80]}）")
    return Check(name, count, tuple(found))


def recorded(bundle: Bundle) -> Iterator[str]:
    """Every transfer, decision, voucher and move of a case stands in an audit row that says the same."""
    rows = defaultdict(list)
    for one in sorted(bundle["audit"]["rows"], key=lambda one: one["position"] or 2**62):
        rows[one["row"]["subject"]].append(one["row"])
        yield from _detail(one["row"])
    yield from _money(bundle, rows)
    for case in bundle["cases"]:
        yield from _moves(case, rows[case["case"]])


def _money(bundle: Bundle, rows: Mapping[str, list[Bundle]]) -> Iterator[str]:
    for one in bundle["transfers"]:
        told = {row["after_digest"] for row in rows[one["transfer"]]}
        if digest(recompute.content_of(one)).hex() not in told:
            yield f"{one['transfer']} 没有说同样内容的留痕"
    for one in bundle["decisions"]:
        yield from _decision(one, rows[one["decision"]])
    for one in bundle["vouchers"]:
        if not any(_after(row).get("face_fen") == one["face_fen"] for row in rows[one["voucher"]]):
            yield f"{one['voucher']} 的面额与留痕不符"
    for one in bundle["redemptions"]:
        told_of = [_after(row) for row in rows[one["redemption"]]]
        numbers = {name: one[name] for name in ("amount_fen", "cumulative_fen", *_FOUR)}
        if not any(numbers.items() <= after.items() for after in told_of):
            yield f"{one['redemption']} 的四数与留痕不符"


def _decision(one: Bundle, rows: list[Bundle]) -> Iterator[str]:
    wanted = {
        "content_sha256": digest(one["content"]).hex(),
        "amount_fen": one["amount_fen"],
        "bound_fen": one["bound_fen"],
        "outcome": one["outcome"],
        "rule": f"{one['pack']}#{one['rule']}",
    }
    if not any(
        wanted.items() <= _after(row).items() and row["person"] == one["person"] for row in rows
    ):
        yield f"{one['decision']} 的内容、金额或判定人与留痕不符"


_FOUR = ("contract_fen", "metered_fen", "invoiced_fen", "paid_fen", "captured_fen")


def _after(row: Bundle) -> dict[str, Any]:
    return dict((json.loads(row["detail"]) if row["detail"] else {}).get("after") or {})


def _detail(row: Bundle) -> Iterator[str]:
    """What is shown of a row is what its digests are of."""
    told = json.loads(row["detail"]) if row["detail"] else {}
    for side in ("before", "after"):
        wanted = row[f"{side}_digest"]
        found = digest(chain.text_of(told[side])).hex() if side in told else None
        if wanted != found:
            yield f"留痕 {row['id']}（{row['action']}）显示的内容与它的摘要不符"


def _moves(case: Bundle, rows: list[Bundle]) -> Iterator[str]:
    told = [row for row in rows if row["action"] == "case.move"]
    if len(told) != len(case["moves"]):
        yield f"案件 {case['number']} 有 {len(case['moves'])} 步，留痕有 {len(told)} 步"
        return
    for move, row in zip(case["moves"], told, strict=True):
        same = (move["person"], move["reason"], move["after"])
        if same != (row["person"], row["reason"], row["after_digest"]):
            yield f"案件 {case['number']} 第 {move['number']} 步“{move['name']}”的人或理由与留痕不符"


def sealed(bundle: Bundle) -> Iterator[str]:
    """Every row leads by its proof to the root of its block, and the block's head follows from it."""
    blocks = {block["number"]: block for block in bundle["audit"]["blocks"]}
    for one in bundle["audit"]["rows"]:
        row, named = one["row"], f"留痕 {one['row']['id']}（{one['row']['action']}）"
        if one["block"] is None:
            yield f"{named} 还没有封存；请先运行 jinsuan audit seal 再导出"
            continue
        block = blocks.get(one["block"])
        if block is None:
            yield f"{named} 的区块 {one['block']} 不在包里"
            continue
        try:
            by = hash_named(block["algorithm"])
        except UnknownHash as error:
            yield f"{named}：{error}"
            continue
        leaf = chain.leaf(row, by)
        if leaf.hex() != one["leaf"]:
            yield f"{named} 被改动：内容与封存的摘要不符"
            continue
        steps = [chain.Step(bytes.fromhex(beside), on_left) for beside, on_left in one["proof"]]
        if chain.root_by_proof(leaf, steps, by).hex() != block["root"]:
            yield f"{named} 的默克尔证明与区块 {one['block']} 的根不符"
    yield from _chained(blocks)


def _chained(blocks: Mapping[int, Bundle]) -> Iterator[str]:
    """Every head follows from its block, and every block that has its neighbour from that."""
    for block in blocks.values():
        if _head(block).hex() != block["head"]:
            yield f"区块 {block['number']} 的内容与它的链头不符"
        after = blocks.get(block["number"] + 1)
        if after is not None and after["previous"] != block["head"]:
            yield f"区块 {after['number']} 没有接着区块 {block['number']}"


def _head(block: Bundle) -> bytes:
    return chain.head(
        number=block["number"],
        previous=bytes.fromhex(block["previous"]),
        merkle_root=bytes.fromhex(block["root"]),
        rows=block["rows"],
        algorithm=block["algorithm"],
        key=block["key"],
        sealed_at=block["sealed_at"],
    )


def _badly_signed(blocks: list[Bundle], keys: Checkers) -> Iterator[str]:
    for block in blocks:
        if bool(block["key"]) != bool(block["signature"]):
            yield f"区块 {block['number']} 的签名被取走或被添上"
        elif not block["key"]:
            continue
        elif block["key"] not in keys:
            yield f"区块 {block['number']} 的签名密钥 {block['key']} 不在所给的公钥里"
        elif not keys[block["key"]].good(_head(block), bytes.fromhex(block["signature"])):
            yield f"区块 {block['number']} 的签名不对"


def _signatures(bundle: Bundle, trusted: Checkers | None) -> Check:
    """Each block is signed, by a trusted key where the reader has one."""
    found: list[str] = []
    note, count = "", 0
    try:
        keys = dict(trusted or {})
        if trusted is None:
            given = [pem.encode() for pem in bundle["keys"].values()]
            keys = {one.key_id: one for one in map(checker_of, given)}
            note = "没有给出事先取得的公钥，只说明包的前后一致，不说明由谁封存"
        blocks = bundle["audit"]["blocks"]
        count = len(blocks)
        unsigned = [block["number"] for block in blocks if not block["key"]]
        found.extend(_badly_signed(blocks, keys))
        if unsigned and trusted is not None:
            found.append(f"{len(unsigned)} 个区块没有签名，首个是 {unsigned[0]}")
        elif unsigned:
            note = f"{len(unsigned)} 个区块没有签名，可以被整体重写"
    except (Sm2Missing, UnknownHash) as error:
        found.append(str(error))
    except _BROKEN as error:
        found.append(f"内容不完整或写法不对（{type(error).__name__}: {str(error)[:80]}）")
    return Check("签名：封存区块的签名", count, tuple(found), note)
