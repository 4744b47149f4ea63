"""兑付: the payee asks, the platform compares four numbers, the province approves."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from jinsuan.casework.actions.cases import locked, move_case, open_case
from jinsuan.casework.actions.evidence import claim_documents
from jinsuan.casework.actions.payments import drop_returned_lines
from jinsuan.casework.documents import invoice
from jinsuan.casework.models import ClaimedDocument, PaymentLine
from jinsuan.casework.moves import TABLES
from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Note, Posting, post, record
from jinsuan.ledger.reasons import Reason
from jinsuan.metering.models import Invoice
from jinsuan.vouchers.actions.checks import refuse_new_doubts
from jinsuan.vouchers.differences import check_not_stopped
from jinsuan.vouchers.errors import ApplicantOwes, RedemptionRefused
from jinsuan.vouchers.four import LABELS
from jinsuan.vouchers.models import Redemption, Voucher
from jinsuan.vouchers.queries_checks import invoices_of, subject_of
from jinsuan.vouchers.queries_redeem import due_now, owed
from jinsuan.vouchers.terms import Pays, terms_of


def payee_of(voucher: Voucher) -> UUID:
    """Whom the treasury pays for a voucher: the provider (抵扣) or its holder (后补)."""
    if voucher.programme.pays == Pays.DEDUCT:
        assert voucher.provider_id is not None
        return voucher.provider_id
    return voucher.tenant_id


def redemption_code(voucher: Voucher) -> str:
    """The programme under which redemptions are numbered and paid, such as "m09r"."""
    return f"{terms_of(voucher.programme.pack, voucher.programme.rule).code}r"


def latest_through(now: datetime) -> date:
    """The last day that is wholly over in Beijing: nothing is recorded for it any more."""
    return beijing_date(now) - timedelta(days=1)


@transaction.atomic
def start_redemption(voucher: UUID, *, through: date, actor: Actor, now: datetime) -> Ref:
    """Ask for what is due on a voucher up to a day (申请兑付); returns its case, a draft.

    Raises:
        NotFound: no such voucher for this payee.
        RedemptionRefused: it was not granted on a contract, another redemption is under way, or the
            day is not over: its meters still run.
        ApplicantOwes: the payee still has to give money back.
    """
    row = (
        Voucher.objects.select_for_update(no_key=True, of=("self",))
        .select_related("programme")
        .filter(id=voucher)
        .first()
    )
    deduct = row is not None and row.programme.pays == Pays.DEDUCT
    wanted = Role.CENTRE_OPERATOR if deduct else Role.TENANT
    if row is None or row.case is None or actor.role is not wanted:
        raise NotFound("可兑付的算力券", str(Ref("voucher", voucher)))
    if payee_of(row) != actor.organisation:
        raise NotFound("可兑付的算力券", str(Ref("voucher", voucher)))
    owes = owed(payee_of(row))
    if owes:
        raise ApplicantOwes("收款单位", owes)
    latest = latest_through(now)
    if through > latest:
        raise RedemptionRefused(
            f"截止日 {through} 还没有过完，当天的计量还会增加",
            f"最晚可以写 {latest}（昨天），以后的用量留到下一次兑付。",
        )
    ends = [state.code for state in TABLES["redemption"].states if state.end]
    if row.redemptions.exclude(case__state__in=ends).exists():
        raise RedemptionRefused("这张券有一件兑付正在办理", "请等它办结，或撤回后重新提出。")
    case = open_case(
        kind="redemption",
        programme=redemption_code(row),
        title=f"算力券兑付：案件 {row.case.number}",
        body=row.case.body_id,
        actor=actor,
        now=now,
    )
    last = row.redemptions.aggregate(last=Max("number"))["last"] or 0
    Redemption.objects.create(
        case_id=case.id, voucher=row, payee_id=payee_of(row), number=last + 1, through=through
    )
    return case


@transaction.atomic
def submit_redemption(case: UUID, *, actor: Actor, now: datetime) -> None:
    """Hand it in (提交, or 补正): the numbers are worked out, the invoices are used up.

    Raises:
        RedemptionRefused: nothing is due; says all numbers and which one binds.
        DocumentClaimed: an invoice is in use in another case.
        NotFound, NotAllowed, MoveNotAllowed, CaseFrozen.
    """
    row = _redemption(case, actor, now)
    if actor.organisation != row.payee_id:
        raise NotAllowed("提交兑付", "收款单位的经办人")
    _measure(row)
    if row.amount_fen <= 0:
        raise RedemptionRefused(f"现在没有可兑付的金额（{numbers(row)}）", "请补齐最小的那一项。")
    numbers_of = Invoice.objects.filter(
        contract=row.voucher.contract_id, issued_on__lte=row.through, amount_fen__gt=0
    ).values_list("number", flat=True)
    family = Redemption.objects.filter(voucher=row.voucher_id).values("case")
    ours = set(
        ClaimedDocument.objects.filter(
            kind="invoice", released_at__isnull=True, case__in=family
        ).values_list("key", flat=True)
    )
    fresh = [invoice(number) for number in numbers_of if number not in ours]
    if fresh:
        claim_documents(case, fresh, actor=actor, now=now)
    name = "提交" if row.case.state == TABLES["redemption"].start.code else "补正"
    move_case(case, name, reason="", actor=actor, now=now)
    _note("redemption.submit", row, actor, now)


@transaction.atomic
def approve_redemption(case: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """Approve (核定) the amount that the four numbers give now; nobody types one.

    Raises:
        RedemptionRefused: nothing is due any more.
        NewDoubts: something came up since the checks ran; see `refuse_new_doubts`.
        InsufficientBalance: the voucher's money is not there (a frozen or an ended voucher).
        NotFound, NotAllowed, MoveNotAllowed, CaseFrozen, ConflictOfInterest, SamePerson.
    """
    row = _redemption(case, actor, now)
    handed_in = row.invoiced_fen
    _measure(row)
    if row.amount_fen <= 0:
        raise RedemptionRefused(f"现在没有可兑付的金额（{numbers(row)}）", "请退回补正。")
    if row.invoiced_fen > handed_in:
        # An invoice that came later was never used up by this case, so another could use it too.
        raise RedemptionRefused(
            f"提交以后又登记了发票（{Money(handed_in)} → {Money(row.invoiced_fen)}）",
            "请退回补正，由收款单位连同新发票重新提交。",
        )
    refuse_new_doubts(row.case, now=now)
    subject = subject_of(row.case)
    late = [] if subject is None else [b.number for b in invoices_of(subject) if b.case is None]
    if late:
        # The sum may be the same as before, when another invoice was corrected by as much.
        raise RedemptionRefused(
            f"发票 {late[0]} 没有登记为本件所用", "请退回补正，由收款单位重新提交。"
        )
    move_case(case, "核定", reason=reason, actor=actor, now=now)
    row.case.refresh_from_db()
    posting = _posting(row, Reason.REDEEM, now)
    check_not_stopped([posting.debit, posting.credit])
    post([posting], actor=actor, now=now)
    _note("redemption.approve", row, actor, now)


@transaction.atomic
def stop_redemption(case: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """Take an approval back before it is paid (暂停拨付); the money goes back where it came from.

    Raises:
        NotFound, NotAllowed, MoveNotAllowed, CaseFrozen, BadInput.
        RedemptionRefused: it stands in a payment batch, or the bank has it.
    """
    row = _redemption(case, actor, now)
    _check_not_ordered(row)
    approved = row.case.moves_made
    move_case(case, "暂停拨付", reason=reason, actor=actor, now=now)
    drop_returned_lines(case, actor=actor, now=now)
    forth = _posting(row, Reason.REDEEM, now, moves=approved)
    back = Posting(
        key=f"unredeem:{forth.key.partition(':')[2]}",
        debit=forth.credit,
        credit=forth.debit,
        amount=forth.amount,
        reason=Reason.CORRECTION,
        cause=forth.cause,
        occurred_at=now,
    )
    post([back], actor=actor, now=now)
    _note("redemption.stop", row, actor, now)


ORDERED = (PaymentLine.State.PENDING, PaymentLine.State.SENT, PaymentLine.State.ACCEPTED)


def _check_not_ordered(row: Redemption) -> None:
    """Whoever orders a payment locks the case first, as we did, so none can come in between."""
    lines = PaymentLine.objects.filter(basis=str(Ref("redemption", row.id)), state__in=ORDERED)
    line = lines.select_related("batch").first()
    if line is None:
        return
    state = PaymentLine.State(line.state)
    pending = state is PaymentLine.State.PENDING
    raise RedemptionRefused(
        f"它在拨付批次 {line.batch.number} 里（{state.label}）",
        "请财政先取消这个批次，再暂停拨付。"
        if pending
        else "钱已交银行，不能再停；银行退回后可以暂停，已付的由省级经办提出追缴。",
    )


def _posting(row: Redemption, reason: Reason, now: datetime, moves: int | None = None) -> Posting:
    ref = Ref("redemption", row.id)
    deduct = row.voucher.programme.pays == Pays.DEDUCT
    source = (
        accounts.payable(Ref("organisation", row.payee_id), accounts.VOUCHER)
        if deduct
        else accounts.voucher(Ref("voucher", row.voucher_id))
    )
    return Posting(
        key=f"redeem:{ref}:{row.case.moves_made if moves is None else moves}",
        debit=source,
        credit=accounts.due(ref),
        amount=Money(row.amount_fen),
        reason=reason,
        cause=ref,
        occurred_at=now,
    )


def _measure(row: Redemption) -> None:
    """The numbers as they are now, written on the row."""
    four, cumulative, before, binding = due_now(row.voucher, through=row.through, number=row.number)
    row.contract_fen, row.metered_fen = four.contract.fen, four.metered.fen
    row.invoiced_fen, row.paid_fen = four.invoiced.fen, four.paid.fen
    row.captured_fen = None if four.captured is None else four.captured.fen
    row.before_fen, row.binding = before.fen, binding
    row.cumulative_fen = cumulative.fen
    row.amount_fen = row.cumulative_fen - row.before_fen
    row.save()


def numbers(row: Redemption) -> str:
    """All numbers in words, the binding one named."""
    said = [
        f"{LABELS[name]} {Money(getattr(row, name + '_fen'))}"
        for name in ("contract", "metered", "invoiced", "paid")
    ]
    return f"{'、'.join(said)}，已兑付 {Money(row.before_fen)}，由{LABELS[row.binding]}决定"


def _redemption(case: UUID, actor: Actor, now: datetime) -> Redemption:
    held = locked(case, actor=actor, now=now)
    row = (
        Redemption.objects.select_for_update(of=("self", "voucher"), no_key=True)
        .select_related("case", "voucher__programme")
        .filter(case=held)
        .first()
    )
    if row is None:
        raise NotFound("算力券兑付", held.number)
    return row


def _note(action: str, row: Redemption, actor: Actor, now: datetime) -> None:
    after = {
        "case": str(row.case_id),
        "voucher": str(Ref("voucher", row.voucher_id)),
        "contract_fen": row.contract_fen,
        "metered_fen": row.metered_fen,
        "invoiced_fen": row.invoiced_fen,
        "paid_fen": row.paid_fen,
        "captured_fen": row.captured_fen,
        "binding": row.binding,
        "cumulative_fen": row.cumulative_fen,
        "amount_fen": row.amount_fen,
    }
    subject = Ref("redemption", row.id)
    record([Note(action=action, subject=subject, after=after)], actor=actor, now=now)
