"""A treasury of two people, a tenant, a provider and one supervised account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.queries import balance
from jinsuan.ledger.reasons import Reason
from jinsuan.registry.sealing import DataKey, Keyring
from jinsuan.vouchers.actions import book_top_up
from jinsuan.vouchers.actions.bank import Taken, take_bank_file
from jinsuan.vouchers.actions.bank_accounts import (
    give_top_up_code,
    open_bank_account,
)
from jinsuan.vouchers.actions.cash_orders import (
    ask_refund,
    confirm_order,
    order_asked,
)
from jinsuan.vouchers.models import BankEntry, CashOrder
from tests.bank_world import OWN, statement
from tests.flows.casework_world import NOW
from tests.flows.world import SYSTEM, organisation, person

KEYS = Keyring((DataKey("k1", bytes(32)),))
BANK = accounts.bank("supervised")
SUSPENSE = accounts.suspense("supervised")


class Purse:
    """A treasury of two, a tenant, a provider and one supervised account."""

    def __init__(self) -> None:
        bureau = organisation(3, "财政厅", NOW)
        self.tenant_id, self.provider = organisation(2, "乙大学", NOW), organisation(1, "甲", NOW)
        self.tenant = person("tenant", self.tenant_id, Role.TENANT, NOW)
        self.first = person("first", bureau, Role.TREASURY, NOW)
        self.second = person("second", bureau, Role.TREASURY, NOW)
        self.open("supervised", OWN)
        self.code = give_top_up_code(self.tenant_id, actor=self.tenant, now=NOW)
        self.cash_account = accounts.cash(Ref("organisation", self.tenant_id))

    def open(self, code: str, number: str) -> None:
        open_bank_account(
            code,
            name="算力监管户",
            bank="工行太原",
            number=number,
            purpose="用算主体充值",
            keys=KEYS,
            actor=self.first,
            now=NOW,
        )

    def take(self, *rows: dict[str, str], **more: Any) -> Taken:
        given = {"account": "supervised", "keys": KEYS, "actor": self.first, "now": NOW}
        return take_bank_file(statement(*rows), **{**given, **more})

    @property
    def cash(self) -> Money:
        return balance(self.cash_account).available

    def fund(self, yuan: str) -> None:
        self.take({"流水号": "FUND", "金额": yuan, "附言": self.code})

    def ask(self, yuan: str, key: str = "click1", **more: Any) -> UUID:
        given = {"reason": "项目结束", "actor": self.tenant, "now": NOW}
        return ask_refund(Money.yuan(yuan), order_key=key, **{**given, **more}).id

    def refund(self, yuan: str) -> CashOrder:
        """Asked, made and confirmed."""
        order = self.ask(yuan)
        order_asked(order, account="supervised", actor=self.first, now=NOW)
        confirm_order(order, actor=self.second, now=NOW)
        return CashOrder.objects.get(id=order)

    def owe(self, yuan: str) -> None:
        provider = Ref("organisation", self.provider)
        posting = Posting(
            key="capture:test",
            debit=BANK,
            credit=accounts.payable(provider, "cash"),
            amount=Money.yuan(yuan),
            reason=Reason.CAPTURE,
            cause=provider,
            occurred_at=NOW,
        )
        post([posting], actor=SYSTEM, now=NOW)


def entry(reference: str) -> BankEntry:
    return BankEntry.objects.get(reference=reference)


def typed_in(purse: Purse, yuan: str, reference: str = "B1") -> None:
    book_top_up(
        tenant=purse.tenant_id,
        amount=Money.yuan(yuan),
        bank_reference=reference,
        actor=purse.first,
        now=NOW,
    )
