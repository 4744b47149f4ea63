"""The only writers of the money book and of the audit book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.accounts import kind_of
from jinsuan.ledger.digest import canonical, digest, transfer_content, transfer_id
from jinsuan.ledger.errors import (
    AlreadyResolved,
    InsufficientBalance,
    PendingDiffers,
    PendingUnknown,
    TransferKeyReused,
)
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.statements import read
from jinsuan.ledger.steps import Step

MAX_KEY = 120
MAX_FEN = 2**63 - 1
PERSONAL = frozenset(
    {"phone", "mobile", "email", "identity", "id_card", "id_number", "bank_account"}
    | {"real_name", "full_name"}
)
"""Field names that would carry a person's data into a book nothing can be deleted from."""

# %b: sent in binary. As text a thousand postings take half as long again to write and to read.
_POST = """
    SELECT place, outcome, detail, needed_fen, available_fen
    FROM ledger_post(
        %b::text[], %b::text[], %b::boolean[],
        %b::uuid[], %b::text[], %b::bytea[], %b::text[], %b::text[],
        %b::text[], %b::text[], %b::bigint[], %b::text[], %b::text[], %b::timestamptz[],
        %b::text[], %b::uuid[], %b::int[],
        %b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::timestamptz[])
    WHERE outcome <> 'posted'
    ORDER BY place
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One movement to record: `amount` leaves `debit` and arrives at `credit`.

    Args:
        key: the business fact, such as "capture:job_…:17"; the same fact always has the same key.
        cause: the thing that made money move, so that any fen finds its way back.
        occurred_at: when it happened in the world. The first telling's time stays; a retry may
            bring another one.
        step: PENDING only reserves: `amount` can no longer be spent by `debit` and not yet by
            `credit`. POST moves it, or a part of it and lets the rest go; VOID lets it all go.
        pending: the key of the pending transfer that a POST or a VOID resolves. Debit and credit
            are that one's own; a VOID names its whole amount, so that the line says what it freed.
    """

    key: str
    debit: str
    credit: str
    amount: Money
    reason: Reason
    cause: Ref
    occurred_at: datetime
    step: Step = Step.SINGLE
    pending: str = ""

    def __post_init__(self) -> None:
        assert 0 < len(self.key) <= MAX_KEY, self
        assert bool(self.pending) == self.step.resolves, self
        assert self.pending != self.key, self
        assert 0 < self.amount.fen <= MAX_FEN, self
        assert self.debit != self.credit, self
        assert self.occurred_at.tzinfo is not None, self

    def content(self) -> str:
        """What the posting claims, as canonical text."""
        return transfer_content(
            key=self.key,
            debit=self.debit,
            credit=self.credit,
            fen=self.amount.fen,
            reason=self.reason,
            cause=self.cause,
            step=self.step,
            pending=self.pending,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What one caller wants posted, all or none."""

    postings: Sequence[Posting]
    actor: Actor
    now: datetime


@transaction.atomic
def open_accounts(codes: Iterable[str], *, now: datetime) -> None:
    """Open accounts that are not open yet (开户). Again is harmless; `post` does it by itself."""
    wanted = set(codes)
    if not wanted:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_open(%s::text[], %s::text[], %s::boolean[], %s::timestamptz)",
            [*_columns_of(wanted), now],
        )


def _columns_of(codes: set[str]) -> tuple[list[str], list[str], list[bool]]:
    ordered = sorted(codes)
    kinds = [kind_of(code) for code in ordered]
    return ordered, [str(k) for k in kinds], [k.may_overdraw for k in kinds]


def post(postings: Sequence[Posting], *, actor: Actor, now: datetime) -> None:
    """Record every posting or none of them (记账), each with its audit row.

    Posting the same key with the same content again is a no-op, so callers retry freely after a
    crash. Overdrafts are judged on the whole call, netted: what comes in by one posting may leave
    by another. Call it once per transaction where you can: only one call's locks have one order.

    Raises:
        InsufficientBalance: an account that may not overdraw would go below zero.
        TransferKeyReused: a key was used before, or in this very call, for something else.
        AlreadyResolved: another transfer has posted or voided the pending one.
        PendingUnknown: there is no pending transfer with the key that a post or a void names.
        PendingDiffers: the pending transfer is between other accounts, or of less.
    """
    post_calls([Call(postings=postings, actor=actor, now=now)])


@transaction.atomic
def post_calls(calls: Sequence[Call]) -> None:
    """Record the postings of all these callers or of none, each under its own name and time.

    Only for `grouped`, which sees to it that nobody's money pays for somebody else; it raises what
    `post` raises.
    """
    wanted = _one_per_key(calls)
    if not wanted:
        return
    try:
        rows = read(_POST, _arguments(wanted, calls))
    except IntegrityError as error:
        refusal = _reuse_at_the_same_moment(error)
        if refusal is None:
            raise
        raise refusal from error
    for place, outcome, detail, needed, available in rows:
        if outcome != "exists":
            raise _refusal(wanted[place - 1][0], outcome, detail, needed, available)


def _refusal(
    posting: Posting, outcome: str, detail: str | None, needed: int, available: int
) -> DomainError:
    """What the SQL function answered for one posting, as an error."""
    match outcome:
        case "exists_different":
            return TransferKeyReused(posting.key)
        case "insufficient":
            assert detail is not None
            return InsufficientBalance(detail, Money(needed), Money(available))
        case "already_resolved":
            return AlreadyResolved(posting.pending, detail or "")
        case "pending_unknown":
            return PendingUnknown(posting.pending)
        case "pending_different":
            return PendingDiffers(
                posting.pending, detail or "", Money(available), str(posting.step), Money(needed)
            )
        case _:
            raise AssertionError(outcome)


def _one_per_key(calls: Sequence[Call]) -> list[tuple[Posting, str, int]]:
    """The postings with contents and the callers' places (from 1), repeats dropped, in order."""
    seen: dict[str, tuple[Posting, str, int]] = {}
    for who, call in enumerate(calls, start=1):
        for posting in call.postings:
            content = posting.content()
            if seen.setdefault(posting.key, (posting, content, who))[1] != content:
                raise TransferKeyReused(posting.key)
    return list(seen.values())


def _arguments(wanted: list[tuple[Posting, str, int]], calls: Sequence[Call]) -> list[Any]:
    """The arrays that the SQL function takes, in its order."""
    items = [posting for posting, _, _ in wanted]
    contents = [content for _, content, _ in wanted]
    ids = [transfer_id(p.key) for p in items]
    return [
        *_columns_of({p.debit for p in items} | {p.credit for p in items}),
        ids,
        [p.key for p in items],
        [digest(content) for content in contents],
        contents,
        [str(Ref("transfer", pk)) for pk in ids],
        [p.debit for p in items],
        [p.credit for p in items],
        [p.amount.fen for p in items],
        [str(p.reason) for p in items],
        [str(p.cause) for p in items],
        [p.occurred_at for p in items],
        [str(p.step) for p in items],
        [transfer_id(p.pending) if p.pending else None for p in items],
        [who for _, _, who in wanted],
        [call.actor.person for call in calls],
        [call.actor.organisation for call in calls],
        [str(call.actor.role) for call in calls],
        [call.actor.via for call in calls],
        [call.now for call in calls],
    ]


def _reuse_at_the_same_moment(error: IntegrityError) -> TransferKeyReused | None:
    """The refusal behind a lost race for a key; None when another constraint was hurt."""
    diagnosis = getattr(error.__cause__, "diag", None)
    if getattr(diagnosis, "constraint_name", None) != "ledger_transfer_key":
        return None
    return TransferKeyReused(str(getattr(diagnosis, "message_detail", "")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One line for the audit book.

    Args:
        action: room and verb, such as "job.submit".
        before, after: what the thing said before and after: texts and whole numbers under stable
            names, people as ids. Only their digests count; the text is kept to be shown.
    """

    action: str
    subject: Ref
    reason: str = ""
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        assert self.action, self
        for side in (self.before, self.after):
            named = PERSONAL & set(side or ())
            assert not named, f"{self.action} would put {sorted(named)} into the audit book"


_RECORD = """
    INSERT INTO ledger_audit_row
        (recorded_at, person, organisation, role, via, action, subject, reason, before_digest,
         after_digest, detail)
    SELECT %s, %s, %s, %s, %s, n.action, n.subject, n.reason, n.before, n.after, n.detail::jsonb
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[], %s::bytea[], %s::text[])
        WITH ORDINALITY AS n(action, subject, reason, before, after, detail, place)
    ORDER BY n.place
"""


@transaction.atomic(savepoint=False)  # one statement, and no refusal that a caller would catch
def record(notes: Sequence[Note], *, actor: Actor, now: datetime) -> None:
    """Write audit rows (审计记录) in the order given, in the caller's transaction."""
    if not notes:
        return
    who = [now, actor.person, actor.organisation, str(actor.role), actor.via]
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, [*who, *map(list, zip(*map(_audit_columns, notes), strict=True))])


def _audit_columns(note: Note) -> tuple[Any, ...]:
    sides = {"before": note.before, "after": note.after}
    texts = {name: canonical(side) for name, side in sides.items() if side is not None}
    digests = {name: digest(text) for name, text in texts.items()}
    detail = ",".join(f'"{name}":{text}' for name, text in texts.items())
    return (
        note.action,
        str(note.subject),
        note.reason,
        digests.get("before"),
        digests.get("after"),
        f"{{{detail}}}" if texts else None,
    )
