"""审计·封存: how far the seal has come, blocks verified on the spot, an export checked by upload."""

from __future__ import annotations

import io
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from jinsuan.entrypoints import clock, seal_keys
from jinsuan.entrypoints.portal.acting import signed_in
from jinsuan.entrypoints.portal.views.audit_book import AUDITORS, before_of, tabs
from jinsuan.kernel.errors import BadInput, DomainError
from jinsuan.ledger.audit import seal_status
from jinsuan.ledger.errors import AuditFileInvalid, SealKeyInvalid
from jinsuan.ledger.queries_audit import blocks_page
from jinsuan.ledger.recheck import MOST_ROWS, recheck
from jinsuan.ledger.signing import Checkers, checker_of
from jinsuan.ledger.verify import Unreadable, verify

LISTED = 20
SHOWN = 200
"""So many differences are listed; the rest is counted."""
MOST_BYTES = 16 * 1024 * 1024
MOST_KEY_BYTES = 16 * 1024


@signed_in(*AUDITORS)
@require_http_methods(["GET", "HEAD", "POST"])
def audit_seal(request: HttpRequest) -> HttpResponse:
    """封存: POST verifies some blocks, or an export that was uploaded. Nothing is stored."""
    page: dict[str, Any] = {"problem": "", "report": None, "file": None}
    if request.method == "POST":
        try:
            page |= _checked(request)
        except DomainError as error:
            page["problem"] = error.explain()
    number = before_of(request)
    found, here = blocks_page(before=number, limit=LISTED + 1), reverse("portal:audit_seal")
    status = seal_status()
    more = {"before": found[LISTED - 1].number} if len(found) > LISTED else {}
    page |= {
        "status": status,
        "newest_block": next(iter(blocks_page(limit=1)), None),
        "blocks": found[:LISTED],
        "last": status.blocks,
        "first": max(1, status.blocks - LISTED + 1),
        "most_rows": MOST_ROWS,
        "most_mib": MOST_BYTES // (1024 * 1024),
        "newest": here if number is not None else "",
        "older": f"{here}?{urlencode(more)}" if more else "",
        "tabs": tabs("audit_seal"),
        "now": clock.now(),
        "crumbs": [("审计", reverse("portal:audit")), ("封存", "")],
    }
    return render(request, "portal/audit_seal.html", page, status=422 if page["problem"] else 200)


def _checked(request: HttpRequest) -> dict[str, Any]:
    match request.POST.get("act"):
        case "range":
            checkers = _own_key()
            report = recheck(_number(request, "first"), _number(request, "last"), checkers=checkers)
            return {"report": report, **_told(report.differences, checkers)}
        case "file":
            checkers = _given_key(request)
            found = _file_report(request, checkers)
            return {"file": found, **_told(found.differences, checkers)}
        case _:
            raise BadInput("操作", "读不懂", "请回到封存页再办。")


def _told(differences: tuple[str, ...], checkers: Checkers | None) -> dict[str, Any]:
    return {
        "differences": differences[:SHOWN],
        "more": max(0, len(differences) - SHOWN),
        "keys": ("、".join(checkers) if checkers else ""),
    }


def _own_key() -> Checkers | None:
    """The platform's own key; an auditor who trusts only the own copy uploads it below."""
    try:
        signer = seal_keys.signer()
        return None if signer is None else _checkers(signer.public_pem)
    except (SealKeyInvalid, ValueError, TypeError):
        return None


def _checkers(pem: bytes) -> Checkers:
    one = checker_of(pem)
    return {one.key_id: one}


def _given_key(request: HttpRequest) -> Checkers | None:
    file = request.FILES.get("key")
    if file is None:
        return None
    data = _read(file, MOST_KEY_BYTES, "公钥")
    try:
        return _checkers(data)
    except (ValueError, TypeError) as error:
        raise SealKeyInvalid(str(file.name)[:60], "不是可用的公钥（PEM）") from error


def _file_report(request: HttpRequest, checkers: Checkers | None) -> Any:
    file = request.FILES.get("export")
    if file is None:
        raise BadInput("导出文件", "没有选", "请选 jinsuan audit export 导出的文件。")
    name = str(file.name)[:60]
    data = _read(file, MOST_BYTES, "导出文件")
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="\n")
    head = request.POST.get("head", "").strip()[:200] or None
    try:
        return verify(lines, checkers=checkers, head=head)
    except UnicodeDecodeError as error:
        raise AuditFileInvalid(name, "不是 UTF-8 文本") from error
    except Unreadable as error:
        raise AuditFileInvalid(name, str(error)) from error


def _read(file: UploadedFile[bytes], most: int, what: str) -> bytes:
    if (file.size or 0) > most:
        raise BadInput(
            what,
            f"有 {file.size:,} 字节",
            f"页面至多收 {most:,} 字节；更大的请用命令 jinsuan audit verify 核验。",
        )
    data: bytes = file.read()
    return data


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadInput("区块", f"{text[:20] or '没有写'}", "请写区块的编号，如 1。")
    return int(text)
