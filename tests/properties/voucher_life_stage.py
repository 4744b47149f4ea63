"""A province with two users of one provider, each with a voucher of a case, and its score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Role
from jinsuan.metering.models import Contract, ContractLine
from jinsuan.vouchers.actions import book_top_up
from jinsuan.vouchers.actions.grant import issue_granted
from jinsuan.vouchers.models import Programme, Voucher
from tests.flows.voucher_world import AFTER_NOTICE, NOW, Cast, make_cast, provide_check_data
from tests.flows.world import SYSTEM, organisation, person
from tests.properties.voucher_life_model import Score, VoucherScore

SHANXI, BEIJING = "shanxi-2024-35", "beijing-2023-ai-voucher"
CASH = 60_000
CAP = 100_000_000


@dataclass(slots=True)
class Stage:
    """Who acts; built once, each story begins here."""

    casts: tuple[Cast, Cast]

    @property
    def cast(self) -> Cast:
        return self.casts[0]

    @property
    def deduct(self) -> bool:
        return self.cast.pack == SHANXI

    def answers(self, place: int) -> dict[str, str]:
        """The second user leads a national project: a higher rate, where the law has one."""
        return {"m09_leads_national": "yes"} if self.deduct and place else {}

    def rate(self, place: int) -> Fraction:
        return Fraction(3, 10) if self.answers(place) else Fraction(1, 5)

    def score(self) -> Score:
        """What stands in the books before a story begins."""
        programme = Programme.objects.get()
        score = Score(
            programme=programme.code,
            deduct=self.deduct,
            provider=self.cast.world.provider,
            closes_on=programme.closes_on,
            total=programme.pool_fen,
            pool=programme.pool_fen,
            caps={},
            cash={cast.tenant.organisation: CASH for cast in self.casts},  # type: ignore[misc]
            bank=CASH * 2,
        )
        for place, cast in enumerate(self.casts):
            high = place and self.deduct
            score.caps[cast.world.tenant] = CAP if self.deduct and not high else 2 * CAP
            score.granted[cast.world.tenant] = 0
        for row in Voucher.objects.all():
            add_voucher(score, row)
            score.pool -= row.face_fen
            score.granted[row.tenant_id] += row.face_fen
        return score


def add_voucher(score: Score, row: Voucher) -> None:
    score.vouchers[row.id] = VoucherScore(
        id=row.id,
        tenant=row.tenant_id,
        face=row.face_fen,
        rate=row.rate,
        valid_from=row.valid_from,
        expires_on=row.expires_on,
        contract=row.contract_id,
        left=row.face_fen,
    )
    if row.contract_id is not None:
        lines = ContractLine.objects.filter(contract=row.contract_id)
        fen = sum(line.ceiling_fen or 0 for line in lines)
        score.papers.ceilings[row.contract_id] = fen


def make_stage(pack: str) -> Stage:
    first = make_cast(pack, cash="600")
    other = organisation(12, "丁研究院", NOW)
    world = replace(first.world, tenant=other, researcher=person("doctor", other, Role.TENANT, NOW))
    second = replace(first, world=world, tenant=world.researcher)
    book_top_up(
        tenant=other,
        amount=Money(CASH),
        bank_reference="BANK0002",
        actor=first.world.treasury,
        now=NOW,
    )
    provide_check_data(world.provider, other, now=NOW)
    stage = Stage((first, second))
    for place, (cast, yuan) in enumerate(zip(stage.casts, ("505.55", "350.03"), strict=True)):
        case = cast.apply(f"HT-{place}", yuan, **stage.answers(place))
        cast.recommend(case)
        cast.approve(case, **chosen(cast, Money.yuan(yuan).fen))
        issue_granted(case, actor=SYSTEM, now=AFTER_NOTICE)
    return stage


def chosen(cast: Cast, fen: int) -> dict[str, Any]:
    """Under a ceiling rule the officer names the sum: a fifth of the contract, rounded down."""
    return {} if cast.pack == SHANXI else {"chosen": Money(fen // 5)}


def contract_on(tenant: UUID, now: datetime) -> UUID | None:
    """The contract signed last of those in force; None: the standard one."""
    today = beijing_date(now)
    found = [
        row
        for row in Contract.objects.filter(tenant=tenant, standard=False)
        if row.effective_from <= today
        and (row.effective_to is None or today < row.effective_to)
        and row.signed_on is not None
    ]
    found.sort(key=lambda row: (row.signed_on, row.recorded_at, row.id))
    return found[-1].id if found else None
