"""Decide a case by the law: the amount comes from `policy.decide`, never from a keyboard."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from jinsuan.casework import snapshot
from jinsuan.casework.actions.cases import (
    check_free_to_act,
    check_not_frozen,
    hold_hand,
    locked,
)
from jinsuan.casework.errors import AmountRefused
from jinsuan.casework.models import Decision
from jinsuan.kernel.errors import BadInput, NotAllowed
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.digest import canonical, digest
from jinsuan.policy.decide import Dates, Outcome, decide
from jinsuan.policy.facts import Known
from jinsuan.policy.law import Law
from jinsuan.policy.library import law_on
from jinsuan.policy.pack import Mode


@transaction.atomic
def decide_case(
    case: UUID,
    *,
    pack: str,
    rule: str,
    facts: Mapping[str, Known],
    dates: Dates,
    law_day: date | None = None,
    chosen: Money | None = None,
    reason: str = "",
    actor: Actor,
    now: datetime,
) -> Ref:
    """Judge the case's papers as they are now (判定).

    Args:
        chosen: under a ceiling, the amount the officer sets, at most the bound, with a reason.
            Under a fixed rule nobody chooses.
        law_day: the day whose parameters apply; the day of application when left out.

    Raises:
        NotFound: no such case for this actor.
        NotAllowed: the actor is no provincial officer.
        CaseFrozen, ConflictOfInterest, SamePerson: as for a move.
        BadInput: the pack has no such rule or fact.
        AmountRefused: an amount typed where none may be, above the bound, or without a reason.
        PackNotFound, PackInvalid.
    """
    row = locked(case, actor=actor, now=now)
    if actor.role is not Role.PROVINCIAL_OFFICER:
        raise NotAllowed("判定案件", "省级经办")
    assert actor.person is not None, "an officer is a person"
    check_not_frozen(row)
    check_free_to_act(row, actor, now=now)
    given = law_day or dates.application
    decided = decide(_law(pack, given, rule, facts), facts, dates)
    found = decided.of(rule)
    bound = found.amount if found.outcome is Outcome.ELIGIBLE else None
    amount = amount_of(found.bound.rule.mode, bound, chosen, reason)
    text = canonical(snapshot.plain(snapshot.take(decided, facts, law_on=given, rule=rule)))
    made = Decision.objects.create(
        case=row,
        moves_made=row.moves_made,
        pack=pack,
        rule=rule,
        mode=found.bound.rule.mode,
        outcome=found.outcome,
        bound_fen=None if bound is None else bound.fen,
        amount_fen=None if amount is None else amount.fen,
        content=text,
        content_digest=digest(text),
        reason=reason.strip(),
        level=hold_hand(row, actor),
        person=actor.person,
        recorded_at=now,
    )
    _note(made, actor, now)
    return Ref("decision", made.id)


def _law(pack: str, day: date, rule: str, facts: Mapping[str, Known]) -> Law:
    law = law_on(pack, day)
    if rule not in law.rules:
        raise BadInput("规则", f"规则包 {pack} 没有 {rule[:40]}", "请从该规则包的规则中选一条。")
    unknown = sorted(facts.keys() - law.pack.facts.keys())
    if unknown:
        raise BadInput("事实", f"规则包没有 {unknown[0][:40]}", "请对照规则包的事实清单。")
    return law


def _note(made: Decision, actor: Actor, now: datetime) -> None:
    after = {
        "case": made.case.number,
        "rule": f"{made.pack}#{made.rule}",
        "outcome": str(made.outcome),
        "bound_fen": made.bound_fen,
        "amount_fen": made.amount_fen,
        "content_sha256": made.content_digest.hex(),
    }
    subject = Ref("decision", made.id)
    note = Note(action="case.decide", subject=subject, reason=made.reason, after=after)
    record([note], actor=actor, now=now)


def amount_of(mode: Mode, bound: Money | None, chosen: Money | None, reason: str) -> Money | None:
    """The amount: the law's own under a fixed rule, the officer's within the bound elsewhere.

    Raises:
        AmountRefused.
    """
    if bound is None:
        if chosen is not None:
            raise AmountRefused("按规则没有可以给的金额", None, "请先补齐事实，或按结论不予通过。")
        return None
    if mode is Mode.FIXED:
        if chosen is not None:
            raise AmountRefused("这条规则按标准给，金额不能手填", bound, "请去掉手填的金额。")
        return bound
    if chosen is None:
        raise AmountRefused("规则给的只是上限，要写明定多少", bound, "请填写金额和理由。")
    if not Money(0) <= chosen <= bound:
        raise AmountRefused(f"所定的 {chosen} 不在 0 和上限之间", bound, "请改小金额。")
    if not reason.strip():
        raise AmountRefused("在上限之内定金额要写明理由", bound, "请写明为什么定这么多。")
    return chosen
