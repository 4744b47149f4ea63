"""Run the automatic checks of a case (疑点核查). They freeze and never decide; see docs/concepts/money.md.

Fail closed: a check that crashes or cannot look is a doubt of its own. No limit of time or number is
quietly a pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

import structlog
from django.db import transaction

from jinsuan.casework.actions.cases import locked
from jinsuan.casework.actions.evidence import open_finding
from jinsuan.casework.models import Case, Finding
from jinsuan.kernel.errors import NotAllowed
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.queries_relations import Surroundings
from jinsuan.vouchers.actions.paper_index import index_papers
from jinsuan.vouchers.checks import DataLacking, Doubt, papers, parties, trips, use
from jinsuan.vouchers.checks.thresholds import Thresholds, thresholds
from jinsuan.vouchers.errors import NewDoubts
from jinsuan.vouchers.models import CheckRun
from jinsuan.vouchers.queries_checks import (
    Subject,
    around,
    charges_of,
    end_of,
    group_of,
    invoices_of,
    papers_of,
    parties_of,
    quotes_of,
    series_of,
    subject_of,
    warning_on,
)
from jinsuan.vouchers.queries_redeem import four_of
from jinsuan.vouchers.queries_trips import circle_of, days_told, movements_of

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
    "load": "忙闲（利用率）",
    "invoices": "发票号码",
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
        index_papers(self.subject.application, self.at.copies)
        return papers_of(self.subject, self.group)

    @property
    def contract(self) -> UUID:
        if self.subject.contract is None:
            raise DataLacking("合同没有登记，计量无从对照", "请退回补正，登记合同")
        return self.subject.contract


def _related(look: _Look) -> list[Doubt]:
    return parties.related(parties_of(look.subject, look.around), look.at.related)


def _round_trip(look: _Look) -> list[Doubt]:
    at, provider = look.at.round_trip, look.subject.application.provider_id
    circle = circle_of(look.subject, look.around, look.at.related)
    moved = movements_of(look.subject, look.group, circle, look.around)
    found = trips.round_trips(moved, provider=provider, group=look.group, circle=circle, at=at)
    since = min((one.on for one in moved if one.receiver == provider), default=None)
    told = [] if since is None else days_told(since)
    today = beijing_date(look.now)
    trips.check_told(moved, told, provider=provider, today=today, at=at, found=found)
    return found


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
        ends=end_of(look.subject),
        at=look.at.after_end,
    )


def _over_contract(look: _Look) -> list[Doubt]:
    asked, row = look.subject.redemption, look.subject.application
    assert asked is not None, "only redemptions are compared with use"
    # As they are now: what stands on the row was worked out when it was handed in.
    four = four_of(asked.voucher, through=asked.through)
    return use.over_contract(
        contract=Ref("contract", look.contract),
        amount=four.contract,
        metered=four.metered,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        today=min(beijing_date(look.now), asked.through),
        at=look.at.over_contract,
    )


def _pattern(look: _Look) -> list[Doubt]:
    return use.patterns(series_of(look.contract), look.at.pattern)


def _load(look: _Look) -> list[Doubt]:
    """Readings say what an attempt held, not what it did: nothing here can tell idle from busy."""
    if not series_of(look.contract):
        return []
    raise DataLacking(
        "读数只有占用量，没有利用率或功率，看不出是空转还是在用",
        "请向中心索取这段时间的利用率或功率记录，核对后写明依据；中心监测接入以前，"
        "省级可以用 jinsuan check mode load 设定只提示",
    )


def _invoices(look: _Look) -> list[Doubt]:
    assert look.subject.redemption is not None, "only redemptions count invoices"
    return papers.claimed_elsewhere(invoices_of(look.subject))


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
    "load": _load,
    "invoices": _invoices,
}
CHECKS = {"voucher": APPLYING, "redemption": REDEEMING}


@dataclass(frozen=True, slots=True)
class _Looked:
    """What one run came to: its checks, and every doubt with whether it freezes."""

    checks: tuple[str, ...]
    family: list[UUID]
    found: list[tuple[Doubt, bool]]
    warning: tuple[str, ...]


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
    at, looked = thresholds(), _look_through(row, now)
    fresh = _fresh(row, looked)
    for doubt, blocking in fresh:
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
    CheckRun.objects.create(
        case=row,
        moves_made=row.moves_made,
        checks=list(looked.checks),
        opened=len(fresh),
        thresholds_digest=at.digest,
        recorded_at=now,
    )
    after = {
        "case": row.number,
        "moves_made": row.moves_made,
        "checks": list(looked.checks),
        "opened": len(fresh),
        "warns_only": list(looked.warning),
        "thresholds_sha256": at.digest.hex(),
    }
    note = Note(action="case.check", subject=Ref("case", row.id), after=after)
    record([note], actor=actor, now=now)
    return len(fresh)


def refuse_new_doubts(case: Case, *, now: datetime) -> None:
    """Look once more, inside the transaction that signs: what came up since the last run, and so
    has no finding yet, stops it. It writes no finding, because the refusal would take it back;
    whoever catches this runs `check_case` afterwards.

    Raises:
        NewDoubts: with the titles.
    """
    fresh = _fresh(case, _look_through(case, now))
    titles = tuple(dict.fromkeys(doubt.title for doubt, blocking in fresh if blocking))
    if titles:
        raise NewDoubts(case.number, titles)


def _look_through(row: Case, now: datetime) -> _Looked:
    at, subject, warning = thresholds(), subject_of(row), warning_on(beijing_date(now))
    if subject is None:
        words = "案件里没有申领或兑付的内容"
        doubt = _unchecked(row, "subject", words, "请退回补正")
        return _Looked((), [row.id], [(doubt, True)], warning)
    look, found = _Look(subject, at, now), list[tuple[Doubt, bool]]()
    for name, check in CHECKS[row.kind].items():
        found += _run(row, name, check, look, freezes=name not in warning)
    return _Looked(tuple(CHECKS[row.kind]), subject.family, found, warning)


def checked(case: Case) -> bool:
    """Whether the checks ran over the papers as they were last handed in."""
    return CheckRun.objects.filter(case=case, moves_made=case.moves_made).exists()


def _run(
    row: Case, name: str, check: Check, look: _Look, *, freezes: bool
) -> list[tuple[Doubt, bool]]:
    """One check inside a savepoint, so that a query that fails takes nothing else with it."""
    try:
        with transaction.atomic():
            return [(doubt, True) for doubt in check(look)]
    except DataLacking as error:
        lacking = _unchecked(row, name, error.why, error.mend)
        return [*((doubt, True) for doubt in error.found), (lacking, freezes)]
    except Exception as error:  # whatever it is, a check that fell over is no pass
        log.exception("check failed", check=name, case=row.number)
        why = f"核查程序出错（{type(error).__name__}），没有得出结论；错误已记入运行日志"
        return [(_unchecked(row, name, why, "请报告平台运维"), True)]


def _unchecked(row: Case, name: str, why: str, mend: str) -> Doubt:
    return Doubt(
        code=UNCHECKED.format(name),
        title=f"“{LABELS[name]}”未能核对",
        evidence=(Ref("case", row.id),),
        detail=f"{why}。核查不了不等于通过：{mend}。",
    )


def _fresh(row: Case, looked: _Looked) -> list[tuple[Doubt, bool]]:
    """What nobody has been asked yet."""
    mine = Finding.objects.filter(case=row)
    explained = Finding.objects.filter(
        case__in=looked.family, verdict=Finding.Verdict.EXPLAINED, blocking=True
    )
    known = {
        _same(code, tuple(evidence), detail, blocking=blocking)
        for rows in (mine, explained)
        for code, evidence, detail, blocking in rows.values_list(
            "code", "evidence", "detail", "blocking"
        )
    }
    fresh = []
    for doubt, blocking in looked.found:
        evidence = tuple(str(one) for one in doubt.evidence)
        # One that froze and was answered is known as a mere warning too, and not the other way.
        keys = {_same(doubt.code, evidence, doubt.detail, blocking=one) for one in {blocking, True}}
        if keys & known:
            continue
        known |= keys
        fresh.append((doubt, blocking))
    return fresh


def _same(
    code: str, evidence: tuple[str, ...], detail: str, *, blocking: bool
) -> tuple[object, ...]:
    """By what a doubt is known again. What could not be checked has only the case for evidence, so
    its words count: who explained a missing register has said nothing of a crash.
    """
    return (code, evidence, detail if code.endswith(UNCHECKED.format("")) else "", blocking)
