"""银行流水, 追缴 and 差异 on pages: who may, two people, two clicks, bad input, every fen once."""

from __future__ import annotations

import re

import pytest

from jinsuan.casework.models import Case
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import check_book
from jinsuan.registry.models import Organisation
from jinsuan.vouchers.actions.life import suspend
from jinsuan.vouchers.models import BankEntry, BankFile, CashOrder, Voucher
from tests.bank_world import statement
from tests.flows.money_world import (
    Turn,
    act,
    as_,
    ask,
    auditor,
    cash,
    cast,
    difference,
    name_of,
    paid,
    proposed,
    take,
    text,
    turn,
)
from tests.flows.voucher_world import AFTER_NOTICE, Cast

pytestmark = pytest.mark.django_db
__all__ = ["auditor", "cast", "paid", "turn"]  # fixtures, found by their names here


def test_a_bank_file_says_what_became_of_each_line(cast: Cast, auditor: Actor) -> None:
    uscc = Organisation.objects.get(id=cast.world.tenant).uscc
    before = cash(cast.tenant)
    rows = (
        {"流水号": "LINE1", "金额": "5.00", "附言": uscc},
        {"流水号": "LINE2", "金额": "6.00", "附言": "不知道"},
        {"流水号": "LINE3", "收付": "付", "金额": "7.00"},
    )
    taken = take(cast.payer, *rows)
    assert taken.status_code == 302
    page = text(taken.client.get(taken["Location"]))
    assert "充值 1，对上付款单 0，待查款项 1，付出未查明 1" in page
    for word in (name_of(cast.tenant), "待查款项", "付出未查明", "附言里没有付款单编号"):
        assert word in page
    assert take(cast.payer, *rows)["Location"] == taken["Location"]
    assert BankFile.objects.count() == 1
    assert cash(cast.tenant) == before + Money.yuan("5")
    listed = text(as_(cast.payer).get("/银行流水"))
    assert "LINE2" in listed and "LINE3" in listed and "LINE1" not in listed
    assert 'type="file"' not in text(as_(auditor).get("/银行流水"))
    assert take(auditor, *rows).status_code == 403


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "没有登记"),
        (b"\xff\xfe\x00", "没有登记"),
        (statement({"金额": "1.234"}), "第 2 行"),
        (statement({"本方账号": "0502123409300099999"}), "监管账户"),
        (statement({"交易日期": "2031-01-01"}), "在今天"),
    ],
)
def test_a_bad_bank_file_is_refused_with_its_place(cast: Cast, data: bytes, said: str) -> None:
    refused = take(cast.payer, data=data)
    assert refused.status_code == 422 and said in text(refused)
    assert not BankFile.objects.exists()
    assert as_(cast.payer).post("/银行流水", {"account": "supervised"}).status_code == 422
    assert "没有选" in text(as_(cast.payer).post("/银行流水", {"account": "supervised"}))


def test_unknown_money_is_assigned_by_another_person(cast: Cast) -> None:
    take(cast.payer, {"流水号": "LINE2", "金额": "6.00", "附言": "不知道"})
    path = f"/银行流水/{Ref('bankentry', BankEntry.objects.get().id)}"
    uscc = Organisation.objects.get(id=cast.world.tenant).uscc
    given = {"to": "organisation", "uscc": uscc, "reason": "来函确认"}
    own = as_(cast.payer).post(path, given)
    assert own.status_code == 422 and "须由另一位财政人员办理" in text(as_(cast.payer).get(path))
    for bad in ({"uscc": ""}, {"uscc": "9" * 18}, {"reason": "好"}, {"to": "x"}, {"uscc": "\x00"}):
        assert as_(cast.checker).post(path, {**given, **bad}).status_code in (404, 422), bad
    before = cash(cast.tenant)
    for _ in range(2):
        assert as_(cast.checker).post(path, given).status_code == 302
    assert cash(cast.tenant) == before + Money.yuan("6")
    assert "来函确认" in text(as_(cast.checker).get(path))
    assert check_book().differences == ()


def test_a_payment_without_its_number_is_matched_by_another_person(cast: Cast) -> None:
    ask(cast.tenant, "10")
    order = CashOrder.objects.get()
    act(cast.payer, f"/退款结算/{order.number}", "make", account="supervised")
    act(cast.checker, f"/退款结算/{order.number}", "confirm")
    take(cast.payer, {"流水号": "O9", "收付": "付", "金额": "10.00"})
    path = f"/银行流水/{Ref('bankentry', BankEntry.objects.get().id)}"
    assert order.number in text(as_(cast.checker).get(path))
    given = {"to": str(Ref("cashorder", order.id)), "reason": "银行漏写单号"}
    assert as_(cast.payer).post(path, given).status_code == 422
    assert as_(cast.checker).post(path, given).status_code == 302
    order.refresh_from_db()
    assert order.state == "paid"


def test_a_clawback_is_proposed_confirmed_and_given_back_in_cash(paid: Cast) -> None:
    path = proposed(paid)
    assert as_(paid.provider).get(path).status_code == 404  # a proposal is not told
    assert act(paid.officer, path, "confirm").status_code == 403
    assert "须由另一位省级经办复核" in text(as_(paid.officer).get(path))
    for _ in range(2):
        assert act(paid.second, path, "confirm").status_code == 302
    shown = text(as_(paid.provider).get(path))
    assert "发票不实，十元" in shown and "怎样退" in shown and "10<i>.00</i>" in shown
    assert path.rpartition("/")[2] in text(as_(paid.provider).get("/追缴"))
    assert as_(paid.tenant).get(path).status_code == 404
    assert act(paid.payer, path, "repay", amount="1", key="a1").status_code == 403
    uscc = Organisation.objects.get(id=paid.world.provider).uscc
    take(paid.payer, {"流水号": "T1", "金额": "9.00", "附言": uscc})
    assert act(paid.provider, path, "repay", amount="11", key="a1").status_code == 409
    assert act(paid.provider, path, "repay", amount="9.5", key="a1").status_code == 409  # no cash
    for _ in range(2):
        assert act(paid.provider, path, "repay", amount="9", key="a1").status_code == 302
    assert cash(paid.provider) == Money(0)
    assert "1<i>.00</i>" in text(as_(paid.provider).get(path))
    assert act(paid.payer, path, "book", amount="1", reference="R-1").status_code == 422
    for _ in range(2):
        assert act(paid.payer, path, "book", amount="1", reference="R1").status_code == 302
    assert "已退清" in text(as_(paid.provider).get(path))
    # The bank's file tells of it later: it is the same money, and not booked again.
    take(paid.payer, {"流水号": "R1", "金额": "1.00"})
    assert cash(paid.provider) == Money(0)
    assert BankEntry.objects.get(reference="R1").outcome == "top_up"
    assert check_book().differences == ()


def test_unknown_money_may_be_what_a_clawback_asked_for(paid: Cast) -> None:
    path = proposed(paid)
    act(paid.second, path, "confirm")
    take(
        paid.payer,
        {"流水号": "S1", "金额": "10.00", "附言": "退回"},
        {"流水号": "S2", "金额": "10.01", "附言": "退回"},
    )
    claim_ref = path.rpartition("/")[2]
    by_hand = act(paid.payer, path, "book", amount="10", reference="S1")
    assert by_hand.status_code == 422 and "请认领" in text(by_hand)
    one, two = (
        f"/银行流水/{Ref('bankentry', row.id)}" for row in BankEntry.objects.order_by("line")
    )
    assert claim_ref in text(as_(paid.checker).get(one))
    assert claim_ref not in text(as_(paid.checker).get(two))
    given = {"to": claim_ref, "reason": "缴款通知相符"}
    assert as_(paid.checker).post(two, given).status_code == 422
    assert as_(paid.payer).post(one, given).status_code == 422
    assert as_(paid.checker).post(one, given).status_code == 302
    assert "已退清" in text(as_(paid.provider).get(path))
    assert check_book().differences == ()


def test_a_clawback_without_grounds_or_above_what_was_paid_is_refused(paid: Cast) -> None:
    voucher = str(Ref("voucher", Voucher.objects.get().id))
    for given in ({"amount": "1000000"}, {"amount": "一元"}, {"reason": " "}):
        refused = as_(paid.officer).post(
            "/追缴", {"voucher": voucher, "amount": "1", "reason": "查实", **given}
        )
        assert refused.status_code == 422 and "没有提出" in text(refused), given
    path = proposed(paid)
    assert act(paid.second, path, "reject", reason=" ").status_code == 422
    assert act(paid.second, path, "reject", reason="证据不足").status_code == 302
    assert act(paid.second, path, "confirm").status_code == 409
    assert as_(paid.provider).get(path).status_code == 404
    assert as_(paid.payer).post("/追缴", {"voucher": voucher, "amount": "1"}).status_code == 403


def test_a_difference_stops_payments_until_it_is_cleared_by_name(
    cast: Cast, auditor: Actor
) -> None:
    row = difference(accounts.cash(Ref("organisation", cast.world.tenant)))
    ask(cast.tenant, "10")
    path = f"/退款结算/{CashOrder.objects.get().number}"
    stopped = act(cast.payer, path, "make", account="supervised")
    assert stopped.status_code in (409, 422) and "差异" in text(stopped)
    which = str(Ref("difference", row.id))
    assert which in text(as_(cast.officer).get("/差异"))
    assert which not in text(as_(auditor).get("/差异"))
    given = {"which": which, "reason": "夜里重算，两边一致"}
    assert as_(auditor).post("/差异", given).status_code == 403
    assert as_(cast.payer).post("/差异", {**given, "reason": ""}).status_code == 422
    for _ in range(2):
        assert as_(cast.payer).post("/差异", given).status_code == 302
    row.refresh_from_db()
    assert row.cleared_by_id == cast.payer.person
    assert "夜里重算，两边一致" in text(as_(cast.officer).get("/差异"))
    assert as_(cast.checker).post("/差异", given).status_code == 404
    assert act(cast.payer, path, "make", account="supervised").status_code == 302


def test_the_wallet_says_why_a_voucher_stands_still_and_where_it_came_from(
    cast: Cast, turn: Turn
) -> None:
    voucher = cast.grant()
    turn(AFTER_NOTICE)
    case = Case.objects.get(voucher=voucher.id).number
    page = text(as_(cast.tenant).get("/账户"))
    assert f"申领 {case}" in page and f"voucher%3A{voucher}" in page and "停用的原因" not in page
    client = as_(cast.tenant)
    for found in re.findall(r'<article class="ticket">.*?</article>', page, re.DOTALL):
        for link in re.findall(r'href="(/[^"#]*)', found):
            assert client.get(link.replace("&amp;", "&")).status_code == 200, link
        assert "看来源" in found
    suspend(voucher.id, reason="合同正在核实", actor=cast.officer, now=AFTER_NOTICE)
    last = Voucher.objects.get(id=voucher.id).expires_on
    Voucher.objects.filter(id=voucher.id).update(warned_on=AFTER_NOTICE.date())
    page = text(as_(cast.tenant).get("/账户"))
    assert "停用的原因：合同正在核实" in page and f"{last}" in page
    assert f"{AFTER_NOTICE.date()} 提醒过快到期" in page
