"""The money desk's people and accounts, and what they send to its pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jinsuan.casework.models import PayeeAccount
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.data_keys import keyring
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance
from jinsuan.metering.actions.invoices import register_invoice
from jinsuan.registry.models import Organisation, Person
from jinsuan.vouchers.actions.bank_accounts import open_bank_account
from jinsuan.vouchers.actions.grant import pass_checks
from jinsuan.vouchers.actions.redeem import approve_redemption, start_redemption, submit_redemption
from jinsuan.vouchers.models import Clawback, Difference, Voucher
from tests.bank_world import OWN, statement
from tests.flows.test_voucher_redemptions import pay
from tests.flows.voucher_world import AFTER_NOTICE, NOW, TODAY, Cast, make_cast
from tests.flows.world import SYSTEM

NUMBER = "0502123409300077777"
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
    return make_desk()


def make_desk() -> Cast:
    """A treasury of two with one supervised account."""
    made = make_cast()
    open_bank_account(
        "supervised",
        name="算力监管户",
        bank="工行太原",
        number=OWN,
        purpose="用算主体充值",
        keys=keyring(),
        actor=made.payer,
        now=NOW,
    )
    return made


def as_(actor: Actor) -> Client:
    client = Client()
    client.force_login(Person.objects.get(id=actor.person))
    return client


def name_of(actor: Actor) -> str:
    return Organisation.objects.get(id=actor.organisation).name


def enter(actor: Actor, **more: str) -> Any:
    given = {"act": "enter", "holder": name_of(actor), "bank": "工行太原支行", "number": NUMBER}
    return as_(actor).post("/收款账户", {**given, **more})


def answer(actor: Actor, act: str = "confirm", reason: str = "按留存电话向财务核实") -> Any:
    which = str(Ref("payeeaccount", PayeeAccount.objects.latest("id").id))
    return as_(actor).post("/收款账户", {"act": act, "which": which, "reason": reason})


def text(response: Any) -> str:
    found: str = response.content.decode()
    return found


def ask(actor: Actor, amount: str, key: str = "k1", reason: str = "项目结束") -> Any:
    return as_(actor).post("/退款结算", {"amount": amount, "key": key, "reason": reason})


def act(actor: Actor, path: str, name: str, **more: str) -> Any:
    return as_(actor).post(path, {"act": name, **more})


def cash(actor: Actor) -> Money:
    assert actor.organisation is not None
    return balance(accounts.cash(Ref("organisation", actor.organisation))).available


def take(actor: Actor, *rows: dict[str, str], data: bytes | None = None) -> Any:
    file = SimpleUploadedFile("流水.csv", statement(*rows) if data is None else data)
    return as_(actor).post("/银行流水", {"account": "supervised", "file": file})


@pytest.fixture
def paid(cast: Cast, turn: Turn) -> Cast:
    """A voucher was redeemed, so something can be clawed back from the provider."""
    turn(AFTER_NOTICE + timedelta(days=7))
    return make_paid(cast)


def make_paid(cast: Cast) -> Cast:
    """Grant, use, redeem and pay."""
    voucher = cast.grant()
    cast.use(100, AFTER_NOTICE)
    late = AFTER_NOTICE + timedelta(days=7)
    register_invoice(
        "2" * 20,
        seller=cast.world.provider,
        buyer=cast.world.tenant,
        amount=Money.yuan("700"),
        issued_on=TODAY,
        contract=Voucher.objects.get(id=voucher.id).contract_id,
        actor=cast.provider,
        now=late,
    )
    case = start_redemption(
        voucher.id, through=late.date() - timedelta(days=1), actor=cast.provider, now=late
    )
    submit_redemption(case.id, actor=cast.provider, now=late)
    assert pass_checks(case.id, actor=SYSTEM, now=late)
    approve_redemption(case.id, reason="一致", actor=cast.officer, now=late)
    pay(cast, case)
    return cast


def proposed(cast: Cast, amount: str = "10") -> str:
    voucher = Voucher.objects.get()
    made = as_(cast.officer).post(
        "/追缴",
        {"voucher": str(Ref("voucher", voucher.id)), "amount": amount, "reason": "发票不实，十元"},
    )
    assert made.status_code == 302, text(made)
    return f"/追缴/{Ref('clawback', Clawback.objects.latest('id').id)}"


@pytest.fixture
def auditor(cast: Cast) -> Actor:
    return cast.world.auditor


def difference(account: str) -> Difference:
    return Difference.objects.create(
        kind="book",
        account=account,
        place=account,
        words="账户余额与转账合计不同",
        expected_fen=100,
        found_fen=90,
        found_at=NOW,
    )
