"""收款账户 and 退款与结算 on pages: two people, two clicks, bad input, strangers."""

from __future__ import annotations

import re

import pytest

from jinsuan.casework.models import PayeeAccount
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger.queries import check_book
from jinsuan.registry.models import Organisation
from jinsuan.vouchers.models import CashOrder
from tests.bank_world import OWN
from tests.flows.money_world import (
    NUMBER,
    act,
    answer,
    as_,
    ask,
    cash,
    cast,
    enter,
    name_of,
    take,
    text,
    turn,
)
from tests.flows.voucher_world import NOW, Cast
from tests.flows.world import person

pytestmark = pytest.mark.django_db
__all__ = ["cast", "turn"]  # fixtures, found by their names here


def test_an_account_is_entered_by_one_and_called_back_by_another(cast: Cast) -> None:
    assert enter(cast.tenant).status_code == 302
    assert enter(cast.tenant).status_code == 302  # the second click
    assert PayeeAccount.objects.count() == 1
    page = text(as_(cast.tenant).get("/收款账户"))
    assert "****7777" in page and NUMBER not in page and "待回拨核实" in page
    assert 'value="confirm"' not in page
    assert answer(cast.tenant).status_code == 403
    assert answer(cast.payer, reason="好").status_code == 422
    assert PayeeAccount.objects.get().state == "pending"
    assert answer(cast.payer).status_code == 302
    assert answer(cast.payer).status_code == 302
    assert PayeeAccount.objects.get().state == "confirmed"
    assert "已核实" in text(as_(cast.tenant).get("/收款账户"))
    desk = text(as_(cast.checker).get("/收款账户"))
    assert name_of(cast.tenant) in desk and NUMBER not in desk


def test_an_account_that_the_treasury_enters_waits_for_another_of_it(cast: Cast) -> None:
    uscc = Organisation.objects.get(id=cast.world.tenant).uscc
    holder = name_of(cast.tenant)
    assert enter(cast.payer, uscc=uscc, holder=holder).status_code == 302
    assert "须由另一位财政人员核实" in text(as_(cast.payer).get("/收款账户"))
    assert answer(cast.payer).status_code == 422
    assert answer(cast.checker, "refuse").status_code == 302
    assert PayeeAccount.objects.get().state == "refused"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"number": "12ab"}, "8 至 30 位数字"),
        ({"holder": "别的公司"}, "与登记的机构名称不同"),
        ({"bank": ""}, "没有写开户行"),
        ({"bank": "工行\x00"}, "没有写开户行，或太长"),
    ],
)
def test_an_account_that_cannot_be_right_is_refused_in_words(
    cast: Cast, given: dict[str, str], said: str
) -> None:
    refused = enter(cast.tenant, **given)
    assert refused.status_code == 422 and said in text(refused)
    assert NUMBER not in text(refused)
    assert not PayeeAccount.objects.exists()


def test_a_refund_is_asked_made_confirmed_filed_and_paid(cast: Cast) -> None:
    before = cash(cast.tenant)
    first = ask(cast.tenant, "1，000.00")
    assert first.status_code == 302
    assert ask(cast.tenant, "1,000")["Location"] == first["Location"]  # the second click
    order = CashOrder.objects.get()
    path = f"/退款结算/{order.number}"
    assert cash(cast.tenant) == before
    assert act(cast.tenant, path, "make", account="supervised").status_code == 403
    for _ in range(2):
        assert act(cast.payer, path, "make", account="supervised").status_code == 302
    assert cash(cast.tenant) == before - Money.yuan("1000")
    assert "须由另一位财政人员复核" in text(as_(cast.payer).get(path))
    assert 'value="confirm"' not in text(as_(cast.payer).get(path))
    assert act(cast.payer, path, "confirm").status_code == 409
    for _ in range(2):
        assert act(cast.checker, path, "confirm").status_code == 302
    assert as_(cast.payer).post("/退款结算/银行文件", {"order": order.number}).status_code == 409
    enter(cast.tenant)
    answer(cast.payer)
    filed = as_(cast.payer).post("/退款结算/银行文件", {"order": order.number})
    row = filed.content.decode("gb18030").splitlines()[1]
    assert filed.status_code == 200 and NUMBER in row and f"退款 {order.number}" in row
    paid = take(
        cast.payer,
        {"流水号": "O1", "收付": "付", "金额": "1000.00", "附言": f"退款 {order.number}"},
    )
    assert "已对上付款单" in text(as_(cast.payer).get(paid["Location"]))
    order.refresh_from_db()
    assert order.state == "paid" and order.bank_reference == "O1"
    assert "银行已付" in text(as_(cast.tenant).get(path))
    assert check_book().differences == ()


def test_a_changed_account_stops_the_confirmation(cast: Cast) -> None:
    ask(cast.tenant, "10")
    path = f"/退款结算/{CashOrder.objects.get().number}"
    act(cast.payer, path, "make", account="supervised")
    enter(cast.tenant)
    refused = act(cast.checker, path, "confirm")
    assert refused.status_code == 409 and "还没有回拨核实" in text(refused)
    answer(cast.payer)
    assert act(cast.checker, path, "confirm").status_code == 302


def test_what_the_bank_sends_back_and_what_is_cancelled_returns(cast: Cast) -> None:
    before = cash(cast.tenant)
    ask(cast.tenant, "10")
    path = f"/退款结算/{CashOrder.objects.get().number}"
    act(cast.payer, path, "make", account="supervised")
    act(cast.checker, path, "confirm")
    assert act(cast.tenant, path, "cancel", reason="不要了").status_code == 409
    assert act(cast.payer, path, "reject", reason="").status_code == 409
    for _ in range(2):
        assert act(cast.payer, path, "reject", reason="账号不符").status_code == 302
    assert cash(cast.tenant) == before
    ask(cast.tenant, "20", key="k2")
    path = f"/退款结算/{CashOrder.objects.latest('id').number}"
    assert act(cast.tenant, path, "cancel", reason="不要了").status_code == 302
    assert CashOrder.objects.latest("id").state == "cancelled"


def test_a_provider_asks_for_what_it_earned_and_no_more(cast: Cast) -> None:
    cast.use(2, NOW)  # 14.26 yuan, all in cash
    page = text(as_(cast.provider).get("/退款结算"))
    assert "14<i>.26</i>" in page
    too_much = ask(cast.provider, "14.27")
    assert too_much.status_code == 422 and "应付的现金是 ¥14.26" in text(too_much)
    assert 'value="14.27"' in text(too_much)
    assert ask(cast.provider, "14.26").status_code == 302
    order = CashOrder.objects.get()
    assert order.kind == "payout" and order.asked_by == cast.provider.person
    path = f"/退款结算/{order.number}"
    assert act(cast.payer, path, "make", account="supervised").status_code == 302
    assert "没有应付的现金" in text(as_(cast.payer).get("/退款结算"))
    assert act(cast.checker, path, "confirm").status_code == 302


def test_the_treasury_orders_a_payout_itself(cast: Cast) -> None:
    cast.use(2, NOW)
    given = {
        "amount": "4.26",
        "key": "p1",
        "reason": "九月结算",
        "account": "supervised",
        "provider": str(Ref("organisation", cast.world.provider)),
    }
    made = as_(cast.payer).post("/退款结算", given)
    assert made.status_code == 302
    assert as_(cast.payer).post("/退款结算", given)["Location"] == made["Location"]
    order = CashOrder.objects.get()
    assert (order.kind, order.state) == ("payout", "ordered")
    assert as_(cast.payer).post("/退款结算", {**given, "provider": "x"}).status_code == 404


@pytest.mark.parametrize("amount", ["", "十元", "1.234", "-5", "0", "1e3", "99999999999999"])
def test_an_amount_that_is_none_is_refused_and_kept(cast: Cast, amount: str) -> None:
    refused = ask(cast.tenant, amount)
    assert refused.status_code == 422 and "没有办成" in text(refused)
    assert not CashOrder.objects.exists()


def test_strangers_find_nothing(cast: Cast) -> None:
    ask(cast.tenant, "10")
    order = f"/退款结算/{CashOrder.objects.get().number}"
    other = person("other", cast.world.provider, Role.TENANT, NOW)
    for actor in (other, cast.provider, cast.city, cast.officer):
        assert as_(actor).get(order).status_code == 404, actor.role
        assert act(actor, order, "cancel", reason="不要了").status_code == 404
    for actor in (cast.tenant, cast.provider, cast.city, cast.officer):
        assert as_(actor).get("/银行流水").status_code == 404
    for actor in (cast.tenant, cast.provider, cast.city):
        assert as_(actor).get("/差异").status_code == 404
        assert as_(actor).post("/退款结算/银行文件").status_code == 404
    for path in ("/收款账户", "/退款结算", "/追缴"):
        assert as_(cast.city).get(path).status_code == 404
    nobody = Ref("clawback", new_id())
    for path in (
        f"/追缴/{nobody}",
        "/追缴/x",
        "/银行流水/x",
        "/银行流水/文件/%00",
        "/退款结算/%00",
    ):
        assert as_(cast.payer).get(path).status_code == 404, path


def test_every_form_carries_its_token_and_no_number(cast: Cast) -> None:
    enter(cast.tenant)
    for actor in (cast.tenant, cast.provider, cast.payer, cast.officer):
        for path in ("/收款账户", "/退款结算", "/银行流水", "/追缴", "/差异", "/拨付"):
            page = text(as_(actor).get(path))
            forms = len(re.findall(r'<form method="post"', page))
            assert page.count("csrfmiddlewaretoken") >= forms
            assert NUMBER not in page and OWN not in page
