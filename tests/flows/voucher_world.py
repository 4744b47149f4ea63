"""A province in which vouchers are asked for, granted, used, redeemed and clawed back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from jinsuan.casework.actions.cases import move_case
from jinsuan.casework.actions.evidence import attach
from jinsuan.casework.files import StoredFile
from jinsuan.casework.models import Case
from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.pace import SyncPace
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.protocol.messages import AttemptReport, SyncRequest, UsageReading
from jinsuan.protocol.states import AttemptState, EndCause
from jinsuan.registry.actions.people import register_bodies
from jinsuan.registry.models import AgentChannel, Body
from jinsuan.vouchers.actions import top_up
from jinsuan.vouchers.actions.apply import (
    ContractTerms,
    Line,
    prove_fact,
    start_application,
    submit_application,
)
from jinsuan.vouchers.actions.grant import approve_application, issue_granted, pass_checks
from jinsuan.vouchers.actions.issue import open_year
from tests.flows.casework_world import recommender
from tests.flows.check_data import provide_check_data
from tests.flows.world import SYSTEM, World, make_world, organisation, person

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
AFTER_NOTICE = datetime(2025, 9, 29, 1, 0, tzinfo=UTC)
ANSWERS = {
    "shanxi-2024-35": {
        "g_applicant": "legal_person",
        "g_dishonest": "no",
        "g_criticised": "no",
        "g_other_provincial_money": "no",
        "g_other_direction": "no",
        "m09_user_kind": "university",
        "m09_leads_national": "no",
        "m09_develops_model": "no",
    },
    "beijing-2023-ai-voucher": {
        "b_legal_person": "yes",
        "b_in_beijing": "yes",
        "b_industry": "software",
        "b_direction": "yes",
        "b_finance": "yes",
        "b_never_dishonest": "yes",
        "b_other_municipal_money": "no",
        "b_related": "no",
        "b_model_use": "yes",
    },
}


@dataclass(slots=True)
class Cast:
    """Whom voucher tests need to name."""

    world: World
    body: UUID
    tenant: Actor
    provider: Actor
    city: Actor
    officer: Actor
    second: Actor
    payer: Actor
    checker: Actor
    pack: str

    def apply(
        self, number: str = "HT-1", yuan: str = "10000", now: datetime = NOW, **answers: str
    ) -> UUID:
        """Hand in an application on a contract of so many yuan; returns the case."""
        case = start_application(
            programme=self.programme,
            body=self.body,
            terms=self.terms(number, yuan, now),
            purpose="训练一个行业模型",
            related=False,
            answers={**ANSWERS[self.pack], **answers},
            actor=self.tenant,
            now=now,
        ).id
        for purpose in ("contract", "promise", *(k for k, v in answers.items() if v == "yes")):
            attach(case, paper(f"{number}{purpose}"), purpose=purpose, actor=self.tenant, now=now)
        prove_all(case, self.tenant, now)
        submit_application(case, actor=self.tenant, now=now)
        return case

    @property
    def programme(self) -> str:
        return "2025:m09" if self.pack.startswith("shanxi") else "2025:b01"

    def terms(self, number: str, yuan: str, now: datetime) -> ContractTerms:
        return ContractTerms(
            number=number,
            provider=self.world.provider,
            signed_on=now.date(),
            starts_on=now.date(),
            ends_on=now.date() + timedelta(days=200),
            lines=(Line(category="compute", description="T4 算力", amount=Money.yuan(yuan)),),
        )

    def recommend(self, case: UUID, now: datetime = NOW) -> None:
        assert pass_checks(case, actor=SYSTEM, now=now)
        move_case(case, "推荐", reason="核过原件", actor=self.city, now=now)

    def approve(self, case: UUID, now: datetime = NOW, **more: Any) -> Ref:
        return approve_application(case, reason="符合（九）", actor=self.officer, now=now, **more)

    def grant(self, number: str = "HT-1", yuan: str = "10000", **answers: str) -> Ref:
        """From the application to the issued voucher."""
        case = self.apply(number, yuan, **answers)
        self.recommend(case)
        self.approve(case)
        return issue_granted(case, actor=SYSTEM, now=AFTER_NOTICE)

    def use(self, hours: int, now: datetime, key: str = "job") -> Ref:
        """Run one job of 2 cards for so many hours and settle it: 7.13 yuan an hour."""
        # Flow tests speak for the agent, whose messages would show that it is in touch.
        AgentChannel.objects.update(last_seen_at=now)
        ref = self.world.submit(cards=2, key=key, now=now, max_duration=f"{hours}h")
        assert dispatch.place_queued(now=now) == 1
        (lease,) = speak(self.world, at=now).leases
        # What the worker does bit by bit while a long job runs: hold all that it may cost.
        attempt = Ref.read(lease.attempt).id
        top_up(attempt, Money.yuan("90000"), actor=SYSTEM, now=now)
        end = now + timedelta(hours=hours)
        usage = tuple(
            UsageReading(resource=r, milli_unit_seconds=m * hours * 3600, occurred_at=end)
            for r, m in (("card:T4", 2000), ("cpu_core", 2000), ("memory_gib", 1000))
        )
        report = AttemptReport(
            attempt=lease.attempt,
            fencing=1,
            revision=1,
            state=AttemptState.ENDED,
            started_at=now,
            usage=usage,
            ended_at=end,
            exit_code=0,
            cause=EndCause.EXITED,
        )
        speak(self.world, report, at=end)
        assert dispatch.settle(now=end) == 1
        return ref


def prove_all(case: UUID, actor: Actor, now: datetime) -> None:
    """Each attachment whose purpose is a fact proves that fact."""
    for row in Case.objects.get(id=case).attachments.exclude(purpose__in=("contract", "promise")):
        prove_fact(case, row.purpose, row.id, actor=actor, now=now)


def paper(name: str) -> StoredFile:
    """A stored file of a content of its own; its bytes lie nowhere, as no test here reads them."""
    from hashlib import sha256

    return StoredFile(
        sha256=sha256(name.encode()).digest(), size=10, media="application/pdf", name=f"{name}.pdf"
    )


def speak(world: World, *reports: AttemptReport, at: datetime) -> Any:
    return dispatch.sync(
        world.centre_id,
        world.centre,
        SyncRequest(protocol=1, agent_version="test", reports=reports),
        pace=SyncPace(),
        now=at,
    )


def make_cast(pack: str = "shanxi-2024-35", *, year: int = 2025, cash: str = "100000") -> Cast:
    world = make_world(now=NOW, voucher="0", cash=cash)
    register_bodies(actor=SYSTEM, now=NOW)
    body = Body.objects.get(code="140100").id
    city, purse = organisation(8, "太原局", NOW), organisation(9, "财政厅", NOW)
    second = person("second", organisation(7, "省局", NOW), Role.PROVINCIAL_OFFICER, NOW)
    rule = "m09" if pack.startswith("shanxi") else "b01"
    pool = None if rule == "m09" else Money.yuan("1000000")
    open_year(pack=pack, rule=rule, number=year, pool=pool, actor=world.officer, now=NOW)
    provide_check_data(world.provider, world.tenant, now=NOW)
    return Cast(
        world=world,
        body=body,
        tenant=world.researcher,
        provider=person("seller", world.provider, Role.CENTRE_OPERATOR, NOW),
        city=recommender("city", city, body),
        officer=world.officer,
        second=second,
        payer=person("payer", purse, Role.TREASURY, NOW),
        checker=person("checker", purse, Role.TREASURY, NOW),
        pack=pack,
    )


TODAY = date(2025, 9, 29)
