"""`jinsuan payee`, `refund`, `payout`, `clawback` and `registry relate` by the real commands."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jinsuan.entrypoints.cli import app
from jinsuan.kernel.errors import BadInput, DomainError, NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.registry.models import Organisation, Relation
from jinsuan.vouchers.actions.cash_orders import ask_refund
from jinsuan.vouchers.models import CashOrder, Clawback
from tests.flows.money_world import NUMBER, cast, enter, paid, proposed, turn
from tests.flows.voucher_world import NOW, Cast

pytestmark = pytest.mark.django_db
__all__ = ["cast", "paid", "turn"]  # fixtures, found by their names here
Run = Callable[..., tuple[int, str]]


def run(*words: str, by: str, typed: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(app, [*words, "--as", by], input=typed)
    if isinstance(done.exception, Exception):
        raise done.exception
    assert NUMBER not in done.output
    return done.exit_code, done.output


def test_a_refund_by_two_people_and_a_file(cast: Cast, tmp_path: Path) -> None:
    enter(cast.tenant)
    code, out = run("payee", "list", "--json", by="payer")
    (waiting,) = json.loads(out)
    assert code == 1 and waiting["masked"] == "****7777"
    call = ("--call", "按留存电话向财务核实")
    run("payee", "confirm", waiting["ref"], *call, by="payer")
    assert run("payee", "list", by="payer")[0] == 0
    ask_refund(Money.yuan("10"), order_key="k", reason="结束", actor=cast.tenant, now=NOW)
    number = CashOrder.objects.get().number
    run("refund", "make", number, "--account", "supervised", by="payer")
    with pytest.raises(DomainError, match="由您开具"):
        run("refund", "confirm", number, by="payer")
    run("refund", "confirm", number, by="checker")
    out_file = tmp_path / "付款.csv"
    run("refund", "file", number, "--out", str(out_file), by="payer")
    assert NUMBER in out_file.read_text("gb18030")
    assert stat.S_IMODE(out_file.stat().st_mode) == 0o600
    assert (
        json.loads(run("refund", "list", "--json", by="payer")[1])[0]["state_code"] == "confirmed"
    )
    assert json.loads(run("payout", "list", "--json", by="payer")[1]) == []
    run("refund", "reject", number, "--reason", "账号不符", by="payer")
    assert CashOrder.objects.get().state == "rejected"
    with pytest.raises(NotAllowed):
        run("refund", "list", by="officer")


def test_the_treasury_enters_an_account_and_pays_a_provider(cast: Cast) -> None:
    cast.use(2, NOW)
    provider = Organisation.objects.get(id=cast.world.provider)
    given = ("--holder", provider.name, "--bank", "工行太原")
    run("payee", "enter", provider.uscc, *given, by="payer", typed=f"{NUMBER}\n")
    (waiting,) = json.loads(run("payee", "list", "--json", by="payer")[1])
    call = ("--call", "按留存电话向财务核实")
    with pytest.raises(DomainError, match="由您登记"):
        run("payee", "confirm", waiting["ref"], *call, by="payer")
    run("payee", "confirm", waiting["ref"], *call, by="checker")
    order = ("--account", "supervised", "--reason", "九月结算", "--key", "p1")
    for _ in range(2):
        assert (
            "FK2025-000001" in run("payout", "open", provider.uscc, "4.26", *order, by="payer")[1]
        )
    with pytest.raises(BadInput):
        run("payout", "open", provider.uscc, "四元", *order, by="payer")
    run("payout", "cancel", "FK2025-000001", "--reason", "金额写错", by="payer")
    assert CashOrder.objects.get().state == "cancelled"
    with pytest.raises(NotFound):
        run("payout", "confirm", "FK2025-000009", by="checker")


def test_clawbacks_are_listed_and_shown(paid: Cast) -> None:
    proposed(paid)
    (one,) = json.loads(run("clawback", "list", "--json", by="officer")[1])
    assert one["amount"] == "10.00" and one["state"] == "待复核"
    assert "发票不实" in run("clawback", "show", one["id"], by="auditor")[1]
    assert Clawback.objects.count() == 1
    with pytest.raises(NotFound):
        run("clawback", "show", "voucher_01m87dmzjgfzpsr16vv419beda", by="officer")
    with pytest.raises(NotAllowed):
        run("clawback", "list", by="seller")


def test_what_connects_organisations_is_noted_as_a_digest(cast: Cast) -> None:
    tenant = Organisation.objects.get(id=cast.world.tenant).uscc
    holder = Organisation.objects.get(id=cast.world.provider).uscc
    words = ("registry", "relate", tenant, "--kind", "shareholder", "--source", "企业登记")
    for _ in range(2):
        _, out = run(*words, "--share", "33.33%", by="officer", typed=f"{holder}\n")
        assert holder not in out
    row = Relation.objects.get(kind="shareholder")
    assert row.share_bps == 3333
    for share in ("三成", "33.333%", "1/0"):
        with pytest.raises(BadInput):
            run(*words, "--share", share, by="officer", typed=f"{holder}\n")
    with pytest.raises(NotAllowed):
        run(*words, by="payer", typed=f"{holder}\n")
