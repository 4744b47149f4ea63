"""Working days worked by hand from the official notices, spellings of documents, files as they are."""

from __future__ import annotations

import io
import stat
import zipfile
from datetime import date
from pathlib import Path

import pytest

from jinsuan.casework import files
from jinsuan.casework.documents import contract, invoice, serial
from jinsuan.casework.errors import (
    CalendarUnknown,
    FileDamaged,
    FileInfected,
    FileRefused,
    FileTooLarge,
    ScanUnavailable,
)
from jinsuan.casework.working_days import between, built_in, last_of
from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.uscc import check_character

A, B = (body + check_character(body) for body in ("91140000TET000001", "91140000TET000002"))
PDF = b"%PDF-1.7\n%..."
# In 2025 the days off are 1 to 8 October; Sunday 28 September and Saturday 11 October are worked.
# In 2026 they are 1 to 7 October; Sunday 20 September and Saturday 10 October are worked.


@pytest.mark.parametrize(
    ("start", "days", "last", "why"),
    [
        ("2025-09-25", 5, "2025-09-30", "四五日一二：周日 28 日上班"),
        ("2025-09-26", 5, "2025-10-09", "五日一二，跳过八天假，9 日是第五天"),
        ("2025-09-28", 1, "2025-09-28", "调休的周日算一天"),
        ("2025-10-01", 5, "2025-10-14", "9、10、周六 11、13、14"),
        ("2025-10-11", 2, "2025-10-13", "周六上班，周日不上"),
        ("2025-12-29", 5, "2026-01-05", "29、30、31，假三天，周日 4 日上班，5 日"),
        ("2026-09-18", 3, "2026-09-21", "周五，周日 20 日上班，周一"),
        ("2026-09-28", 5, "2026-10-09", "28、29、30，假七天，8、9"),
        ("2026-10-08", 3, "2026-10-10", "四、五、周六 10 日上班"),
        ("2026-09-24", 2, "2026-09-28", "25 日中秋放假"),
    ],
)
def test_working_days_around_the_long_holidays(start: str, days: int, last: str, why: str) -> None:
    first, end = date.fromisoformat(start), date.fromisoformat(last)

    assert last_of(first, days, built_in) == end, why
    assert between(first, end, built_in) == days, why


def test_a_year_without_a_calendar_is_an_error_and_no_guess() -> None:
    with pytest.raises(CalendarUnknown) as refusal:
        last_of(date(2026, 12, 28), 7, built_in)

    assert refusal.value.day == date(2027, 1, 1)
    assert "2027" in refusal.value.explain()
    assert last_of(date(2026, 12, 28), 4, built_in) == date(2026, 12, 31)


def test_one_document_has_one_spelling() -> None:
    assert contract("JS-2025/01", [A, B]).key == contract(" js２０２５ 01", [B, A]).key
    assert contract("JS-2025/01", [A, B]).key != contract("JS-2025/02", [A, B]).key
    assert invoice("２５１４２０００００１２ 34567890").key == "25142000001234567890"
    assert serial("sn: 0a-1b").key == serial("SN0A1B").key
    for call in (
        lambda: invoice("123"),
        lambda: invoice("2514200000123456789X"),
        lambda: contract("1", [A, A]),
        lambda: serial(" - "),
    ):
        with pytest.raises(BadInput):
            call()


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out.getvalue()


def take(folder: Path, data: bytes, name: str, scanner: files.Scanner | None = None) -> str:
    return files.receive(data, name=name, folder=folder, scanner=scanner).media


@pytest.mark.parametrize(
    ("data", "name", "media"),
    [
        (PDF, "合同.pdf", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n1", "a.PNG", "image/png"),
        (b"\xff\xd8\xff1", "a.jpeg", "image/jpeg"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "表.xlsx", files.MEDIA["xlsx"]),
        (zipped("[Content_Types].xml", "word/document.xml"), "文.docx", files.MEDIA["docx"]),
        (zipped("OFD.xml"), "票.ofd", "application/ofd"),
        (b'<?xml version="1.0"?><e/>', "票.xml", "application/xml"),
    ],
)
def test_an_allowed_file_is_known_by_its_content(
    tmp_path: Path, data: bytes, name: str, media: str
) -> None:
    assert take(tmp_path, data, name) == media


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"MZ\x90\x00", "合同.pdf"),
        (b"<html><script>", "a.pdf"),
        (PDF, "a.png"),
        (PDF, "../../etc/passwd.pdf"),
        (PDF, "..\\a.pdf"),
        (PDF, ".a.pdf"),
        (PDF, "a\x00.pdf"),
        (PDF, "a\u202efdp.pdf"),
        (PDF, "pdf"),
        (b"", "a.pdf"),
        (zipped("a.exe"), "a.docx"),
        (
            zipped("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"),
            "a.docx",
        ),
        (b"PK\x03\x04broken", "a.docx"),
        (b'<?xml version="1.0"?><!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "a.xml"),
    ],
)
def test_anything_else_is_refused_and_nothing_is_kept(
    tmp_path: Path, data: bytes, name: str
) -> None:
    with pytest.raises(FileRefused):
        take(tmp_path, data, name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", len(PDF))
    assert take(tmp_path, PDF, "a.pdf")

    with pytest.raises(FileTooLarge):
        take(tmp_path, PDF + b"1", "a.pdf")


def test_a_file_lies_under_its_digest_and_only_we_may_read_it(tmp_path: Path) -> None:
    stored = files.receive(PDF, name="a.pdf", folder=tmp_path / "files", scanner=None)
    again = files.receive(PDF, name="b.pdf", folder=tmp_path / "files", scanner=None)
    place = files.place_of(tmp_path / "files", stored.sha256)

    assert stored.sha256 == again.sha256
    assert [p for p in (tmp_path / "files").rglob("*") if p.is_file()] == [place]
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert files.fetch(tmp_path / "files", stored.sha256, "a.pdf") == PDF

    place.write_bytes(PDF + b"changed")
    with pytest.raises(FileDamaged):
        files.fetch(tmp_path / "files", stored.sha256, "a.pdf")
    place.unlink()
    with pytest.raises(FileDamaged):
        files.fetch(tmp_path / "files", stored.sha256, "a.pdf")


def test_a_scanner_that_finds_or_fails_keeps_the_file_out(tmp_path: Path) -> None:
    def silent(data: bytes) -> str | None:
        raise ConnectionRefusedError

    with pytest.raises(FileInfected):
        take(tmp_path, PDF, "a.pdf", lambda data: "Eicar-Test")
    with pytest.raises(ScanUnavailable):
        take(tmp_path, PDF, "a.pdf", silent)
    assert list(tmp_path.iterdir()) == []
    assert take(tmp_path, PDF, "a.pdf", lambda data: None)


def test_a_download_is_saved_and_never_shown() -> None:
    headers = files.download_headers('合同"\r\n.pdf', "application/pdf")

    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not set('\r\n"') & set(headers["Content-Disposition"])
