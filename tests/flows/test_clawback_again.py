"""After a clawback a provider cannot be paid out of what other users' vouchers left for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance
from jinsuan.vouchers.actions import book_top_up
from jinsuan.vouchers.actions.clawback import book_repayment, confirm_clawback, propose_clawback
from jinsuan.vouchers.actions.redeem import start_redemption, submit_redemption
from jinsuan.vouchers.errors import RedemptionRefused
from tests.flows.paid_world import LATE, make_paid
from tests.flows.voucher_world import AFTER_NOTICE, NOW, provide_check_data
from tests.flows.world import organisation, person

pytestmark = pytest.mark.django_db


def test_a_voucher_that_was_clawed_back_does_not_draw_on_another_one() -> None:
    paid = make_paid()  # 142.60 yuan of the first user's voucher went to the provider
    first = paid.cast
    other = organisation(12, "丁研究院", NOW)
    world = replace(first.world, tenant=other, researcher=person("doctor", other, Role.TENANT, NOW))
    second = replace(first, world=world, tenant=world.researcher)
    book_top_up(
        tenant=other,
        amount=Money.yuan("100000"),
        bank_reference="BANK0002",
        actor=world.treasury,
        now=NOW,
    )
    provide_check_data(world.provider, other, now=NOW)
    second.grant("HT-2")
    second.use(100, AFTER_NOTICE + timedelta(days=5), key="other")
    seller = Ref("organisation", first.world.provider)
    waiting = balance(accounts.payable(seller, "voucher")).available
    assert waiting == Money.yuan("142.60")  # all of it the second user's
    fen = Money.yuan("142.60")
    asked = propose_clawback(paid.voucher.id, fen, reason="虚报", actor=first.officer, now=LATE)
    confirm_clawback(asked.id, actor=first.second, now=LATE)
    book_repayment(
        first.world.provider, "2025:m09", fen, bank_reference="BACK1", actor=first.payer, now=LATE
    )
    again = start_redemption(
        paid.voucher.id, through=LATE.date() - timedelta(days=1), actor=first.provider, now=LATE
    )
    with pytest.raises(RedemptionRefused):
        submit_redemption(again.id, actor=first.provider, now=LATE)
    assert balance(accounts.payable(seller, "voucher")).available == waiting
