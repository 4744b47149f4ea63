"""A decision as a record that can be decided again: the same digest, facts and dates give the same fen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from jinsuan.kernel.errors import BadInput
from jinsuan.policy.decide import Dates, Decided, decide
from jinsuan.policy.facts import MAX_BYTES, Known
from jinsuan.policy.law import ENGINE, bind
from jinsuan.policy.pack import Attest, Pack

FORMAT = "jinsuan.decision/1"
_DATES = ("event", "application", "decision", "payment")


def recorded(decided: Decided, facts: Mapping[str, Known]) -> str:
    """Canonical JSON; values are whole numbers as the engine sees them, amounts are fen."""
    dates = {name: getattr(decided.dates, name) for name in _DATES}
    value = {
        "format": FORMAT,
        "pack": decided.pack,
        "digest": decided.digest,
        "engine": decided.engine,
        "dates": {name: None if day is None else str(day) for name, day in dates.items()},
        "facts": {
            name: {"value": known.value, "attest": known.attest, "evidence": known.evidence}
            for name, known in facts.items()
        },
        "decisions": _decisions(decided),
    }
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"


def _decisions(decided: Decided) -> dict[str, Any]:
    return {
        d.bound.rule.id: {
            "outcome": str(d.outcome),
            "fen": None if d.amount is None else d.amount.fen,
            "reasons": [[reason.test.label, reason.truth] for reason in d.reasons],
            "missing": list(d.missing),
            "weak": list(d.weak),
            "note": d.note,
        }
        for d in decided.decisions
    }


def read_record(data: bytes) -> dict[str, Any]:
    """A record from a file.

    Raises:
        BadInput: it is none.
    """
    try:
        found = json.loads(data.decode("utf-8")) if len(data) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadInput(
            "判定记录", "不是晋算的判定记录", "用 jinsuan policy decide --record 写的文件"
        )
    return found


def replayed(record: Mapping[str, Any], pack: Pack) -> list[str]:
    """Decide again; what differs from the record, in words. Empty when nothing does.

    Raises:
        BadInput: the pack or engine is another one, or the record is damaged.
    """
    digest, engine = str(record.get("digest")), str(record.get("engine"))
    if digest != pack.digest:
        raise BadInput(
            "判定记录",
            f"它用的规则包摘要是 {digest[:16]}，本机 {pack.id} 的是 {pack.digest[:16]}",
            "装上同一摘要的规则包再重算",
        )
    if engine != ENGINE:
        raise BadInput(
            "判定记录", f"它用的引擎是 {engine[:8]}，本机是 {ENGINE}", "用同一版晋算重算"
        )
    try:
        facts = {name: _known(pack, name, raw) for name, raw in record["facts"].items()}
        days: dict[str, Any] = {
            n: None if d is None else date.fromisoformat(d) for n, d in record["dates"].items()
        }
        dates = Dates(**days)
        before = dict(record["decisions"])
        now = _decisions(decide(bind(pack, dates.application), facts, dates))
        return [
            f"{rule}：记录 {_short(before.get(rule))}，重算 {_short(now.get(rule))}"
            for rule in sorted(before.keys() | now.keys())
            if before.get(rule) != now.get(rule)
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput("判定记录", "内容不完整或写法不对", "用没有改动过的记录") from None


def _known(pack: Pack, name: str, raw: Mapping[str, Any]) -> Known:
    value, fact = raw["value"], pack.facts[name]
    items = value if isinstance(value, list) else [] if value is None else [value]
    if any(type(item) is not int or not fact.low <= item <= fact.high for item in items):
        raise ValueError(name)
    return Known(
        tuple(value) if isinstance(value, list) else value, Attest(raw["attest"]), raw["evidence"]
    )


def _short(one: Any) -> str:
    if not isinstance(one, dict):
        return "没有"
    return json.dumps(one, ensure_ascii=False, sort_keys=True)[:200]
