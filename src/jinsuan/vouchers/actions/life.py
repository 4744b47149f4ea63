"""What happens to a voucher after it was issued: suspended, resumed, revoked, expired.

What is left on a voucher that ended goes back where it came from. Money that stands in escrow for a
running job stays with that job; what the job releases later is taken back by the next sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.errors import NotAllowed
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Note, Posting, post, record
from jinsuan.ledger.queries import balances
from jinsuan.ledger.reasons import Reason
from jinsuan.vouchers.errors import VoucherMoveRefused
from jinsuan.vouchers.models import Voucher
from jinsuan.vouchers.terms import terms_of

State = Voucher.State
ENDED = (State.EXPIRED, State.REVOKED)
_REASONS = {State.EXPIRED: Reason.EXPIRE, State.REVOKED: Reason.REVOKE}


@transaction.atomic
def suspend(voucher: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """Stop new use of a voucher (停用), for example while a doubt is looked into. Running jobs go on.

    Raises:
        NotAllowed: the actor is no provincial officer.
        VoucherMoveRefused: it is not in use.
    """
    _move(voucher, (State.ISSUED,), State.SUSPENDED, "停用", reason, actor, now)


@transaction.atomic
def resume(voucher: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """Let a suspended voucher be used again (恢复).

    Raises:
        NotAllowed: the actor is no provincial officer.
        VoucherMoveRefused: it is not suspended.
    """
    _move(voucher, (State.SUSPENDED,), State.ISSUED, "恢复", reason, actor, now)


@transaction.atomic
def revoke(voucher: UUID, *, reason: str, actor: Actor, now: datetime) -> Money:
    """Take a voucher back for good (作废).

    Returns:
        What went back to the pool at once; what running jobs hold follows when they release it.

    Raises:
        NotAllowed: the actor is no provincial officer.
        VoucherMoveRefused: it has ended already.
    """
    row = _move(voucher, (State.ISSUED, State.SUSPENDED), State.REVOKED, "作废", reason, actor, now)
    return take_back([row], actor=actor, now=now)


def _move(
    voucher: UUID,
    sources: Sequence[Voucher.State],
    target: Voucher.State,
    word: str,
    reason: str,
    actor: Actor,
    now: datetime,
) -> Voucher:
    if actor.role is not Role.PROVINCIAL_OFFICER:
        raise NotAllowed(f"{word}算力券", "省级经办")
    # Fundings lock vouchers' accounts, never these rows, so nobody waits for this lock.
    row = Voucher.objects.select_for_update(no_key=True).get(id=voucher)
    before, ref = State(row.state), Ref("voucher", row.id)
    if before not in sources:
        raise VoucherMoveRefused(str(ref), word, before.label, tuple(s.label for s in sources))
    row.state = target
    row.save(update_fields=["state"])
    note = Note(
        action=f"voucher.{target.value}",
        subject=ref,
        reason=reason,
        before={"state": before.value},
        after={"state": target.value},
    )
    record([note], actor=actor, now=now)
    return row


@transaction.atomic
def expire_due(*, actor: Actor, now: datetime, limit: int = 500) -> int:
    """End vouchers whose last day is over (过期), and take back what they still have.

    Returns:
        How many expired.
    """
    rows = list(
        Voucher.objects.select_for_update(no_key=True, skip_locked=True)
        .filter(state__in=(State.ISSUED, State.SUSPENDED), expires_on__lt=beijing_date(now))
        .select_related("programme")
        .order_by("id")[:limit]
    )
    notes = [
        Note(
            action="voucher.expired",
            subject=Ref("voucher", row.id),
            reason=f"有效期至 {row.expires_on}（含）",
            before={"state": row.state},
            after={"state": State.EXPIRED.value},
        )
        for row in rows
    ]
    for row in rows:
        row.state = State.EXPIRED
        row.save(update_fields=["state"])
    record(notes, actor=actor, now=now)
    take_back(rows, actor=actor, now=now)
    return len(rows)


@transaction.atomic
def warn_expiring(*, actor: Actor, now: datetime, limit: int = 500) -> int:
    """Note once for each granted voucher that it ends within its terms' days (即将过期).

    Returns:
        How many were noted.
    """
    today = beijing_date(now)
    rows = (
        Voucher.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .filter(state=State.ISSUED, warned_on=None, expires_on__gte=today)
        .exclude(programme__rule="")
        .select_related("programme")
        .order_by("expires_on", "id")
    )
    notes = []
    for row in rows[:limit]:
        days = terms_of(row.programme.pack, row.programme.rule).warn_days
        if (row.expires_on - today).days > days:
            continue
        row.warned_on = today
        row.save(update_fields=["warned_on"])
        notes.append(
            Note(
                action="voucher.expiry_warned",
                subject=Ref("voucher", row.id),
                reason=f"有效期至 {row.expires_on}（含），不足 {days} 天",
                after={"warned_on": today.isoformat()},
            )
        )
    record(notes, actor=actor, now=now)
    return len(notes)


@transaction.atomic
def sweep_ended(*, actor: Actor, now: datetime) -> Money:
    """Take back what jobs have released to vouchers that ended meanwhile. Again finds nothing."""
    rows = list(
        Voucher.objects.select_for_update(no_key=True)
        .filter(state__in=ENDED)
        .select_related("programme")
        .order_by("id")
    )
    return take_back(rows, actor=actor, now=now)


def take_back(rows: Sequence[Voucher], *, actor: Actor, now: datetime) -> Money:
    """What is on these vouchers goes to their pool; to 过期收回 once the programme's year is over."""
    codes = {row.id: accounts.voucher(Ref("voucher", row.id)) for row in rows}
    found = balances(codes.values())
    today, postings = beijing_date(now), []
    for row in rows:
        balance, programme = found[codes[row.id]], row.programme
        if not balance.available:
            continue
        over = today > programme.closes_on
        ref, reason = Ref("voucher", row.id), _REASONS[State(row.state)]
        postings.append(
            Posting(
                # All that ever came onto the voucher grows with each release, so each sweep of new
                # money has a key of its own and a repeated one has the same.
                key=f"{reason}:{ref}:{balance.credits.fen}",
                debit=codes[row.id],
                credit=accounts.lapsed(programme.code) if over else accounts.pool(programme.code),
                amount=balance.available,
                reason=reason,
                cause=ref,
                occurred_at=now,
            )
        )
    post(postings, actor=actor, now=now)
    return Money.total(p.amount for p in postings)
