"""`jinsuan check mode` and `jinsuan check band` by the real commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from jinsuan.casework.models import Finding
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.cli import app
from jinsuan.kernel.errors import BadInput, DomainError
from jinsuan.kernel.ref import Ref
from jinsuan.ledger.models import AuditRow
from jinsuan.metering.models import Tariff
from jinsuan.registry.models import Organisation
from jinsuan.vouchers.models import CheckMode, PriceBand
from jinsuan.vouchers.queries_checks import warning_on
from tests.flows.casework_world import NOW
from tests.flows.checks_world import Year, make_year

pytestmark = pytest.mark.django_db
TODAY = "2025-09-16"


@pytest.fixture
def year(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Year:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return make_year(settings, tmp_path)


def run(year: Year, *words: str, by: str = "officer") -> str:
    actor = year.desk.officer if by == "officer" else year.desk.city
    place = Organisation.objects.get(id=actor.organisation).uscc
    done = CliRunner().invoke(app, ["check", *words, "--as", by, "--organisation", place])
    if isinstance(done.exception, Exception):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def mode(year: Year, check: str, *words: str, by: str = "officer") -> str:
    days = ("--since", TODAY, "--until", "2025-12-31", "--reason", "还没有接入")
    return run(year, "mode", check, *days, *words, by=by)


def band(year: Year, low: str, high: str, resource: str = "card:T4") -> str:
    given = (f"--low={low}", f"--high={high}", "--since", TODAY, "--source", "询价记录")
    return run(year, "band", resource, *given)


def test_a_check_warns_only_and_freezes_again(year: Year) -> None:
    said = mode(year, "price")

    assert "price 自 2025-09-16 至 2025-12-31（含）缺数据时只提示" in said
    assert "price" in warning_on(NOW.date())
    row = CheckMode.objects.get(check_name="price")
    assert row.person == year.desk.officer.person
    assert AuditRow.objects.get(subject=str(Ref("checkmode", row.id))).action == "check.mode"

    assert "缺数据时冻结" in mode(year, "price", "--freeze")
    assert "price" not in warning_on(NOW.date())


def test_what_mode_refuses(year: Year) -> None:
    before = CheckMode.objects.count()
    with pytest.raises(BadInput, match="没有“prices”"):
        mode(year, "prices")
    with pytest.raises(DomainError):
        mode(year, "price", by="city")
    late = ("--since", "2025-09-15", "--until", "2025-09-16", "--reason", "好")
    with pytest.raises(BadInput, match="已经过去"):
        run(year, "mode", "price", *late)
    assert CheckMode.objects.count() == before


def test_a_band_as_fine_as_prices_are(year: Year) -> None:
    said = band(year, "0.00125", "1,200.5")

    assert "card:T4 自 2025-09-16 起每卡时 0.00125 至 1,200.50 元" in said
    row = PriceBand.objects.get()
    assert (row.low_millifen, row.high_millifen) == (125, 120_050_000)
    assert row.person == year.desk.officer.person


def test_a_price_outside_a_band_by_a_thousandth_of_a_fen(year: Year) -> None:
    assert set(
        Tariff.objects.filter(resource="card:T4").values_list("millifen_per_hour", flat=True)
    ) == {350_000}
    band(year, "3.50001", "7")
    case = year.apply()

    assert not year.passes(case)

    assert "每小时 ¥3.50。区间：¥3.50001 至 ¥7.00" in Finding.objects.get(case=case).detail


def test_what_is_no_price(year: Year) -> None:
    for low in ("三元", "", "-1", "1.000001", "1e3", "1.", ".5", "0x10"):
        with pytest.raises(BadInput, match=r"最低价.*至多五位小数"):
            band(year, low, "7")
    assert not PriceBand.objects.exists()


def test_what_is_no_band(year: Year) -> None:
    with pytest.raises(BadInput, match="下限"):
        band(year, "0.00001", "0")
    with pytest.raises(BadInput, match="加速卡"):
        band(year, "1", "2", resource="cpu_core")
