"""A statement on its page, through the API and from the command line is the same statement."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from django.test import Client

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.cli import reconcile as commands
from jinsuan.entrypoints.cli.statement import statement as command
from jinsuan.entrypoints.exports import answer
from jinsuan.entrypoints.exports.asked import asked_period
from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.period import days, month
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.registry.actions.agents import issue_token
from jinsuan.registry.models import Organisation, Person
from jinsuan.vouchers.actions import book_differences
from jinsuan.vouchers.models import Difference, Voucher
from jinsuan.vouchers.reconcile import differences
from jinsuan.vouchers.statements import statement
from jinsuan.vouchers.subjects import access_subject
from tests.flows.test_reconcile import against_the_rules
from tests.flows.test_statements import OCTOBER, SEPTEMBER, world as world_fixture
from tests.flows.world import SYSTEM, World, organisation, person

pytestmark = pytest.mark.django_db
world = world_fixture
MONTH = "2025-10"


@pytest.fixture(autouse=True)
def october(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: OCTOBER + timedelta(days=1))


def browser(actor: Actor) -> Client:
    client = Client()
    client.force_login(Person.objects.get(id=actor.person))
    return client


def api(actor: Actor) -> dict[str, str]:
    assert actor.person is not None and actor.organisation is not None
    token = issue_token(
        person=actor.person,
        organisation=actor.organisation,
        role=actor.role,
        scopes=["account:read"],
        label="test",
        expires_at=OCTOBER + timedelta(days=30),
        actor=SYSTEM,
        now=OCTOBER,
    )
    return {"Authorization": f"Bearer {token}"}


def test_the_page_shows_the_books_figures_and_offers_every_file(world: World) -> None:
    client = browser(world.researcher)
    text = client.get(f"/对账单?month={MONTH}").content.decode()
    head = statement(access_subject(world.researcher, ""), month(MONTH), now=OCTOBER)

    assert head.number in text
    assert f"明细，共 {head.totals.lines} 行" in text
    for name in ("csv", "xlsx", "pdf", "focus"):
        assert f"month={MONTH}&amp;format={name}" in text
        file = client.get(f"/对账单/文件?month={MONTH}&format={name}")
        assert file.status_code == 200
        assert f"{head.number}." in file["Content-Disposition"]
    september = client.get("/对账单?from=2025-09-01&to=2025-09-30").content.decode()
    assert 'value="2025-09"' in september  # a whole month is shown as one
    assert "2025-09-15" in client.get("/对账单?from=2025-09-10&to=2025-09-15").content.decode()


def test_a_wrong_period_is_explained_on_the_page(world: World) -> None:
    client = browser(world.researcher)
    for asked in ("month=三月", "month=2025-13", "from=2025-10-02&to=2025-10-01", "from=1"):
        answer_ = client.get(f"/对账单?{asked}")
        assert answer_.status_code == 422, asked
        assert 'role="alert"' in answer_.content.decode()
        assert client.get(f"/对账单/文件?{asked}").status_code == 422


def test_what_belongs_to_others_is_not_there(world: World) -> None:
    other = person("stranger", organisation(9, "丁公司", SEPTEMBER), Role.TENANT, SEPTEMBER)
    tenant = Ref("organisation", world.tenant)
    voucher = Ref("voucher", Voucher.objects.get().id)
    for of in (
        f"tenant:{tenant}",
        f"voucher:{voucher}",
        "pool:2025:m09",
        "pool:x",
        "x",
        "tenant:x",
    ):
        for path in ("/对账单", "/对账单/文件"):
            assert browser(other).get(path, {"of": of}).status_code == 404, of
    headers = api(other)
    for asked in (f"kind=tenant&id={tenant}", f"kind=voucher&id={voucher}", "kind=pool", "kind=x"):
        for path in ("statements", "statements/file"):
            found = Client().get(f"/api/v1/{path}?{asked}", headers=headers)
            assert found.status_code == 404, (path, asked)
    assert browser(world.auditor).get("/对账单", {"of": f"tenant:{tenant}"}).status_code == 200


def test_the_api_pages_through_the_same_lines(world: World) -> None:
    headers, client = api(world.researcher), Client()
    address = "/api/v1/statements?from=2025-09-01&to=2025-10-31"
    whole = client.get(f"{address}&limit=200", headers=headers).json()
    found, cursor = [], ""
    while True:
        page = client.get(f"{address}&limit=2{cursor}", headers=headers).json()
        found += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert found == whole["items"]
    head = statement(
        access_subject(world.researcher, ""),
        asked_period("", "2025-09-01", "2025-10-31", now=OCTOBER),
        now=OCTOBER,
    )
    assert whole["closing"] == head.closing.plain
    assert whole["totals"]["charge"] == head.totals.charge.plain
    file = client.get(f"/api/v1/statements/file?month={MONTH}", headers=headers)
    assert file["Content-Type"] == "text/csv; charset=utf-8"
    for wrong in ("format=doc", "month=x", "from=x"):
        refused = client.get(f"/api/v1/statements/file?{wrong}", headers=headers)
        assert (refused.status_code, refused["Content-Type"]) == (422, "application/problem+json")


def test_a_large_file_comes_in_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = browser(world.researcher)
    small = client.get(f"/对账单/文件?month={MONTH}").content
    monkeypatch.setattr(answer, "IN_MEMORY_BYTES", 10)
    large = client.get(f"/对账单/文件?month={MONTH}")
    assert large.streaming
    assert b"".join(large.streaming_content) == small  # type: ignore[attr-defined]
    large.close()


def test_the_command_writes_the_file_and_says_what_is_missing(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, uscc = tmp_path / "x.csv", Organisation.objects.get(id=world.tenant).uscc
    command(
        out=out,
        tenant=uscc,
        month=MONTH,
        provider="",
        voucher="",
        pool="",
        first="",
        last="",
        form="csv",
    )
    rows = list(csv.reader(io.StringIO(out.read_text("utf-8-sig"))))
    head = statement(access_subject(SYSTEM, "tenant", uscc), month(MONTH), now=OCTOBER)
    assert len(rows) == head.totals.lines + 2
    assert "乙大学 2025-10-01 至 2025-10-31" in capsys.readouterr().out
    for given in ({}, {"tenant": uscc, "pool": "x"}):
        names = {"tenant": "", "provider": "", "voucher": "", "pool": "", **given}
        with pytest.raises(BadInput):
            command(out=out, month=MONTH, first="", last="", form="csv", **names)


def test_the_command_reconciles_and_an_official_clears(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    # This world's correction was made by hand, so metering knows nothing of it: that is found, too.
    with pytest.raises(typer.Exit) as first:
        commands.reconcile(json=True)
    assert first.value.exit_code == 1
    out = capsys.readouterr().out
    (by_hand,) = json.loads(out[out.index("{") :])["open"]
    assert by_hand["words"] == "核销加欠款不等于费用"
    with against_the_rules() as sql:
        sql("UPDATE vouchers_programme SET pool_fen = pool_fen + 1")
    with pytest.raises(typer.Exit) as wrong:
        commands.reconcile(json=True)
    assert wrong.value.exit_code == 1
    out = capsys.readouterr().out
    (row,) = [one for one in json.loads(out[out.index("{") :])["open"] if one != by_hand]
    assert (row["account"], row["expected"]) == ("pool:2025:m09", "50000000.01")
    assert "有 2 处差异没有销" in browser(world.auditor).get("/对账单").content.decode()
    assert "差异" not in browser(world.researcher).get("/对账单").content.decode()

    with against_the_rules() as sql:
        sql("UPDATE vouchers_programme SET pool_fen = pool_fen - 1")
    bureau = Organisation.objects.get(id=world.officer.organisation).uscc
    commands.clear(row["ref"], reason="已更正", username="officer", organisation=bureau)
    assert Difference.objects.filter(cleared_at__isnull=False).count() == 1
    assert book_differences(differences(), actor=SYSTEM, now=OCTOBER) == 0


def test_a_period_is_a_month_or_two_days() -> None:
    def asked(*given: str) -> object:
        return asked_period(*given, now=OCTOBER)

    assert asked("2025-03", "", "") == month("2025-03")
    assert asked("", "", "") == month("2025-10")
    assert asked("", "2025-03-01", "2025-03-31") == month("2025-03")
    assert asked("", "2025-03-01", "") == days(*[OCTOBER.date().replace(month=3, day=1)] * 2)
    for given in (("2025-3", "", ""), ("0001-01", "", ""), ("9999-12", "", ""), ("", "x", "")):
        with pytest.raises(BadInput):
            asked(*given)
