"""Findings, claimed documents, other funds and attachments of a case."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from jinsuan.casework import files
from jinsuan.casework.actions.cases import check_free_to_act, locked
from jinsuan.casework.documents import Document
from jinsuan.casework.errors import DocumentClaimed, FindingClosed, PapersClosed
from jinsuan.casework.models import Attachment, Case, ClaimedDocument, Finding, OtherFund
from jinsuan.casework.moves import LEVEL_OF, TABLES, Level
from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record

SAME_FILE = "same_file"
UNCHECKED = "_unchecked"
"""How the code of a finding ends that says: this could not be checked."""


@transaction.atomic
def open_finding(
    case: UUID,
    *,
    code: str,
    title: str,
    blocking: bool,
    evidence: Sequence[Ref],
    owner: Role,
    detail: str = "",
    actor: Actor,
    now: datetime,
) -> Ref:
    """Note a difference somebody must explain (疑点). It freezes and never decides.

    Raises:
        NotFound: no such case for this actor.
        NotAllowed: an applicant notes nothing about a case.
    """
    row = locked(case, actor=actor, now=now)
    if LEVEL_OF.get(actor.role, Level.APPLICANT) is Level.APPLICANT:
        raise NotAllowed("登记疑点", "平台、推荐单位或省级经办")
    assert owner in (Role.RECOMMENDER, Role.PROVINCIAL_OFFICER), owner
    return _open_finding(row, code, title, blocking, evidence, owner, detail, actor, now)


def _open_finding(
    case: Case,
    code: str,
    title: str,
    blocking: bool,
    evidence: Sequence[Ref],
    owner: Role,
    detail: str,
    actor: Actor,
    now: datetime,
) -> Ref:
    made = Finding.objects.create(
        case=case,
        code=code,
        title=title,
        blocking=blocking,
        evidence=[str(one) for one in evidence],
        detail=detail,
        owner=owner,
        opened_by=actor.person,
        opened_at=now,
    )
    ref = Ref("finding", made.id)
    after = {"case": case.number, "code": code, "blocking": blocking, "evidence": made.evidence}
    record([Note(action="finding.open", subject=ref, after=after)], actor=actor, now=now)
    return ref


@transaction.atomic
def close_finding(
    finding: UUID, *, confirmed: bool, reason: str, proof: str = "", actor: Actor, now: datetime
) -> None:
    """The owner's named decision (结论), with a reason. It unfreezes and decides nothing else.

    Args:
        proof: what was looked at instead (依据), for a check that could not run: there it is a must.

    Raises:
        NotFound: no such finding for this actor.
        NotAllowed: another role owns it.
        ConflictOfInterest: own case, or stands aside.
        FindingClosed: it has its answer.
        BadInput: no reason.
    """
    case = Finding.objects.filter(id=finding).values_list("case_id", flat=True).first()
    if case is None:
        raise NotFound("疑点", str(Ref("finding", finding)))
    row = locked(case, actor=actor, now=now)
    found = Finding.objects.get(id=finding)
    if actor.role != found.owner or actor.person is None:
        raise NotAllowed("给这个疑点下结论", found.owner)
    check_free_to_act(row, actor, now=now)
    if found.closed_at is not None:
        raise FindingClosed(found.title)
    if not reason.strip():
        raise BadInput("结论", "没有写明理由", "请写明核实了什么、依据是什么。")
    if found.code.endswith(UNCHECKED) and not proof.strip():
        raise BadInput(
            "依据", "没有填写，而这一项平台没有核对过", "请写明人工查了什么材料、在哪里、结果如何。"
        )
    found.verdict = Finding.Verdict.CONFIRMED if confirmed else Finding.Verdict.EXPLAINED
    words = [reason.strip(), *([f"依据：{proof.strip()}"] if proof.strip() else [])]
    found.reason, found.closed_by, found.closed_at = "\n".join(words), actor.person, now
    found.save(update_fields=["verdict", "reason", "closed_by", "closed_at"])
    after = {"case": row.number, "code": found.code, "verdict": str(found.verdict)}
    note = Note(
        action="finding.close", subject=Ref("finding", finding), reason=found.reason, after=after
    )
    record([note], actor=actor, now=now)


@transaction.atomic
def claim_documents(
    case: UUID, documents: Sequence[Document], *, actor: Actor, now: datetime
) -> None:
    """Claim invoices, contracts and machines for a case (登记单据). Again for the same case is
    harmless; claimed by any other case of any programme it is refused, and nobody's name is told.

    Raises:
        NotFound: no such case for this actor.
        DocumentClaimed: in use elsewhere; nothing of this call is kept.
        NotAllowed, PapersClosed: another role, or the papers are handed in already.
    """
    row = locked(case, actor=actor, now=now)
    _papers_open(row, actor, "登记单据")
    # In one order for everyone, so that two claims of the same papers wait and never deadlock.
    wanted = sorted(set(documents))
    ClaimedDocument.objects.bulk_create(
        [
            ClaimedDocument(kind=d.kind, key=d.key, shown=d.shown, case=row, recorded_at=now)
            for d in wanted
        ],
        ignore_conflicts=True,
    )
    # The constraint decides; whoever came second has waited for it and reads the winner here.
    for document in wanted:
        live = ClaimedDocument.objects.get(
            kind=document.kind, key=document.key, released_at__isnull=True
        )
        if live.case_id != row.id:
            raise DocumentClaimed(ClaimedDocument.Kind(document.kind).label, document.shown)
    after = {"case": row.number, "documents": [f"{d.kind}:{d.key}" for d in wanted]}
    note = Note(action="document.claim", subject=Ref("case", row.id), after=after)
    record([note], actor=actor, now=now)


@transaction.atomic
def note_other_fund(
    case: UUID,
    *,
    tier: str,
    fund: str,
    document: str,
    amount: Money,
    same_content: bool,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Support from elsewhere: what an applicant says is declared, what an official says is found.

    Raises:
        NotFound: no such case for this actor.
        NotAllowed, PapersClosed: neither applies nor checks, or handed in already.
        BadInput: no amount, or no name.
    """
    row = locked(case, actor=actor, now=now)
    _papers_open(row, actor, "登记其他资金")
    level = LEVEL_OF[actor.role]
    if amount <= Money(0) or not fund.strip() or not document.strip():
        raise BadInput("其他资金", "没有写全资金名称、文件和大于零的金额", "请照拨款文件填写。")
    source = OtherFund.Source.DECLARED if level is Level.APPLICANT else OtherFund.Source.FOUND
    made = OtherFund.objects.create(
        case=row,
        source=source,
        tier=OtherFund.Tier(tier),
        fund=fund.strip(),
        document=document.strip(),
        amount_fen=amount.fen,
        same_content=same_content,
        person=actor.person,
        recorded_at=now,
    )
    ref = Ref("otherfund", made.id)
    after = {"case": row.number, "source": str(source), "tier": tier, "fen": amount.fen}
    record([Note(action="otherfund.note", subject=ref, after=after)], actor=actor, now=now)
    return ref


def receive_file(data: bytes, *, name: str) -> files.StoredFile:
    """Judge, scan and put away a file, before and outside any transaction.

    Raises:
        FileRefused, FileTooLarge, FileInfected, ScanUnavailable.
    """
    path = settings.VIRUS_SCANNER
    scanner = _late(path) if path else None
    return files.receive(data, name=name, folder=Path(settings.FILES_FOLDER), scanner=scanner)


def _late(path: str) -> files.Scanner:
    """The configured scanner, looked up inside the call: one that is not there must not be a pass."""

    def scan(data: bytes) -> str | None:
        found: str | None = import_string(path)(data)
        return found

    return scan


@transaction.atomic
def attach(
    case: UUID, stored: files.StoredFile, *, purpose: str, actor: Actor, now: datetime
) -> Ref:
    """Put a received file into a case (上传附件). The same file again gives the same attachment;
    the same file in another applicant's case opens a finding.

    Raises:
        NotFound: no such case for this actor.
        NotAllowed, PapersClosed: a role that hands in nothing, or handed in already.
    """
    row = locked(case, actor=actor, now=now)
    _papers_open(row, actor, "上传附件")
    before = Attachment.objects.filter(case=row, sha256=stored.sha256).first()
    if before is not None:
        return Ref("attachment", before.id)
    made = Attachment.objects.create(
        case=row,
        sha256=stored.sha256,
        size=stored.size,
        media=stored.media,
        name=stored.name,
        purpose=purpose,
        person=actor.person,
        recorded_at=now,
    )
    ref = Ref("attachment", made.id)
    after = {"case": row.number, "sha256": stored.sha256.hex(), "size": stored.size}
    record([Note(action="attachment.add", subject=ref, after=after)], actor=actor, now=now)
    others = Attachment.objects.filter(sha256=stored.sha256).exclude(
        case__applicant=row.applicant_id
    )
    seen = [Ref("attachment", pk) for pk in others.order_by("id").values_list("id", flat=True)]
    if seen:
        # Noted by the platform, not by whoever uploaded it, who must not learn of the others.
        _open_finding(
            row, SAME_FILE, "与其他申报主体的附件完全相同", False, [ref, *seen],
            Role.PROVINCIAL_OFFICER, "", Actor.system("casework"), now,
        )  # fmt: skip
    return ref


def _papers_open(case: Case, actor: Actor, act: str) -> None:
    """Papers change only before they are handed in, so that nobody decides on others than were
    judged. Officials may add theirs, such as the report of a visit, until the case ends.
    """
    table, level = TABLES[case.kind], LEVEL_OF.get(actor.role)
    if level is None:
        raise NotAllowed(act, "申报主体或办理人员")
    if table.state(case.state).end:
        raise PapersClosed(act, table.state(case.state).label)
    if level is Level.APPLICANT and not table.papers_open(case.state, actor.role):
        raise PapersClosed(act, table.state(case.state).label)
