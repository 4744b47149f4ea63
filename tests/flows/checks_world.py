"""A year of vouchers, providers with prices, and applicants who hand in: for the automatic checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from jinsuan.casework.actions.evidence import attach, receive_file
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Role
from jinsuan.metering.actions import set_tariff
from jinsuan.policy.pack import Base
from jinsuan.policy.values import show
from jinsuan.registry.actions.centres import register_centre
from jinsuan.vouchers.actions.apply import (
    CONTRACT,
    PROMISE,
    ContractTerms,
    Line,
    start_application,
    submit_application,
)
from jinsuan.vouchers.actions.bank import take_bank_file
from jinsuan.vouchers.actions.bank_accounts import open_bank_account
from jinsuan.vouchers.actions.grant import pass_checks
from jinsuan.vouchers.actions.issue import open_year
from jinsuan.vouchers.models import BankAccount
from jinsuan.vouchers.terms import terms_of
from tests.bank_world import OWN, statement
from tests.flows import check_data
from tests.flows.casework_world import FACTS, NOW, PACK, Desk, make_desk
from tests.flows.world import PRICES, SYSTEM, organisation, person

KEYS = check_data.KEYS
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
PROGRAMME = "2025:m09"


def answers() -> dict[str, str]:
    """An ordinary applicant's, as people write them."""
    terms, today = terms_of(PACK, "m09"), date(2025, 9, 16)
    facts = terms.law(today).pack.facts
    return {
        name: facts[name].options[FACTS[name]][0]
        if facts[name].base is Base.ENUM
        else show(FACTS[name], facts[name])
        for name in terms.asked(today)
    }


@dataclass(slots=True)
class Year:
    """Whom and what the tests of the checks need to name."""

    desk: Desk
    provider: UUID
    operator: Actor
    centre: UUID
    applicants: int = 100

    def stranger(self, name: str) -> Actor:
        """Another applicant, with nothing in common with anybody."""
        self.applicants += 1
        firm = organisation(self.applicants, name, NOW)
        clean_register(firm, name)
        return person(f"who{self.applicants}", firm, Role.TENANT, NOW)

    def draft(
        self,
        actor: Actor | None = None,
        *,
        number: str = "HT-1",
        yuan: str = "100000",
        purpose: str = "训练",
        related: bool = False,
        now: datetime = NOW,
        **more: Any,
    ) -> UUID:
        terms = {
            "number": number,
            "provider": self.provider,
            "signed_on": date(2025, 9, 1),
            "starts_on": date(2025, 9, 1),
            "ends_on": date(2025, 12, 9),  # 100 days
            "lines": (Line(category="compute", description="T4", amount=Money.yuan(yuan)),),
        }
        return start_application(
            programme=PROGRAMME,
            body=self.desk.body,
            terms=ContractTerms(**{**terms, **more}),
            purpose=purpose,
            related=related,
            answers=answers(),
            actor=actor or self.desk.tenant,
            now=now,
        ).id

    def hand_in(self, case: UUID, actor: Actor | None = None, *, scan: bytes = b"") -> UUID:
        """Both papers, and hand it in."""
        who = actor or self.desk.tenant
        for purpose in (CONTRACT, PROMISE):
            data = PDF + (scan if scan and purpose == CONTRACT else f"%{case}{purpose}\n".encode())
            stored = receive_file(data, name=f"{purpose}.pdf")
            attach(case, stored, purpose=purpose, actor=who, now=NOW)
        submit_application(case, actor=who, now=NOW)
        return case

    def apply(self, actor: Actor | None = None, *, scan: bytes = b"", **more: Any) -> UUID:
        return self.hand_in(self.draft(actor, **more), actor, scan=scan)

    def passes(self, case: UUID, now: datetime = NOW) -> bool:
        return pass_checks(case, actor=SYSTEM, now=now)

    def bank(self, *rows: dict[str, str], now: datetime = NOW) -> None:
        """What the bank of the supervised account says, in one file."""
        if not BankAccount.objects.exists():
            open_bank_account(
                "supervised", name="监管户", bank="工行", number=OWN, purpose="充值", keys=KEYS,
                actor=self.desk.payer, now=NOW,
            )  # fmt: skip
        take_bank_file(
            statement(*rows), account="supervised", keys=KEYS, actor=self.desk.payer, now=now
        )


def clean_register(organisation: UUID, name: str) -> None:
    """What the business register says of somebody with no connections."""
    check_data.clean_register(organisation, name, now=NOW)


def relate(organisation: UUID, kind: str, value: str, share: int | None = None) -> UUID:
    return check_data.relate(organisation, kind, value, share, now=NOW)


def centre_of(owner: UUID, code: str, card: int = 350_000) -> UUID:
    ref = register_centre(
        code=code,
        name=f"中心 {code}",
        owner=owner,
        adcode="140100",
        kind="智算",
        network="",
        industry="",
        effective_from=date(2025, 1, 1),
        actor=SYSTEM,
        now=NOW,
    )
    prices = {**PRICES, "card:T4": card}
    day = date(2025, 9, 16)
    set_tariff(ref.id, prices, effective_on=day, reason="测试", actor=SYSTEM, now=NOW)
    return ref.id


def make_year(settings: Any, folder: Path) -> Year:
    """Everything clean: one provider at the price of three others, one applicant without ties."""
    settings.FILES_FOLDER = str(folder)
    desk = make_desk()
    open_year(pack=PACK, rule="m09", number=2025, actor=desk.officer, now=NOW)
    provider = organisation(50, "晋阳算力", NOW)
    for number in range(3):
        centre_of(organisation(60 + number, f"他方{number}", NOW), f"X0{number}")
    clean_register(provider, "晋阳算力")
    assert desk.tenant.organisation is not None
    clean_register(desk.tenant.organisation, "甲企业")
    check_data.only_warn("load", now=NOW)
    return Year(
        desk=desk,
        provider=provider,
        operator=person("operator", provider, Role.CENTRE_OPERATOR, NOW),
        centre=centre_of(provider, "J01"),
    )
