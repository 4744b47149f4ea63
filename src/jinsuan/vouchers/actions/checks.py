"""Run the automatic checks of a case (疑点核查). They freeze and never decide; see docs/concepts/money.md.

Fail closed: a check that crashes or cannot look is a doubt of its own. No limit of time or number is
quietly a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from uuid import UUID

import structlog
from django.db import transaction

from jinsuan.casework.actions.cases import locked
from jinsuan.casework.actions.evidence import open_finding
from jinsuan.casework.models import Case, Finding
from jinsuan.kernel.errors import NotAllowed
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.queries_relations import Surroundings
from jinsuan.vouchers.checks import DataLacking, Doubt, papers, parties, use
from jinsuan.vouchers.checks.thresholds import Thresholds, thresholds
from jinsuan.vouchers.models import CheckRun
from jinsuan.vouchers.queries_checks import (
    Subject,
    around,
    charges_of,
    first_moment_after,
    group_of,
    movements_of,
    papers_of,
    parties_of,
    quotes_of,
    series_of,
    subject_of,
)

log = structlog.get_logger(__name__)
LABELS = {
    "related": "关联方",
    "round_trip": "资金回流",
    "copies": "合同重复与文字雷同",
    "splitting": "拆分合同",
    "price": "卡时价格",
    "after_end": "到期后计费",
    "over_contract": "合同与用量",
    "pattern": "用量形态",
    "subject": "核查对象",
}
UNCHECKED = "{}_unchecked"


class _Look:
    """One run: what several checks share is looked up once, inside the first that asks."""

    def __init__(self, subject: Subject, at: Thresholds, now: datetime) -> None:
        self.subject, self.at, self.now = subject, at, now

    @cached_property
    def around(self) -> Surroundings:
        return around(self.subject, self.at.related, now=self.now)

    @cached_property
    def group(self) -> frozenset[UUID]:
        return group_of(self.subject, self.around, self.at.related)

    @cached_property
    def papers(self) -> tuple[papers.Paper, list[papers.Paper]]:
        return papers_of(self.subject, self.group)

    @property
    def contract(self) -> UUID:
        if self.subject.contract is None:
            raise DataLacking("合同没有登记，计量无从对照")
        return self.subject.contract


def _related(look: _Look) -> list[Doubt]:
    return parties.related(parties_of(look.subject, look.around), look.at.related)


def _round_trip(look: _Look) -> list[Doubt]:
    provider = look.subject.application.provider_id
    moved = movements_of(provider, look.group)
    return parties.round_trips(moved, provider=provider, group=look.group, at=look.at.round_trip)


def _copies(look: _Look) -> list[Doubt]:
    mine, others = look.papers
    return [*papers.same_contract(mine, others), *papers.near_copies(mine, others, look.at.copies)]


def _splitting(look: _Look) -> list[Doubt]:
    mine, others = look.papers
    return papers.splitting(mine, others, look.at.splitting)


def _price(look: _Look) -> list[Doubt]:
    return use.price_band(quotes_of(look.subject, now=look.now), look.at.price)


def _after_end(look: _Look) -> list[Doubt]:
    return use.after_end(
        charges_of(look.contract),
        contract=Ref("contract", look.contract),
        ends=first_moment_after(look.subject.application.ends_on),
        at=look.at.after_end,
    )


def _over_contract(look: _Look) -> list[Doubt]:
    asked, row = look.subject.redemption, look.subject.application
    assert asked is not None, "only redemptions are compared with use"
    return use.over_contract(
        contract=Ref("contract", look.contract),
        amount=Money(asked.contract_fen),
        metered=Money(asked.metered_fen),
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        today=min(beijing_date(look.now), asked.through),
        at=look.at.over_contract,
    )


def _pattern(look: _Look) -> list[Doubt]:
    return use.patterns(series_of(look.contract), look.at.pattern)


Check = Callable[[_Look], list[Doubt]]
APPLYING: dict[str, Check] = {
    "related": _related,
    "round_trip": _round_trip,
    "copies": _copies,
    "splitting": _splitting,
    "price": _price,
}
REDEEMING: dict[str, Check] = {
    **APPLYING,
    "after_end": _after_end,
    "over_contract": _over_contract,
    "pattern": _pattern,
}
CHECKS = {"voucher": APPLYING, "redemption": REDEEMING}


@transaction.atomic
def check_case(case: UUID, *, actor: Actor, now: datetime) -> int:
    """Look through a case and open a finding for every doubt; returns how many are new. Again is
    harmless: the same doubt with the same evidence is opened once, and one that was explained when
    the voucher was granted is not asked again when it is redeemed.

    Raises:
        NotFound: no such case for this actor.
        NotAllowed: neither the platform nor a provincial officer.
    """
    row = locked(case, actor=actor, now=now)
    if actor.role not in (Role.SYSTEM, Role.PROVINCIAL_OFFICER):
        raise NotAllowed("核查疑点", "平台或省级经办")
    at, subject = thresholds(), subject_of(row)
    checks = CHECKS[row.kind]
    if subject is None:
        checks, family = {}, [row.id]
        found = [_unchecked(row, "subject", "案件里没有申领或兑付的内容", at)]
    else:
        family, found = subject.family, []
        look = _Look(subject, at, now)
        for name, check in checks.items():
            found += _run(row, name, check, look)
    opened = _open(row, found, family, actor=actor, now=now)
    CheckRun.objects.create(
        case=row,
        moves_made=row.moves_made,
        checks=list(checks),
        opened=opened,
        thresholds_digest=at.digest,
        recorded_at=now,
    )
    after = {
        "case": row.number,
        "moves_made": row.moves_made,
        "checks": list(checks),
        "opened": opened,
        "thresholds_sha256": at.digest.hex(),
    }
    note = Note(action="case.check", subject=Ref("case", row.id), after=after)
    record([note], actor=actor, now=now)
    return opened


def checked(case: Case) -> bool:
    """Whether the checks ran over the papers as they were last handed in."""
    return CheckRun.objects.filter(case=case, moves_made=case.moves_made).exists()


def _run(row: Case, name: str, check: Check, look: _Look) -> list[tuple[Doubt, bool]]:
    """One check inside a savepoint, so that a query that fails takes nothing else with it."""
    try:
        with transaction.atomic():
            return [(doubt, True) for doubt in check(look)]
    except DataLacking as error:
        return [_unchecked(row, name, error.why, look.at)]
    except Exception as error:  # whatever it is, a check that fell over is no pass
        log.exception("check failed", check=name, case=row.number)
        why = f"核查程序出错（{type(error).__name__}），没有得出结论；错误已记入运行日志"
        doubt, _ = _unchecked(row, name, why, look.at)
        return [(doubt, True)]


def _unchecked(row: Case, name: str, why: str, at: Thresholds) -> tuple[Doubt, bool]:
    doubt = Doubt(
        code=UNCHECKED.format(name),
        title=f"“{LABELS[name]}”没有完成核查",
        evidence=(Ref("case", row.id),),
        detail=f"{why}。核查不了不等于通过，请人工核实后写明结论。",
    )
    return doubt, name == "subject" or name in at.unchecked_blocks


def _open(
    row: Case,
    found: Iterable[tuple[Doubt, bool]],
    family: list[UUID],
    *,
    actor: Actor,
    now: datetime,
) -> int:
    mine = Finding.objects.filter(case=row)
    explained = Finding.objects.filter(case__in=family, verdict=Finding.Verdict.EXPLAINED)
    known = {
        (code, tuple(evidence))
        for rows in (mine, explained)
        for code, evidence in rows.values_list("code", "evidence")
    }
    opened = 0
    for doubt, blocking in found:
        key = (doubt.code, tuple(str(one) for one in doubt.evidence))
        if key in known:
            continue
        known.add(key)
        opened += 1
        open_finding(
            row.id,
            code=doubt.code,
            title=doubt.title,
            blocking=blocking,
            evidence=doubt.evidence,
            owner=Role.PROVINCIAL_OFFICER,
            detail=doubt.detail,
            actor=actor,
            now=now,
        )
    return opened
