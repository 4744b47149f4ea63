"""Evidence of a case: documents claimed once, papers closed when handed in, files through doors."""

from __future__ import annotations

from pathlib import Path

import pytest

from jinsuan.casework.actions.cases import move_case
from jinsuan.casework.actions.evidence import attach, claim_documents, note_other_fund, receive_file
from jinsuan.casework.documents import invoice
from jinsuan.casework.errors import DocumentClaimed, PapersClosed, ScanUnavailable
from jinsuan.casework.models import Attachment, Finding, OtherFund
from jinsuan.casework.queries import download
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from tests.flows.casework_world import NOW, Desk, make_desk

pytestmark = pytest.mark.django_db
INVOICE = invoice("25142000001234567890")


@pytest.fixture
def desk() -> Desk:
    return make_desk()


def test_a_document_is_claimed_once_until_its_case_ends_without_money(desk: Desk) -> None:
    first, second = desk.open(), desk.open(desk.rival)
    claim_documents(first, [INVOICE], actor=desk.tenant, now=NOW)
    claim_documents(first, [INVOICE], actor=desk.tenant, now=NOW)

    with pytest.raises(DocumentClaimed) as refusal:
        claim_documents(second, [INVOICE], actor=desk.rival, now=NOW)
    assert "甲企业" not in refusal.value.explain()
    assert "2025-m09" not in refusal.value.explain()
    move_case(first, "撤回", actor=desk.tenant, now=NOW)
    claim_documents(second, [INVOICE], actor=desk.rival, now=NOW)


def test_papers_are_closed_once_handed_in(desk: Desk) -> None:
    case = desk.to_province()

    with pytest.raises(PapersClosed):
        claim_documents(case, [INVOICE], actor=desk.tenant, now=NOW)
    fund = {"tier": "city", "fund": "市专项", "document": "同政规1号", "amount": Money(100)}
    with pytest.raises(PapersClosed):
        note_other_fund(case, **fund, same_content=True, actor=desk.tenant, now=NOW)  # type: ignore[arg-type]
    note_other_fund(case, **fund, same_content=True, actor=desk.city, now=NOW)  # type: ignore[arg-type]
    assert OtherFund.objects.get().source == "found"


def test_a_file_enters_once_and_leaves_only_through_the_door(
    desk: Desk, tmp_path: Path, settings: object
) -> None:
    settings.FILES_FOLDER = str(tmp_path)  # type: ignore[attr-defined]
    case = desk.open()
    stored = receive_file(b"%PDF-1.7 a", name="合同.pdf")
    ref = attach(case, stored, purpose="合同", actor=desk.tenant, now=NOW)

    assert attach(case, stored, purpose="合同", actor=desk.tenant, now=NOW) == ref
    assert Attachment.objects.count() == 1
    out = download(desk.tenant, ref.id, now=NOW)
    assert out.data == b"%PDF-1.7 a"
    assert out.headers["X-Content-Type-Options"] == "nosniff"
    for viewer in (desk.rival, desk.city, desk.officer, desk.expert):  # a draft is the applicant's
        with pytest.raises(NotFound):
            download(viewer, ref.id, now=NOW)

    other = desk.open(desk.rival)
    attach(other, stored, purpose="合同", actor=desk.rival, now=NOW)
    found = Finding.objects.get()
    assert (found.case_id, found.code, found.blocking) == (other, "same_file", False)
    assert str(ref) in found.evidence


def test_a_configured_scanner_that_is_not_there_fails_closed(
    tmp_path: Path, settings: object
) -> None:
    settings.FILES_FOLDER, settings.VIRUS_SCANNER = str(tmp_path), "no_such_module.scan"  # type: ignore[attr-defined]

    with pytest.raises(ScanUnavailable):
        receive_file(b"%PDF-1.7 a", name="合同.pdf")
    assert list(tmp_path.iterdir()) == []
