"""Files of usage readings: charged as live readings are, once, wholly or not at all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.models import Attempt
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.cli import app
from jinsuan.entrypoints.worker import ticks
from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import month
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance, check_book
from jinsuan.metering.actions import Reading, record
from jinsuan.metering.errors import UsageFileRefused
from jinsuan.metering.models import (
    Charge,
    ChargeLine,
    DoubtfulReading,
    Meter,
    UsageFile,
    UsageFileRow,
    UsageReading,
)
from jinsuan.metering.queries_usage_files import usage_file_view
from jinsuan.vouchers.models import Funding, FundingSource
from jinsuan.vouchers.statements import statement
from jinsuan.vouchers.subjects import access_subject
from tests.flows.usage_world import (
    NOW,
    RECEIVED,
    Row,
    attempt_of,
    honest,
    operator,
    sheet,
    start_jobs,
    take_all,
)
from tests.flows.world import World, organisation, person

pytestmark = pytest.mark.django_db


def meter_live(rows: list[Row]) -> None:
    """What the platform does when the same readings come one by one, and is settled daily."""
    for job, resource, value, at in rows:
        reading = Reading(
            attempt=attempt_of(Ref.read(job)).id,
            resource=resource,
            milli_unit_seconds=value,
            occurred_at=at,
        )
        record([reading], now=at + timedelta(seconds=1))
        dispatch.settle(now=at + timedelta(seconds=1))
        dispatch.keep_funded(now=at + timedelta(seconds=1))


def paid(world: World) -> dict[str, Any]:
    """What stands for it in the end: used, charged, held and captured by source, owed, payable."""
    provider = Ref("organisation", world.provider)
    return {
        "readings": sorted(
            UsageReading.objects.values_list(
                "attempt", "resource", "milli_unit_seconds", "occurred_at"
            )
        ),
        "meters": sorted(Meter.objects.values_list("attempt", "charged_fen", "due")),
        "captured": sorted(FundingSource.objects.values_list("funding", "captured_fen"), key=str),
        "fundings": sorted(Funding.objects.values_list("attempt", "captured_fen", "shortfall_fen")),
        "payable": [balance(accounts.payable(provider, s)).available for s in ("voucher", "cash")],
    }


def both_ways(
    rows: list[Row], world: World, jobs: list[Ref]
) -> tuple[dict[str, Any], dict[str, Any]]:
    from django.db import transaction

    with transaction.atomic():
        meter_live(rows)
        live = paid(world)
        transaction.set_rollback(True)
    take_all(world, rows, actor=operator(world))
    return live, paid(world)


def test_a_file_is_charged_and_captured_as_live_readings_are() -> None:
    world, jobs = start_jobs()
    rows = honest(jobs)

    live, by_file = both_ways(rows, world, jobs)

    assert by_file == live
    assert check_book().differences == ()
    assert len(rows) == 3 * 51 and not UsageFileRow.objects.exists()
    # 51 hours from nine in the morning touch three Beijing days: three charges of three readings.
    assert Charge.objects.count() == 9 and ChargeLine.objects.count() == 27
    file = UsageFile.objects.get()
    assert (file.rows_done, file.kept, file.doubts, file.charges) == (153, 153, 0, 9)
    assert file.charged_fen == sum(Charge.objects.values_list("amount_fen", flat=True))
    # 51 hours at 3.63 yuan; the voucher of 20 yuan pays what it can of 30 %.
    assert file.charged_fen == 3 * 51 * 363
    assert balance(
        accounts.payable(Ref("organisation", world.provider), "voucher")
    ).available == Money(2000)


def test_where_it_is_cut_into_transactions_changes_nothing() -> None:
    from django.db import transaction

    world, jobs = start_jobs()
    who, rows, found = operator(world), honest(jobs), []
    for size in (1, 7, 50, 1000):
        with transaction.atomic():
            take_all(world, rows, actor=who, size=size)
            found.append(
                (
                    paid(world),
                    list(Charge.objects.order_by("id").values()),
                    sorted(
                        ChargeLine.objects.values_list("charge", "reading", "millifen_per_hour")
                    ),
                )
            )
            transaction.set_rollback(True)
    assert all(one == found[0] for one in found)


def test_live_and_file_readings_of_one_job_make_one_account() -> None:
    world, jobs = start_jobs(jobs=1)
    rows = honest(jobs)
    live, rest = rows[:12], rows[12:]
    meter_live(live[:9])
    for _, resource, value, at in live[9:]:  # recorded, not charged yet
        record([Reading(attempt=attempt_of(jobs[0]).id, resource=resource,
                        milli_unit_seconds=value, occurred_at=at)], now=at)  # fmt: skip
    take_all(world, rows, actor=operator(world))

    file = UsageFile.objects.get()
    assert (file.kept, file.doubts) == (len(rest), len(live) - 3)
    meter = Meter.objects.get()
    assert (meter.charged_fen, meter.due) == (51 * 363, False)
    assert Money(meter.charged_fen) == Money(Funding.objects.get().captured_fen)


def test_what_cannot_be_believed_is_put_aside_and_never_charged() -> None:
    world, (one, two, three) = start_jobs()
    hour = timedelta(hours=1)
    Attempt.objects.filter(job=three.id).update(
        state="ended", cause="exited", ended_at=NOW + 2 * hour
    )
    rows: list[Row] = [
        (str(one), "cpu_core", 2000 * 3600, NOW + hour),
        (str(one), "cpu_core", 1999 * 3600, NOW + 2 * hour),  # goes back
        (str(one), "cpu_core", 2000 * 3600, NOW + 3 * hour),  # the same: nothing new
        (str(one), "card:H100", 5, NOW + hour),  # not its own
        (str(two), "cpu_core", 2000 * (3600 + 331), NOW + hour),  # more than two cores can do
        (str(two), "cpu_core", 2000 * 3600, RECEIVED + 2 * hour),  # the future
        (str(three), "cpu_core", 2000 * 7200, NOW + 2 * hour),
        (str(three), "cpu_core", 2001 * 7200, NOW + 3 * hour),  # after its end
    ]
    take_all(world, rows, actor=operator(world))

    doubts = sorted(DoubtfulReading.objects.values_list("doubt", flat=True))
    assert doubts == ["ahead", "decreased", "ended", "foreign", "jumped"]
    file = UsageFile.objects.get()
    assert (file.kept, file.doubts, file.charges) == (2, 5, 2)
    assert file.charged_fen == 12 + 24  # two cores at 0.06 for one hour, and for two


def test_the_same_file_again_is_harmless_and_says_so() -> None:
    world, jobs = start_jobs()
    who, rows = operator(world), honest(jobs)
    file = take_all(world, rows, actor=who)
    before = paid(world)

    again = dispatch.take_usage_file(
        sheet(rows), name="另一个名字.csv", centre=world.centre, actor=who, now=RECEIVED
    )
    assert (again.file, again.known) == (file, True)
    assert not dispatch.book_next(file.id, now=RECEIVED)
    # The same readings in another file are repeats: nothing new, nothing doubtful but older values.
    take_all(world, [r for r in rows if r[3] == rows[-1][3]], actor=who)
    assert paid(world) == before
    second = UsageFile.objects.exclude(id=file.id).get()
    assert (second.kept, second.doubts, second.charges) == (0, 0, 0)


def test_bad_rows_are_all_named_and_nothing_is_written() -> None:
    world, jobs = start_jobs()
    good = sheet(honest(jobs)).getvalue().decode()
    lines = good.splitlines()
    lines[3] = f"{jobs[0]},cpu_core,12.5,2025-09-16 09:00:00"
    lines[5] = f"{jobs[0]},cpu_core,12,昨天"
    lines[7] = "JS-8841,cpu_core,12,2025-09-16 09:00:00"
    lines[9] = f"{Ref('job', world.tenant)},cpu_core,12,2025-09-16 09:00:00"
    lines[11] = "一格"
    lines[13] = f"{attempt_of(jobs[0])},cpu_core,12,2025-09-16 09:00:00"

    for encoding in ("utf-8-sig", "gb18030"):
        with pytest.raises(UsageFileRefused) as refused:
            take_text("\r\n".join(lines), world, encoding=encoding)
        problems = refused.value.problems
        assert [p.row for p in problems] == [4, 6, 8, 10, 12, 14]
        columns = ["累计毫单位秒", "时间", "作业", "作业", "", "作业"]
        assert [p.column for p in problems] == columns
        assert problems[1].value == "昨天" and all(p.mend for p in problems)
        assert "共 6 处" in refused.value.explain()
    assert not UsageFile.objects.exists() and not UsageFileRow.objects.exists()
    assert not UsageReading.objects.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "没有这一列"),
        ("作业,资源,累计毫单位秒,时间\n", "没有读数"),
        ("作业,资源,累计毫单位秒,时间,备注\n", "不认识的列"),
        ("作业,资源,累计毫单位秒,累计毫单位秒\n", "写了两次"),
        ('作业,资源,累计毫单位秒,时间\n"a"b,c,1,2\n', "CSV"),
    ],
)
def test_a_file_that_is_no_such_file_is_refused_in_words(text: str, said: str) -> None:
    world, _ = start_jobs(jobs=1)
    with pytest.raises(UsageFileRefused) as refused:
        take_text(text, world)
    assert said in refused.value.explain()
    assert not UsageFile.objects.exists()


def take_text(text: str, world: World, *, encoding: str = "utf-8") -> None:
    from io import BytesIO

    file = BytesIO(text.encode(encoding))
    dispatch.take_usage_file(
        file, name="x.csv", centre=world.centre, actor=Actor.system("test"), now=RECEIVED
    )


def test_another_centres_people_and_jobs_are_refused() -> None:
    from jinsuan.kernel.ref import Role

    world, jobs = start_jobs()
    stranger = person("stranger", organisation(9, "丁算力", NOW), Role.CENTRE_OPERATOR, NOW)
    for who in (stranger, world.researcher):
        with pytest.raises(NotFound):
            dispatch.take_usage_file(
                sheet(honest(jobs)), name="x", centre=world.centre, actor=who, now=RECEIVED
            )
    assert not UsageFile.objects.exists()


def test_where_the_tenants_money_ends_the_rest_is_owed_not_lost() -> None:
    # 100 yuan and no voucher: a day of 87.12 is held; the second day cannot be.
    world, jobs = start_jobs(jobs=1, cash="300", voucher="0")
    from jinsuan.ledger.actions import Posting, post
    from jinsuan.ledger.reasons import Reason

    cash = accounts.cash(Ref("organisation", world.tenant))
    spent = Posting(
        key="elsewhere", debit=cash, credit="bank:supervised", amount=balance(cash).available,
        reason=Reason.REFUND, cause=jobs[0], occurred_at=NOW,
    )  # fmt: skip
    post([spent], actor=Actor.system("test"), now=NOW)
    take_all(world, honest(jobs), actor=operator(world))

    funding, file = Funding.objects.get(), UsageFile.objects.get()
    assert funding.captured_fen == 51 * 363
    assert funding.shortfall_fen == file.owed_fen == 27 * 363
    owed = accounts.receivable(Ref("organisation", world.tenant))
    assert balance(owed).posted == Money(-27 * 363)
    assert check_book().differences == ()


def test_statements_show_what_came_by_file() -> None:
    world, jobs = start_jobs()
    file = take_all(world, honest(jobs), actor=operator(world))
    charged = usage_file_view([world.centre_id], file.id).charged

    for kind, name in (("tenant", world.tenant), ("provider", world.provider)):
        subject = access_subject(Actor.system("test"), kind, str(Ref("organisation", name)))
        found = statement(subject, month("2025-09"), now=RECEIVED)
        assert found.totals.charge == charged
        used = {u.resource: u.milli_unit_seconds for u in found.used}
        assert used["cpu_core"] == 3 * 2000 * 3600 * 51 + 3


def test_the_commands_import_resume_and_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, jobs = start_jobs()
    operator(world)
    monkeypatch.setattr(clock, "now", lambda: RECEIVED)
    path = tmp_path / "读数.csv"
    path.write_bytes(sheet(honest(jobs), encoding="gb18030").getvalue())

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["readings", *arguments, "--as", "operator"])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    # As if cut off after the first rows.
    with path.open("rb") as file:
        taken = dispatch.take_usage_file(
            file, name=path.name, centre=world.centre, actor=Actor.system("test"), now=RECEIVED
        )
    assert dispatch.book_next(taken.file.id, now=RECEIVED, size=10)
    assert run("status")[0] == 1
    code, said = run("resume")
    assert code == 0 and "已处理 153/153 行" in said
    assert run("status")[0] == 0
    code, said = run("import", str(path), "--centre", world.centre)
    assert code == 0 and "以前登记过" in said
    assert UsageFile.objects.get().charged_fen == 3 * 51 * 363


def test_an_auditor_may_look_but_not_hand_in() -> None:
    world, jobs = start_jobs(jobs=1)
    with pytest.raises(NotAllowed):
        dispatch.take_usage_file(
            sheet(honest(jobs)), name="x", centre=world.centre, actor=world.auditor, now=RECEIVED
        )


def test_the_worker_goes_on_where_an_import_was_cut_off() -> None:
    world, jobs = start_jobs()
    taken = dispatch.take_usage_file(
        sheet(honest(jobs)), name="x", centre=world.centre, actor=operator(world), now=RECEIVED
    )
    assert dispatch.book_next(taken.file.id, now=RECEIVED, size=10)
    ticks.usage_files(lambda: RECEIVED + timedelta(minutes=9))  # somebody may be at it
    assert UsageFile.objects.get().finished_at is None
    ticks.usage_files(lambda: RECEIVED + timedelta(minutes=11))
    assert UsageFile.objects.get().charged_fen == 3 * 51 * 363
