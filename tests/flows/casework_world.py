"""People around a case: an applicant, its recommending city, the province, the treasury."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from jinsuan.casework.actions.cases import move_case, open_case
from jinsuan.casework.actions.decisions import decide_case
from jinsuan.casework.models import Case
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.policy.decide import Dates
from jinsuan.policy.facts import Known
from jinsuan.policy.pack import Attest
from jinsuan.registry.actions.people import give_role, register_bodies, register_person
from jinsuan.registry.models import Body
from tests.flows.world import SYSTEM, organisation, person

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
PACK = "shanxi-2024-35"
FACTS: dict[str, int] = {
    "g_applicant": 0,
    "g_dishonest": 0,
    "g_criticised": 0,
    "g_other_provincial_money": 0,
    "g_other_direction": 0,
    "m09_user_kind": 0,
    "m09_shanxi_compute": 1,
    "m09_on_platform": 1,
    "m09_contract": 100_000_004,
    "m09_contract_used": 0,
    "m09_leads_national": 0,
    "m09_develops_model": 0,
    "m09_received": 0,
}


def known(attest: Attest = Attest.MEASURED, **changes: int) -> dict[str, Known]:
    return {name: Known(value, attest, "合同") for name, value in (FACTS | changes).items()}


def recommender(username: str, bureau: UUID, body: UUID) -> Actor:
    ref = register_person(
        username=username, display_name=username, password=None, actor=SYSTEM, now=NOW
    )
    give_role(
        person=ref.id,
        organisation=bureau,
        role=Role.RECOMMENDER,
        effective_from=date(2025, 1, 1),
        body=body,
        actor=SYSTEM,
        now=NOW,
    )
    return Actor(person=ref.id, organisation=bureau, role=Role.RECOMMENDER, via="test")


@dataclass(slots=True)
class Desk:
    """Whom casework tests need to name."""

    body: UUID
    tenant: Actor
    rival: Actor
    city: Actor
    other_city: Actor
    officer: Actor
    second: Actor
    payer: Actor
    checker: Actor
    auditor: Actor
    expert: Actor

    def open(self, actor: Actor | None = None, kind: str = "voucher") -> UUID:
        ref = open_case(
            kind=kind,
            programme="m09",
            title="训练用算力",
            body=self.body,
            actor=actor or self.tenant,
            now=NOW,
        )
        return ref.id

    def move(self, case: UUID, name: str, actor: Actor, now: datetime = NOW) -> Ref:
        return move_case(case, name, reason="核过原件", actor=actor, now=now)

    def to_province(self) -> UUID:
        case = self.open()
        self.move(case, "提交", self.tenant)
        self.move(case, "初核通过", SYSTEM)
        self.move(case, "推荐", self.city)
        return case

    def decide(self, case: UUID, **more: Any) -> Ref:
        given = {
            "pack": PACK,
            "rule": "m09",
            "facts": known(),
            "dates": Dates(application=date(2025, 9, 16)),
            "actor": self.officer,
            "now": NOW,
        }
        return decide_case(case, **{**given, **more})

    def to_notice(self) -> UUID:
        case = self.to_province()
        self.decide(case)
        self.move(case, "审定通过", self.officer)
        return case

    def to_payable(self, actor: Actor | None = None) -> UUID:
        case = self.open(actor, kind="redemption")
        self.move(case, "提交", actor or self.tenant)
        self.move(case, "核对一致", SYSTEM)
        self.move(case, "核定", self.officer)
        return case


def state(case: UUID) -> str:
    return Case.objects.get(id=case).state


def make_desk() -> Desk:
    register_bodies(actor=SYSTEM, now=NOW)
    body = Body.objects.get(code="140100").id
    firm, rival = organisation(1, "甲企业", NOW), organisation(2, "乙企业", NOW)
    city, province = organisation(3, "太原局", NOW), organisation(4, "省局", NOW)
    purse = organisation(5, "财政厅", NOW)
    return Desk(
        body=body,
        tenant=person("tenant", firm, Role.TENANT, NOW),
        rival=person("rival", rival, Role.TENANT, NOW),
        city=recommender("city", city, body),
        other_city=recommender("datong", city, Body.objects.get(code="140200").id),
        officer=person("officer", province, Role.PROVINCIAL_OFFICER, NOW),
        second=person("second", province, Role.PROVINCIAL_OFFICER, NOW),
        payer=person("payer", purse, Role.TREASURY, NOW),
        checker=person("checker", purse, Role.TREASURY, NOW),
        auditor=person("auditor", province, Role.AUDITOR, NOW),
        expert=person("expert", province, Role.EXPERT, NOW),
    )
