"""Doubts about money and use: round trips at application, and what only a redemption can show."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from jinsuan.casework.actions.evidence import close_finding
from jinsuan.casework.actions.payees import enter_payee_account
from jinsuan.casework.models import ClaimedDocument, Finding
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.metering.actions.invoices import register_payment
from jinsuan.vouchers.actions import checks
from jinsuan.vouchers.actions.bank_accounts import give_top_up_code
from jinsuan.vouchers.actions.check_settings import set_check_mode
from jinsuan.vouchers.actions.redeem import approve_redemption, start_redemption
from jinsuan.vouchers.errors import NewDoubts, RedemptionRefused
from jinsuan.vouchers.models import Application, BankEntry, CashOrder
from tests.flows.casework_world import NOW, state
from tests.flows.checks_world import KEYS, Year, make_year, relate
from tests.flows.redeem_world import ISSUED, granted, redeem, used
from tests.flows.world import organisation, person

pytestmark = pytest.mark.django_db
THEIRS = "0502123409300077777"
LATE = datetime(2025, 12, 20, 4, 0, tzinfo=NOW.tzinfo)
MIDWAY, LAST = date(2025, 10, 31), date(2025, 12, 9)


@pytest.fixture
def year(settings: Any, tmp_path: Path) -> Year:
    return make_year(settings, tmp_path)


def found(case: UUID) -> list[str]:
    return sorted(Finding.objects.filter(case=case, blocking=True).values_list("code", flat=True))


def frozen_until_explained(year: Year, case: UUID, code: str, now: datetime) -> Finding:
    assert not year.passes(case, now)
    assert found(case) == [code]
    assert state(case) == "checking"
    finding = Finding.objects.get(case=case, code=code)
    close_finding(
        finding.id, confirmed=False, reason="核过日志", proof="双方账户的纸质对账单",
        actor=year.desk.second, now=now,
    )  # fmt: skip
    assert year.passes(case, now)
    assert state(case) != "checking"
    return finding


def account_of(who: UUID, holder: str, number: str, actor: Actor) -> None:
    enter_payee_account(
        who, holder=holder, bank="工行太原", number=number, keys=KEYS, actor=actor, now=NOW
    )


def paid_slip(year: Year, case: UUID, yuan: str) -> None:
    contract = Application.objects.get(case=case).contract_id
    assert contract is not None
    register_payment(
        contract, bank_reference="P1", amount=Money.yuan(yuan), paid_on=date(2025, 9, 10),
        actor=year.desk.tenant, now=NOW,
    )  # fmt: skip


def code_of(tenant: Actor) -> str:
    assert tenant.organisation is not None
    return give_top_up_code(tenant.organisation, actor=tenant, now=NOW)


def test_money_that_comes_back_from_the_providers_account(year: Year) -> None:
    account_of(year.provider, "晋阳算力", THEIRS, year.operator)
    code = code_of(year.desk.tenant)
    case = year.apply()
    paid_slip(year, case, "1000")
    year.bank({"金额": "950.00", "对方户名": "某户", "对方账号": THEIRS, "附言": code})

    finding = frozen_until_explained(year, case, "round_trip", NOW)

    assert "供给方付入 ¥950.00" in finding.detail


@pytest.mark.parametrize("by", ["account", "name", "register"])
def test_money_that_comes_back_from_somebody_behind_the_provider(year: Year, by: str) -> None:
    between, behind = organisation(70, "中间公司", NOW), organisation(71, "幕后公司", NOW)
    relate(year.provider, "address", "太原市一号")
    relate(between, "address", "太原市一号")
    relate(between, "phone", "13900139000")
    relate(behind, "phone", "13900139000")
    if by == "account":
        boss = person("behind", behind, Role.CENTRE_OPERATOR, NOW)
        account_of(behind, "幕后公司", THEIRS, boss)
    if by == "register":
        relate(behind, "bank_account", THEIRS)
    case = year.apply()
    paid_slip(year, case, "1000")
    payer = "幕后 公司" if by == "name" else "某户"
    code = code_of(year.desk.tenant)
    year.bank({"金额": "1000.00", "对方户名": payer, "对方账号": THEIRS, "附言": code})

    finding = frozen_until_explained(year, case, "round_trip", NOW)

    assert "供给方的关联方付入 ¥1,000.00" in finding.detail


def test_money_from_a_stranger_before_the_provider_was_paid_is_left_alone(year: Year) -> None:
    case = year.apply()
    paid_slip(year, case, "1000")
    code = code_of(year.desk.tenant)
    year.bank({"金额": "1000.00", "对方户名": "某户", "对方账号": THEIRS, "附言": code})

    assert year.passes(case)
    assert found(case) == []


def test_a_payment_without_any_line_of_the_bank_cannot_be_checked(year: Year) -> None:
    case = year.apply()
    paid_slip(year, case, "1000")

    finding = frozen_until_explained(year, case, "round_trip_unchecked", NOW)

    assert "自 2025-09-10 起没有登记任何银行流水" in finding.detail


def test_a_redemption_without_any_line_of_the_bank_cannot_be_checked(year: Year) -> None:
    voucher = granted(year, year.apply())
    used(voucher, yuan="5000", at=ISSUED)
    case = redeem(year, voucher, through=MIDWAY, now=LATE, told=False)

    finding = frozen_until_explained(year, case, "round_trip_unchecked", LATE)

    assert "银行流水" in finding.detail


def test_a_stranger_pays_the_voucher_in_once_the_provider_was_paid(year: Year) -> None:
    voucher = granted(year, year.apply())
    used(voucher, yuan="5000", at=ISSUED)
    code = code_of(year.desk.tenant)
    paid_out(year.provider, "700")
    day = {"交易日期": "2025-11-10"}
    face = f"{voucher.face_fen // 100}.{voucher.face_fen % 100:02d}"
    year.bank(
        {**day, "流水号": "F1", "收付": "付", "金额": "700.00", "对方户名": "晋阳算力"},
        {**day, "流水号": "F2", "金额": face, "对方户名": "某户", "附言": code},
        now=LATE,
    )
    settle("F1")
    case = redeem(year, voucher, through=MIDWAY, now=LATE)

    finding = frozen_until_explained(year, case, "round_trip", LATE)

    assert "不明的第三方付入" in finding.detail
    assert "与算力券面额" in finding.detail


def paid_out(provider: UUID, yuan: str) -> None:
    """A payout that the bank is to pay; what it settles stands in other tests."""
    CashOrder.objects.create(
        number="FK2025-000001", kind="payout", organisation_id=provider, order_key="k",
        amount_fen=Money.yuan(yuan).fen, reason="结算", state="asked",
    )  # fmt: skip


def settle(reference: str) -> None:
    BankEntry.objects.filter(reference=reference).update(
        outcome="paid", matched=str(Ref("cashorder", CashOrder.objects.get().id))
    )


def test_a_clean_redemption_passes(year: Year) -> None:
    voucher = granted(year, year.apply())
    used(voucher, yuan="5000", at=ISSUED)

    case = redeem(year, voucher, through=MIDWAY, now=LATE)

    assert year.passes(case, LATE)
    assert state(case) == "approval"
    assert found(case) == []


def test_use_after_the_contract_ended(year: Year) -> None:
    voucher = granted(year, year.apply())
    used(voucher, yuan="50000", at=datetime(2025, 12, 9, 17, 1, tzinfo=NOW.tzinfo))

    case = redeem(year, voucher, through=date(2025, 12, 10), now=LATE)

    frozen_until_explained(year, case, "after_end", LATE)


def test_a_contract_far_above_its_use(year: Year) -> None:
    voucher = granted(year, year.apply())
    used(voucher, yuan="19999.99", at=ISSUED)

    finding = frozen_until_explained(
        year, redeem(year, voucher, through=LAST, now=LATE), "over_contract", LATE
    )

    assert "19.99%" in finding.detail


def test_flat_for_a_week(year: Year) -> None:
    voucher = granted(year, year.apply())
    flat = [(ISSUED + timedelta(hours=8 * n), 28_800_000 * n) for n in range(24)]
    used(voucher, yuan="5000", at=ISSUED, points=flat)

    frozen_until_explained(
        year, redeem(year, voucher, through=MIDWAY, now=LATE), "constant_load", LATE
    )


def test_the_same_readings_five_times(year: Year) -> None:
    voucher = granted(year, year.apply())
    for n in range(5):
        began = ISSUED + timedelta(hours=n)
        points = [(began + timedelta(minutes=m), 60_000 * m) for m in range(3)]
        used(voucher, yuan="1000", at=began, points=points)

    finding = frozen_until_explained(
        year, redeem(year, voucher, through=MIDWAY, now=LATE), "repeated_use", LATE
    )

    assert len(finding.evidence) == 5


def test_a_locked_price_outside_the_band(year: Year) -> None:
    voucher = granted(year, year.apply())
    used(voucher, yuan="5000", at=ISSUED, millifen=700_001)

    frozen_until_explained(
        year, redeem(year, voucher, through=MIDWAY, now=LATE), "price_band", LATE
    )


@pytest.mark.parametrize(("confirmed", "again"), [(False, []), (True, ["related_declared"])])
def test_what_was_explained_is_not_asked_again(
    year: Year, confirmed: bool, again: list[str]
) -> None:
    applied = year.apply(related=True)
    year.passes(applied)
    finding = Finding.objects.get(case=applied)
    close_finding(finding.id, confirmed=confirmed, reason="核过", actor=year.desk.second, now=NOW)
    voucher = granted(year, applied)
    used(voucher, yuan="5000", at=ISSUED)

    case = redeem(year, voucher, through=MIDWAY, now=LATE)
    year.passes(case, LATE)

    assert found(case) == again


def test_a_tie_that_shows_only_later(year: Year) -> None:
    voucher = granted(year, year.apply())
    used(voucher, yuan="5000", at=ISSUED)
    relate(year.provider, "device", "aa:bb")
    relate(year.desk.tenant.organisation, "device", "AA:BB")  # type: ignore[arg-type]

    frozen_until_explained(year, redeem(year, voucher, through=MIDWAY, now=LATE), "related", LATE)


def test_one_explained_tie_hides_no_other(year: Year) -> None:
    tenant = year.desk.tenant.organisation
    assert tenant is not None
    for one in (year.provider, tenant):
        relate(one, "address", "产业园一号楼")
    applied = year.apply()
    year.passes(applied)
    finding = Finding.objects.get(case=applied, code="related")
    close_finding(finding.id, confirmed=False, reason="同一园区", actor=year.desk.second, now=NOW)
    voucher = granted(year, applied)
    used(voucher, yuan="5000", at=ISSUED)
    for one in (year.provider, tenant):
        relate(one, "phone", "13800138000")

    case = redeem(year, voucher, through=MIDWAY, now=LATE)

    later = frozen_until_explained(year, case, "related", LATE)
    assert "联系电话相同" in later.detail


def test_without_utilisation_a_redemption_freezes(year: Year) -> None:
    set_check_mode(
        "load", warns_only=False, effective_on=LATE.date(), until_on=LATE.date(),
        reason="恢复", actor=year.desk.officer, now=LATE,
    )  # fmt: skip
    voucher = granted(year, year.apply())
    used(voucher, yuan="5000", at=ISSUED)
    case = redeem(year, voucher, through=MIDWAY, now=LATE)

    assert not year.passes(case, LATE)

    assert found(case) == ["load_unchecked"]
    assert "利用率" in Finding.objects.get(case=case, blocking=True).detail


def test_an_invoice_that_another_case_used_up_stops_the_approval(year: Year) -> None:
    voucher = granted(year, year.apply())
    used(voucher, yuan="5000", at=ISSUED)
    case = redeem(year, voucher, through=MIDWAY, now=LATE)
    assert year.passes(case, LATE)
    other = year.apply(year.stranger("丙企业"), number="HT-9")
    mine = ClaimedDocument.objects.get(kind="invoice", case=case)
    ClaimedDocument.objects.filter(id=mine.id).update(released_at=LATE)
    ClaimedDocument.objects.create(
        kind="invoice", key=mine.key, shown=mine.shown, case_id=other, recorded_at=LATE
    )

    with pytest.raises(NewDoubts, match="发票已在另一案件中使用"):
        approve_redemption(case, reason="好", actor=year.desk.officer, now=LATE)

    assert state(case) == "approval"


@pytest.mark.parametrize("day", [LATE.date(), LATE.date() + timedelta(days=1)])
def test_only_days_that_are_over_are_claimed(year: Year, day: date) -> None:
    voucher = granted(year, year.apply())
    used(voucher, yuan="5000", at=ISSUED)

    with pytest.raises(RedemptionRefused, match="最晚可以写 2025-12-19"):
        start_redemption(voucher.id, through=day, actor=year.operator, now=LATE)


def test_a_redemption_runs_every_check(year: Year) -> None:
    more = {"after_end", "over_contract", "pattern", "load", "invoices"}
    assert set(checks.REDEEMING) - set(checks.APPLYING) == more
