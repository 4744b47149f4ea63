"""Statements as files: the sums are the book's, texts stay texts, FOCUS says what it must."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from jinsuan.entrypoints.exports import FORMATS, file_name, make_file
from jinsuan.entrypoints.exports.columns import Hours
from jinsuan.entrypoints.exports.focus import COLUMNS
from jinsuan.entrypoints.exports.plain import safe
from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import month
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.models import Transfer
from jinsuan.ledger.reasons import Reason
from jinsuan.registry.models import Centre, Organisation
from jinsuan.vouchers.models import Voucher
from jinsuan.vouchers.statements import statement
from jinsuan.vouchers.subjects import Subject, access_subject
from tests.flows.statement_world import MeteredJob, move
from tests.flows.test_statements import OCTOBER, SEPTEMBER, subjects, world as world_fixture
from tests.flows.world import World

pytestmark = pytest.mark.django_db
world = world_fixture
PERIOD = month("2025-10")

MANDATORY = frozenset(
    """
    BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd
    BillingPeriodStart ChargeCategory ChargeDescription ChargePeriodEnd ChargePeriodStart
    ContractedCost EffectiveCost InvoiceIssuerName ListCost ProviderName PublisherName
    ServiceCategory ServiceName
    """.split()  # noqa: SIM905
)
"""Columns of FOCUS 1.2 that may not be empty in any of our rows."""
SINCE_1_3 = frozenset(
    """
    ServiceProviderName HostProviderName ContractApplied AllocatedMethodId AllocatedMethodDetails
    AllocatedResourceId AllocatedResourceName AllocatedTags
    """.split()  # noqa: SIM905
)


def read(subject: Subject, name: str) -> bytes:
    with make_file(subject, PERIOD, name, now=OCTOBER) as file:
        return file.read()


def table(subject: Subject, name: str) -> list[dict[str, str]]:
    text = read(subject, name).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def in_cash(world: World) -> Money:
    """What tenants paid or owe in money in October: what the providers' cash claims say."""
    code = accounts.payable(Ref("organisation", world.provider), "cash")
    rows = Transfer.objects.filter(recorded_at__gte=PERIOD.start, recorded_at__lt=PERIOD.end)
    into = rows.filter(credit__code=code, reason__in=["capture", "shortfall"])
    back = rows.filter(debit__code=code, reason=Reason.CORRECTION)
    return Money(sum(t.fen for t in into) - sum(t.fen for t in back))


def test_the_csv_adds_up_and_opens_in_a_spreadsheet(world: World) -> None:
    for subject in subjects(world):
        head = statement(subject, PERIOD, now=OCTOBER)
        *body, last = table(subject, "csv")

        assert read(subject, "csv").startswith(b"\xef\xbb\xbf")
        assert len(body) == head.totals.lines
        for column in ("费用（元）", "券付", "现金付", "欠款", "更正", "其他收支", "本行变动"):
            total = sum((Decimal(row[column]) for row in body), Decimal(0))
            assert total == Decimal(last[column]), (subject.kind, column)
        if body:
            assert body[-1]["余额"] == head.closing.plain == last["余额"]
    first = table(subjects(world)[0], "csv")[-1]
    assert (first["T4 卡时"], first["处理器 核时"]) == ("10.000000", "10.000000")


def test_a_name_is_never_a_formula(world: World) -> None:
    evil = '=HYPERLINK("http://x","点")'
    Organisation.objects.filter(id=world.provider).update(name=evil)
    Centre.objects.update(name="@SUM(A1)")
    tenant = subjects(world)[0]
    for name in ("csv", "focus"):
        for row in table(tenant, name):
            for column, cell in row.items():
                numeric = re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", cell)
                assert numeric or not cell.startswith(("=", "+", "-", "@")), (column, cell)
    assert f"'{evil}" in {row["对方"] for row in table(tenant, "csv")}
    assert b"<f>" not in sheet(read(tenant, "xlsx"), "sheet2.xml")
    for text in ("=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\n=1"):
        assert safe(text) == f"'{text}"
    assert safe("乙大学") == "乙大学"


def sheet(data: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        assert book.testzip() is None
        return book.read(f"xl/worksheets/{name}")


def test_the_spreadsheet_holds_numbers_that_add_up(world: World) -> None:
    head = statement(subjects(world)[0], PERIOD, now=OCTOBER)
    root = ET.fromstring(sheet(read(subjects(world)[0], "xlsx"), "sheet2.xml"))
    space = {"s": root.tag[1:].partition("}")[0]}
    rows = root.findall(".//s:row", space)
    column = "I"  # 费用, after six texts and two resources
    values = [
        Decimal(cell.findtext("s:v", "", space))
        for row in rows[1:]
        for cell in row.findall("s:c", space)
        if re.fullmatch(f"{column}[0-9]+", cell.get("r", "")) and cell.get("t") is None
    ]

    assert len(rows) == head.totals.lines + 2
    assert sum(values[:-1]) == values[-1] == Decimal(head.totals.charge.plain)


def test_a_sheet_that_is_full_goes_on_upon_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jinsuan.entrypoints.exports.sheet.ROWS_PER_SHEET", 2)
    tenant = subjects(world)[0]
    with zipfile.ZipFile(io.BytesIO(read(tenant, "xlsx"))) as book:
        names = [n for n in book.namelist() if n.startswith("xl/worksheets/sheet")]
        rows = sum(book.read(n).count(b"<row ") for n in names[1:])
    lines = statement(tenant, PERIOD, now=OCTOBER).totals.lines
    assert (len(names), rows) == (1 + (lines + 2) // 2, lines + 1 + (lines + 2) // 2)


def test_the_paper_is_a_pdf_in_chinese_and_says_when_it_leaves_out_lines(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for subject in subjects(world):
        data = read(subject, "pdf")
        assert data.startswith(b"%PDF-")
        assert b"STSong-Light" in data
        assert read(subject, "pdf") == data  # the same statement, the same paper
    whole = read(subjects(world)[0], "pdf")
    monkeypatch.setattr("jinsuan.entrypoints.exports.paper.MOST_LINES", 1)
    assert read(subjects(world)[0], "pdf") != whole


def test_focus_bills_exactly_what_is_paid_in_money(world: World) -> None:
    tenant, provider, *others = subjects(world)
    for subject in (tenant, provider):
        rows = table(subject, "focus")
        head = statement(subject, PERIOD, now=OCTOBER)
        billed = sum(Decimal(row["BilledCost"]) for row in rows)
        credits_ = [row for row in rows if row["ChargeCategory"] == "Credit"]
        usage = [row for row in rows if row["ChargeCategory"] == "Usage"]

        assert billed == Decimal(in_cash(world).plain)
        assert sum(Decimal(row["BilledCost"]) for row in usage) == Decimal(head.totals.charge.plain)
        assert sum(Decimal(r["BilledCost"]) for r in credits_) == -Decimal(
            head.totals.voucher.plain
        )
        assert all(Decimal(row["BilledCost"]) < 0 for row in credits_)
        (mended,) = [row for row in rows if row["ChargeClass"] == "Correction"]
        assert (mended["ChargeCategory"], mended["BilledCost"]) == ("Adjustment", "-0.24")
    for subject in others:
        with pytest.raises(BadInput):
            make_file(subject, PERIOD, "focus", now=OCTOBER)
    with pytest.raises(BadInput):
        make_file(tenant, PERIOD, "docx", now=OCTOBER)


def test_a_voucher_correction_bills_nobody_money(world: World) -> None:
    voucher = accounts.voucher(Ref("voucher", Voucher.objects.get().id))
    provider = Ref("organisation", world.provider)
    treasury = accounts.payable(provider, "voucher")
    move(treasury, voucher, 11, Reason.CORRECTION, provider, key="correct:2", now=OCTOBER)
    for subject in subjects(world)[:2]:
        rows = [r for r in table(subject, "focus") if r["x_BusinessKey"] == "correct:2"]
        assert {(r["ChargeCategory"], r["BilledCost"], r["ChargeClass"]) for r in rows} == {
            ("Adjustment", "-0.11", "Correction"),
            ("Credit", "0.11", "Correction"),
        }


def focus_samples(folder: Path) -> Iterator[dict[str, str]]:
    for path in sorted(folder.glob("focus_1_3_cost_and_usage_*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def test_focus_has_the_columns_and_words_of_the_specification(
    world: World, shared_data: Path
) -> None:
    folder = shared_data / "focus_sample"
    if not folder.is_dir():
        pytest.skip(f"no FOCUS sample at {folder}")
    sample = list(focus_samples(folder))
    rows = table(subjects(world)[0], "focus")

    own = [name for name in rows[0] if name not in COLUMNS]
    assert set(COLUMNS) == set(sample[0]) - SINCE_1_3
    assert own and all(name.startswith("x_") for name in own)
    for column in ("ServiceCategory", "PricingCategory", "ChargeFrequency"):
        assert {r[column] for r in rows} - {""} <= {r[column] for r in sample}, column
    instant = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
    for row in rows:
        assert not {name for name in MANDATORY if not row[name]}
        assert row["ChargeCategory"] in {"Usage", "Purchase", "Tax", "Credit", "Adjustment"}
        assert row["ChargeClass"] in {"", "Correction"}
        assert (row["BillingCurrency"], row["InvoiceId"]) == ("CNY", row["x_StatementNumber"])
        for name in COLUMNS:
            if name.endswith(("Start", "End")):
                assert instant.fullmatch(row[name]), name
            if name.endswith(("Cost", "Price", "Quantity")) and row[name]:
                assert re.fullmatch(r"-?\d+(\.\d+)?", row[name]), (name, row[name])
        assert bool(row["ConsumedQuantity"]) == (row["ChargeCategory"] == "Usage")
        if row["PricingQuantity"]:
            product = Decimal(row["PricingQuantity"]) * Decimal(row["ListUnitPrice"])
            assert product == Decimal(row["ListCost"])
        json.dumps(row)


def test_hours_are_exact_to_the_millionth() -> None:
    assert str(Hours(3_600_000)) == "1.000000"
    assert str(Hours(1)) == "0.000000"
    assert str(Hours(2)) == "0.000001"
    assert str(Hours(-5_400_000)) == "-1.500000"


def test_a_long_month_is_written_line_by_line(world: World) -> None:
    job = MeteredJob(world)
    job.begin(cover="300", authorised="300", now=SEPTEMBER)
    for hour in range(1, 40):
        job.used(hour, now=OCTOBER + timedelta(hours=hour))
    tenant = access_subject(world.researcher, "")
    assert len(table(tenant, "csv")) == statement(tenant, PERIOD, now=OCTOBER).totals.lines + 1
    assert read(tenant, "pdf").count(b"/Type /Page\n") >= 2
    assert file_name(tenant, PERIOD, "focus").endswith("-20251001-20251031.focus.csv")
    assert set(FORMATS) == {"csv", "xlsx", "pdf", "focus"}
