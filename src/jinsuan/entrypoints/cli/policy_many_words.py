"""What `jinsuan policy simulate` and `diff` say, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jinsuan.kernel.money import Money
from jinsuan.policy.compare import Comparison, Difference, RuleChange
from jinsuan.policy.decide import Outcome
from jinsuan.policy.runs import Contest, PoolRun, RuleRun, Simulation

SHARING = {"first_come": "先到先得", "ranked": "按排名", "pro_rata": "按比例"}
KINDS = {
    "document": "文件",
    "fact": "事实",
    "param": "参数",
    "define": "算式",
    "general": "共同条件",
    "rule": "规则",
    "interpretation": "口径",
}


def yuan(fen: int) -> str:
    return str(Money(fen))


def plain(fen: int) -> str:
    return Money(fen).plain


def signed(fen: int) -> str:
    return f"+{yuan(fen)}" if fen > 0 else yuan(fen)


# ── one law ───────────────────────────────────────────────────────────────────────────────────────


def simulation_lines(run: Simulation, absent: Sequence[str]) -> Iterator[str]:
    law = run.law
    yield f"{law.pack.title}（{law.pack.number}），适用 {law.on}，主体 {run.population.size:,} 个"
    yield from _absent(absent)
    for rule in run.rules.values():
        yield _rule(rule)
    yield from (_contest(run, contest) for contest in run.contests)
    yield from (_pool(run, pool) for pool in run.pools)
    yield f"合计 {yuan(run.granted_fen)}（“最多给”的按上限计，不是应付）"


def _absent(absent: Sequence[str]) -> Iterator[str]:
    if absent:
        shown = "、".join(absent[:8]) + ("……" if len(absent) > 8 else "")
        yield f"表里没有 {len(absent)} 项事实，一律按未知处理：{shown}"


def _rule(rule: RuleRun) -> str:
    counts, found = rule.counts, rule.bound.rule
    met = Outcome.REFERRED if counts[Outcome.REFERRED] else Outcome.ELIGIBLE
    rest = (Outcome.NEEDS, Outcome.SUPERSEDED, Outcome.OUT_OF_FORCE)
    told = (met, Outcome.NOT_ELIGIBLE, *(outcome for outcome in rest if counts[outcome]))
    words = [f"{outcome.label} {counts[outcome]:,}" for outcome in told]
    line = f"{found.article}{found.id} {found.title}：{'，'.join(words)}"
    if rule.bound.amount is None:
        return line
    line += f"；{found.mode.label} {yuan(rule.due_fen)}"
    if rule.granted_fen != rule.due_fen:
        line += f"，名额和总盘子之内 {yuan(rule.granted_fen)}"
    return line


def _contest(run: Simulation, contest: Contest) -> str:
    first = "、".join(run.population.name(row) for row in contest.winners[:3])
    more = "等" if len(contest.winners) > 3 else ""
    return (
        f"{contest.rule} {contest.year} 年名额 {contest.places}，参评 {contest.entries:,}，"
        f"入选 {len(contest.winners)}（{first}{more}）"
    )


def _pool(run: Simulation, pool: PoolRun) -> str:
    head = (
        f"{'、'.join(pool.rules)} {pool.year} 年总盘子 {yuan(pool.size)}，"
        f"申请 {pool.claims:,} 笔 {yuan(pool.claimed)}，{SHARING[pool.sharing]}给 {yuan(pool.paid)}"
    )
    if not pool.exhausted:
        return f"{head}，够用"
    if pool.short_at is None:
        return f"{head}，不够"
    day = f"{pool.short_on} " if pool.short_on else ""
    return f"{head}，到 {day}{run.population.name(pool.short_at)} 用完"


def simulation_value(run: Simulation, absent: Sequence[str]) -> dict[str, Any]:
    return {
        "pack": run.law.pack.id,
        "digest": run.law.pack.digest,
        "on": str(run.law.on),
        "changed": list(run.law.changed),
        "applicants": run.population.size,
        "absent_facts": list(absent),
        "rules": [
            {
                "rule": name,
                "mode": rule.bound.rule.mode,
                "counts": {o.value: n for o, n in rule.counts.items() if n},
                "due": None if rule.bound.amount is None else plain(rule.due_fen),
                "granted": None if rule.bound.amount is None else plain(rule.granted_fen),
            }
            for name, rule in run.rules.items()
        ],
        "contests": [
            {
                "rule": c.rule,
                "year": c.year,
                "places": c.places,
                "entries": c.entries,
                "winners": [run.population.name(row) for row in c.winners],
            }
            for c in run.contests
        ],
        "pools": [_pool_value(run, pool) for pool in run.pools],
        "granted": plain(run.granted_fen),
    }


def _pool_value(run: Simulation, pool: PoolRun) -> dict[str, Any]:
    return {
        "pool": pool.pool,
        "rules": list(pool.rules),
        "year": pool.year,
        "sharing": pool.sharing,
        "size": plain(pool.size),
        "claims": pool.claims,
        "claimed": plain(pool.claimed),
        "paid": plain(pool.paid),
        "exhausted": pool.exhausted,
        "short_on": None if pool.short_on is None else str(pool.short_on),
        "short_at": None if pool.short_at is None else run.population.name(pool.short_at),
    }


# ── before and after ──────────────────────────────────────────────────────────────────────────────


def comparison_lines(found: Comparison, absent: Sequence[str]) -> Iterator[str]:
    before, after = found.before, found.after
    yield f"主体 {before.population.size:,} 个，适用 {before.law.on}"
    yield from _absent(absent)
    if after.law.changed:
        yield f"试改：{'、'.join(after.law.changed)}"
    changed = [rule for rule in found.rules if _changed(rule)]
    yield from (_rule_change(rule) for rule in changed)
    if len(changed) < len(found.rules):
        yield f"其余 {len(found.rules) - len(changed)} 条给钱的规则人数和金额都不变"
    for words, run in (("改前", before), ("改后", after)):
        yield from (f"{words} {_pool(run, pool)}" for pool in run.pools)
    yield f"多得 {found.winners:,} 个，共 {yuan(found.won_fen)}；少得 {found.losers:,} 个，共 {yuan(found.lost_fen)}"
    for one in found.top:
        change = signed(one.after_fen - one.before_fen)
        yield f"  {one.applicant}：{yuan(one.before_fen)} → {yuan(one.after_fen)}（{change}）"
    difference = after.granted_fen - before.granted_fen
    yield f"合计 {yuan(before.granted_fen)} → {yuan(after.granted_fen)}（{signed(difference)}）"


def _changed(rule: RuleChange) -> bool:
    return rule.eligible[0] != rule.eligible[1] or rule.granted_fen[0] != rule.granted_fen[1]


def _rule_change(rule: RuleChange) -> str:
    people = " → ".join("没有" if n is None else f"{n:,} 个" for n in rule.eligible)
    money = " → ".join("没有" if fen is None else yuan(fen) for fen in rule.granted_fen)
    change = signed((rule.granted_fen[1] or 0) - (rule.granted_fen[0] or 0))
    return f"{rule.rule} {rule.title}：符合 {people}；金额 {money}（{change}）"


def comparison_value(found: Comparison, absent: Sequence[str]) -> dict[str, Any]:
    return {
        "before": simulation_value(found.before, absent),
        "after": simulation_value(found.after, absent),
        "winners": found.winners,
        "won": plain(found.won_fen),
        "losers": found.losers,
        "lost": plain(found.lost_fen),
        "top": [
            {"applicant": c.applicant, "before": plain(c.before_fen), "after": plain(c.after_fen)}
            for c in found.top
        ],
    }


# ── two packs ─────────────────────────────────────────────────────────────────────────────────────


def difference_row(difference: Difference) -> tuple[str, ...]:
    kind = KINDS[difference.kind]
    return kind, difference.name, difference.field, difference.before, difference.after


def difference_value(difference: Difference) -> dict[str, str]:
    return {
        "kind": difference.kind,
        "name": difference.name,
        "field": difference.field,
        "before": difference.before,
        "after": difference.after,
    }
