"""`jinsuan bank`: the treasury's files by the real commands."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jinsuan.casework.actions.payees import confirm_payee_account, enter_payee_account
from jinsuan.casework.actions.payments import PaymentOrder, confirm_batch, make_batch
from jinsuan.casework.models import PaymentBatch
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.cli import app
from jinsuan.kernel.errors import DomainError, NotAllowed
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance
from jinsuan.registry.sealing import Keyring, new_key, read_keyring
from tests.bank_world import OWN, statement
from tests.flows.casework_world import NOW, Desk, make_desk
from tests.flows.test_casework_bank_sheets import NUMBER, answers
from tests.flows.world import uscc

pytestmark = pytest.mark.django_db
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Keyring:
    key = new_key()
    monkeypatch.setenv("JINSUAN_DATA_KEY", key)
    return read_keyring(key)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, keys: Keyring) -> Run:
    monkeypatch.setattr(clock, "now", lambda: NOW)

    def command(*words: str, typed: str = "", by: str = "payer") -> tuple[int, str]:
        done = CliRunner().invoke(app, ["bank", *words, "--as", by], input=typed)
        if isinstance(done.exception, Exception):
            raise done.exception
        assert OWN not in done.output
        assert NUMBER not in done.output
        return done.exit_code, done.output

    return command


@pytest.fixture
def desk() -> Desk:
    return make_desk()


def opened(run: Run) -> None:
    run("open", "supervised", "--name", "监管户", "--bank", "工行", typed=f"{OWN}\n")


def test_a_file_is_taken_listed_and_assigned(run: Run, desk: Desk, tmp_path: Path) -> None:
    opened(run)
    code = run("code", uscc(1))[1].strip()
    assert run("code", uscc(1))[1].strip() == code
    file = tmp_path / "流水.csv"
    file.write_bytes(
        statement({"流水号": "B1", "附言": code}, {"流水号": "B2", "附言": "[red]=1+1"})
        .decode()
        .encode("gb18030")
    )
    take = ("take", str(file), "--account", "supervised")

    status, words = run(*take, "--json")
    assert (status, json.loads(words)["topped_up"], json.loads(words)["suspense"]) == (1, 1, 1)
    assert run(*take)[0] == 0, "the same file again has nothing new to look into"
    status, words = run("suspense", "--json")
    (entry,) = json.loads(words)["entries"]
    assert (status, entry["reference"], entry["remark"]) == (1, "B2", "[red]=1+1")
    assert "[red]" in run("suspense")[1]

    tenant = Ref("organisation", desk.tenant.organisation or new_id())
    to = ("--to", str(tenant), "--reason", "来函确认", "--account", "supervised")
    with pytest.raises(DomainError, match="登记流水文件的人"):
        run("assign", "B2", *to)
    run("assign", "B2", *to, by="checker")

    assert run("suspense")[0] == 0
    assert balance(accounts.cash(tenant)).available == Money(200)


def test_a_wrong_file_and_a_wrong_person_take_nothing(run: Run, desk: Desk, tmp_path: Path) -> None:
    opened(run)
    file = tmp_path / "流水.csv"
    file.write_bytes(statement({"金额": "1.001"}))
    take = ("take", str(file), "--account", "supervised")

    with pytest.raises(DomainError, match="第 2 行“金额”"):
        run(*take)
    with pytest.raises(NotAllowed):
        run(*take, by="tenant")


def test_a_batch_goes_out_and_comes_back(
    run: Run, desk: Desk, tmp_path: Path, keys: Keyring
) -> None:
    firm = desk.tenant.organisation
    assert firm is not None
    account = enter_payee_account(
        firm, holder="甲企业", bank="工行", number=NUMBER, keys=keys, actor=desk.tenant, now=NOW
    )
    confirm_payee_account(account.id, call_back="按留存电话向财务核实", actor=desk.payer, now=NOW)
    order = PaymentOrder(
        case=desk.to_payable(), basis=Ref("redemption", new_id()), payee=firm, amount=Money(1)
    )
    batch = make_batch("m09", [order], actor=desk.payer, now=NOW)
    confirm_batch(batch.id, actor=desk.checker, now=NOW)
    number = PaymentBatch.objects.get(id=batch.id).number
    out, again, back = tmp_path / "out.csv", tmp_path / "again.csv", tmp_path / "back.csv"

    run("batch-file", number, "--out", str(out))
    run("batch-file", str(batch), "--out", str(again))
    assert out.read_bytes() == again.read_bytes()
    assert NUMBER in out.read_text("gb18030")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600

    back.write_bytes(answers(batch.id, "R1").replace(b"20250917", b"20250916"))
    assert run("answers", number, str(back))[0] == 0
    status, words = run("answers", number, str(back), "--json")
    assert (status, json.loads(words)["fresh"], json.loads(words)["accepted"]) == (0, 0, 1)
