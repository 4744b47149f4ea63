"""案件 and 拨付 on pages: what each role sees and does, and what they are refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from jinsuan.casework.actions.evidence import attach, open_finding, receive_file
from jinsuan.casework.actions.payees import confirm_payee_account, enter_payee_account
from jinsuan.casework.bank_sheets import ANSWER_COLUMNS
from jinsuan.casework.models import Case, Finding, Objection, PaymentBatch
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.data_keys import keyring
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.queries import check_book
from jinsuan.metering.actions.invoices import register_invoice
from jinsuan.registry.actions.people import give_role
from jinsuan.registry.models import Organisation, Person
from jinsuan.vouchers.actions.grant import pass_checks
from jinsuan.vouchers.actions.redeem import start_redemption, submit_redemption
from jinsuan.vouchers.models import Redemption, Voucher
from tests.flows.voucher_world import AFTER_NOTICE, NOW, Cast, make_cast
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db
LATER = datetime(2025, 10, 9, 1, 0, tzinfo=UTC)
Turn = Callable[[datetime], None]


@pytest.fixture
def turn(monkeypatch: pytest.MonkeyPatch) -> Turn:
    """Set the pages' clock."""

    def set_to(when: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: when)

    set_to(NOW)
    return set_to


@pytest.fixture
def cast(turn: Turn, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cast:
    monkeypatch.setenv("JINSUAN_DATA_KEY", f"k1:{'A' * 43}=")
    settings.FILES_FOLDER = str(tmp_path / "files")
    return make_cast()


def as_(actor: Actor) -> Client:
    client = Client()
    client.force_login(Person.objects.get(id=actor.person))
    return client


def number_of(case: UUID) -> str:
    return Case.objects.get(id=case).number


def state(case: UUID) -> str:
    return Case.objects.get(id=case).state


def move(actor: Actor, case: UUID, name: str, *, made: int | None = None, **more: str) -> Any:
    row = Case.objects.get(id=case)
    given = {"act": "move", "move": name, "reason": "核过原件", **more}
    given.setdefault("seen", seen(actor, row.number))
    given["made"] = str(row.moves_made if made is None else made)
    return as_(actor).post(f"/案件/{row.number}", given)


def seen(actor: Actor, number: str) -> str:
    """The amount that the form of this person's page carries."""
    text = as_(actor).get(f"/案件/{number}").content.decode()
    _, found, rest = text.partition('name="seen" value="')
    return rest.partition('"')[0] if found else ""


def page(actor: Actor, case: UUID) -> str:
    answer = as_(actor).get(f"/案件/{number_of(case)}")
    assert answer.status_code == 200, answer.content.decode()[:400]
    return answer.content.decode()


def buttons(text: str) -> list[str]:
    return [part.split('"')[0] for part in text.split('name="move" value="')[1:]]


def test_each_role_has_its_buttons_and_strangers_find_nothing(cast: Cast, turn: Turn) -> None:
    case = cast.apply()
    assert pass_checks(case, actor=SYSTEM, now=NOW)
    assert buttons(page(cast.city, case)) == ["推荐", "退回补正", "不予推荐"]
    assert buttons(page(cast.officer, case)) == []
    assert buttons(page(cast.tenant, case)) == []
    number = number_of(case)
    for stranger in (cast.provider, cast.payer):
        assert as_(stranger).get(f"/案件/{number}").status_code == 404
        assert move(stranger, case, "推荐").status_code == 404
    assert as_(cast.tenant).get("/办理").status_code == 404
    assert as_(cast.city).get("/拨付").status_code == 404
    assert as_(cast.city).get("/案件/2025-m09-9999").status_code == 404
    assert move(cast.city, case, "推荐").status_code == 302
    assert buttons(page(cast.officer, case)) == ["审定通过", "退回补正", "不予通过"]
    assert buttons(page(cast.city, case)) == []


def test_the_page_says_what_the_law_says_and_has_no_amount_to_type(cast: Cast) -> None:
    case = cast.apply(yuan="10000")
    cast.recommend(case)
    text = page(cast.officer, case)
    assert "2,000<i>.00</i>" in text  # a fifth of 10,000
    assert 'name="chosen"' not in text and 'name="amount"' not in text
    assert "HT-1contract.pdf" in text and "承诺书" in text
    assert text.count('class="ico y"') > 5


def test_two_people_and_two_clicks(cast: Cast, turn: Turn) -> None:
    case = cast.apply()
    assert pass_checks(case, actor=SYSTEM, now=NOW)
    made = Case.objects.get(id=case).moves_made
    assert move(cast.city, case, "推荐", made=made).status_code == 302
    assert move(cast.city, case, "推荐", made=made).status_code == 302  # the second click
    assert Case.objects.get(id=case).moves_made == made + 1
    stale = move(cast.officer, case, "审定通过", made=made)
    assert stale.status_code == 422 and "有了变化" in stale.content.decode()
    assert state(case) == "province"
    assert move(cast.officer, case, "审定通过").status_code == 302
    assert state(case) == "notice"
    text = page(cast.officer, case)
    assert "剩余</dt><dd>5 个工作日" in text
    assert "判定时的每一项" in text and "2,000<i>.00</i>" in text
    turn(datetime(2025, 9, 19, 1, 0, tzinfo=UTC))  # the 17th and 18th are over
    assert "剩余</dt><dd>3 个工作日" in page(cast.officer, case)
    listed = as_(cast.officer).get("/办理?kind=voucher&state=公示中").content.decode()
    assert number_of(case) in listed and "轮到您办的有 1 件" in listed
    assert number_of(case) not in as_(cast.officer).get("/办理?state=已发放").content.decode()


def test_a_move_without_words_or_of_another_role_is_refused(cast: Cast) -> None:
    case = cast.apply()
    assert pass_checks(case, actor=SYSTEM, now=NOW)
    assert move(cast.city, case, "推荐", reason=" ").status_code == 422
    assert move(cast.city, case, "初核通过").status_code == 422
    assert move(cast.officer, case, "推荐").status_code == 409
    assert state(case) == "city"


def test_nobody_acts_on_their_own_organisation(cast: Cast) -> None:
    case = cast.apply()
    cast.recommend(case)
    assert cast.tenant.organisation is not None and cast.officer.person is not None
    give_role(
        person=cast.officer.person,
        organisation=cast.tenant.organisation,
        role=Role.AUDITOR,
        effective_from=date(2025, 1, 1),
        actor=SYSTEM,
        now=NOW,
    )
    client = as_(cast.officer)
    key = f"{Ref('organisation', cast.officer.organisation)}|{cast.officer.role}"
    session = client.session
    session["acting"] = key
    session.save()
    row = Case.objects.get(id=case)
    text = client.get(f"/案件/{row.number}").content.decode()
    assert buttons(text) == [] and "您任职的单位" in text
    made = str(row.moves_made)
    given = {"act": "move", "move": "审定通过", "reason": "好", "made": made, "seen": "2000.00"}
    answer = client.post(f"/案件/{row.number}", given)
    assert answer.status_code == 403 and "您任职的单位" in answer.content.decode()
    assert state(case) == "province"
    assert move(cast.second, case, "审定通过").status_code == 302


def test_whoever_stands_aside_has_no_buttons(cast: Cast) -> None:
    case = cast.apply()
    cast.recommend(case)
    where = f"/案件/{number_of(case)}"
    for _ in range(2):
        said = as_(cast.officer).post(where, {"act": "recuse", "reason": "亲属在该单位任职"})
        assert said.status_code == 302
    assert Case.objects.get(id=case).recusals.count() == 1
    assert buttons(page(cast.officer, case)) == []
    assert move(cast.officer, case, "审定通过", seen="2000.00").status_code == 403
    assert state(case) == "province"


def test_a_finding_freezes_and_its_owner_alone_closes_it(cast: Cast) -> None:
    case, other = cast.apply(), cast.apply("HT-2")
    cast.recommend(case)
    cast.recommend(other)
    made = open_finding(
        case,
        code="related",
        title="法定代表人相同",
        blocking=True,
        evidence=[Ref("case", case)],
        owner=Role.PROVINCIAL_OFFICER,
        actor=SYSTEM,
        now=NOW,
    )
    assert "法定代表人相同" in page(cast.city, case)
    assert buttons(page(cast.officer, case)) == []
    told = page(cast.tenant, case)
    assert "法定代表人相同" not in told and "案件冻结" in told
    assert move(cast.officer, case, "审定通过", seen="2000.00").status_code == 409
    close = {"act": "close", "which": str(made), "verdict": "explained", "reason": "同名不同人"}
    elsewhere = as_(cast.officer).post(f"/案件/{number_of(other)}", close)
    assert elsewhere.status_code == 404  # not a finding of that case
    where = f"/案件/{number_of(case)}"
    assert as_(cast.city).post(where, close).status_code == 403
    assert as_(cast.officer).post(where, {**close, "verdict": ""}).status_code == 422
    assert Finding.objects.get(id=made.id).closed_at is None
    assert as_(cast.officer).post(where, close).status_code == 302
    assert "同名不同人" in page(cast.officer, case)
    assert move(cast.officer, case, "审定通过").status_code == 302


def test_an_objection_is_decided_by_another_officer(cast: Cast, turn: Turn) -> None:
    case = cast.apply()
    cast.recommend(case)
    assert move(cast.officer, case, "审定通过").status_code == 302
    turn(NOW + timedelta(days=2))
    where = f"/案件/{number_of(case)}"
    said = {"act": "object", "received_on": "2025-09-18", "text": "合同不真实"}
    for _ in range(2):
        assert as_(cast.city).post(where, said).status_code == 302
    objection = Objection.objects.get()
    decide = {
        "act": "decide",
        "which": str(Ref("objection", objection.id)),
        "verdict": "upheld",
        "reason": "查实",
    }
    assert 'value="decide"' not in page(cast.officer, case)
    assert as_(cast.officer).post(where, decide).status_code == 403
    assert 'value="decide"' in page(cast.second, case)
    assert as_(cast.second).post(where, decide).status_code == 302
    assert move(cast.second, case, "异议成立").status_code == 302
    assert state(case) == "province"
    assert check_book().differences == ()


def test_attachments_leave_with_their_headers_to_those_who_see_the_case(cast: Cast) -> None:
    case, other = cast.apply(), cast.apply("HT-2")
    cast.recommend(case)
    stored = receive_file(b"%PDF-1.4\n%%EOF\n", name="走访记录.pdf")
    ref = attach(case, stored, purpose="visit", actor=cast.city, now=NOW)
    where = f"/案件/{number_of(case)}/附件/{ref}"
    answer = as_(cast.officer).get(where)
    assert answer.status_code == 200 and answer.content.startswith(b"%PDF")
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert as_(cast.provider).get(where).status_code == 404
    assert as_(cast.officer).get(f"/案件/{number_of(other)}/附件/{ref}").status_code == 404


def bill(cast: Cast, number: str, yuan: str) -> None:
    register_invoice(
        number,
        seller=cast.world.provider,
        buyer=cast.world.tenant,
        amount=Money.yuan(yuan),
        issued_on=date(2025, 9, 29),
        contract=Voucher.objects.get(case__isnull=False).contract_id,
        actor=cast.provider,
        now=LATER,
    )


def redeemed(cast: Cast, turn: Turn) -> UUID:
    """A redemption that the platform has checked."""
    voucher = cast.grant()
    cast.use(100, AFTER_NOTICE)
    turn(LATER)
    bill(cast, "2" * 20, "700")
    day = LATER.date() - timedelta(days=1)
    case = start_redemption(voucher.id, through=day, actor=cast.provider, now=LATER)
    submit_redemption(case.id, actor=cast.provider, now=LATER)
    assert pass_checks(case.id, actor=SYSTEM, now=LATER)
    return case.id


def payee(cast: Cast) -> None:
    account = enter_payee_account(
        cast.world.provider,
        holder=Organisation.objects.get(id=cast.world.provider).name,
        bank="工行太原",
        number="0502123409300012345",
        keys=keyring(),
        actor=cast.provider,
        now=LATER,
    )
    confirm_payee_account(account.id, call_back="按留存电话向财务核实", actor=cast.payer, now=LATER)


def answers(batch: PaymentBatch, result: str) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(ANSWER_COLUMNS)
    for line in batch.lines.order_by("place"):
        said = ["退回", "", "户名不符"] if result == "退回" else ["成功", result, ""]
        name = str(Ref("paymentline", line.id))
        writer.writerow([batch.number, name, Money(line.amount_fen).plain, *said, "2025-10-09"])
    total = Money(batch.total_fen).plain
    writer.writerow(["合计", batch.lines_count, total, "", "", "", ""])
    return out.getvalue().encode("gb18030")


def upload(actor: Actor, batch: PaymentBatch, result: str) -> Any:
    file = io.BytesIO(answers(batch, result))
    file.name = "回单.csv"
    return as_(actor).post(f"/拨付/{batch.number}", {"act": "answers", "file": file})


def test_a_redemption_from_four_numbers_to_paid(cast: Cast, turn: Turn) -> None:
    case = redeemed(cast, turn)
    text = page(cast.officer, case)
    assert buttons(text) == ["核定", "退回补正", "不予兑付"]
    assert "发票金额</th><td><strong>由它决定" in text and "140<i>.00</i>" in text
    assert as_(cast.payer).get(f"/案件/{number_of(case)}").status_code == 404
    assert move(cast.officer, case, "核定").status_code == 302
    payee(cast)
    assert (number := number_of(case)) in as_(cast.payer).get("/拨付").content.decode()
    assert as_(cast.officer).post("/拨付", {"case": number}).status_code == 403
    assert as_(cast.payer).post("/拨付", {}).status_code == 409
    for _ in range(2):
        assert as_(cast.payer).post("/拨付", {"case": number}).status_code == 302
    batch = PaymentBatch.objects.get()
    where = f"/拨付/{batch.number}"
    shown = as_(cast.payer).get(where).content.decode()
    assert "壹佰肆拾元整" in shown and "须由另一位财政人员复核" in shown
    assert as_(cast.payer).post(where, {"act": "confirm"}).status_code == 403
    assert as_(cast.payer).post(f"{where}/银行文件").status_code == 409
    for _ in range(2):
        assert as_(cast.checker).post(where, {"act": "confirm"}).status_code == 302
    assert as_(cast.officer).post(f"{where}/银行文件").status_code == 404
    sent = as_(cast.payer).post(f"{where}/银行文件")
    assert sent.status_code == 200 and b"0502123409300012345" in sent.content
    assert as_(cast.payer).post(f"{where}/银行文件").content == sent.content
    assert upload(cast.payer, batch, "退回").status_code == 302
    assert "户名不符" in as_(cast.payer).get(where).content.decode()
    assert state(case) == "payable"
    line = str(Ref("paymentline", batch.lines.get().id))
    assert as_(cast.payer).post(where, {"act": "retry", "line": line}).status_code == 302
    second = PaymentBatch.objects.exclude(id=batch.id).get()
    there = f"/拨付/{second.number}"
    assert as_(cast.checker).post(there, {"act": "confirm"}).status_code == 302
    assert as_(cast.payer).post(f"{there}/银行文件").status_code == 200
    assert upload(cast.payer, batch, "BK9").status_code == 409
    for _ in range(2):
        assert upload(cast.payer, second, "BK2").status_code == 302
    assert state(case) == "paid"
    assert "BK2" in as_(cast.world.auditor).get(there).content.decode()
    assert "银行已付 1 笔" in as_(cast.payer).get("/拨付").content.decode()
    assert check_book().differences == ()


def test_an_approval_is_taken_back_before_it_is_paid(cast: Cast, turn: Turn) -> None:
    case = redeemed(cast, turn)
    assert move(cast.officer, case, "核定").status_code == 302
    assert buttons(page(cast.officer, case)) == ["暂停拨付"]
    assert buttons(page(cast.payer, case)) == []
    assert move(cast.payer, case, "拨付完成").status_code == 422
    assert move(cast.officer, case, "暂停拨付").status_code == 302
    assert state(case) == "approval"
    assert as_(cast.payer).get(f"/案件/{number_of(case)}").status_code == 404


def test_nobody_signs_an_amount_that_the_page_did_not_show(cast: Cast, turn: Turn) -> None:
    case = redeemed(cast, turn)
    was = seen(cast.officer, number_of(case))
    assert was == "140.00"
    bill(cast, "3" * 20, "5")
    answer = move(cast.officer, case, "核定", seen=was)
    assert answer.status_code == 422 and "141.00" in answer.content.decode()
    again = move(cast.officer, case, "核定")  # the invoice came after handing in
    assert again.status_code == 409 and "又登记了发票" in again.content.decode()
    assert Redemption.objects.get(case=case).amount_fen == 14_000


def test_the_queue_comes_in_pages(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    from jinsuan.entrypoints.portal.views import cases

    monkeypatch.setattr(cases, "LISTED", 2)
    numbers = [number_of(cast.apply(f"HT-{n}", "100")) for n in range(3)]
    first = as_(cast.officer).get("/办理").content.decode()
    assert [f">{n}</a>" in first for n in numbers] == [False, True, True]
    second = as_(cast.officer).get(f"/办理?after={numbers[1]}").content.decode()
    assert [f">{n}</a>" in second for n in numbers] == [True, False, False]
    assert as_(cast.city).get("/办理?after=2025-m09-9999").status_code == 404
