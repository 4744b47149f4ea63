"""What there is of long work: a statement as a file, and issuing all vouchers whose notice is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from uuid import UUID

from jinsuan.casework.errors import MoveNotAllowed
from jinsuan.entrypoints.exports.make import FORMATS, Pieces, file_name, format_of
from jinsuan.entrypoints.longwork import files
from jinsuan.entrypoints.longwork.actions import Held, ask, finish
from jinsuan.kernel.errors import NotAllowed
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import Period
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.snapshot import one_snapshot
from jinsuan.vouchers.actions.grant import cases_in_notice
from jinsuan.vouchers.actions.grant_many import CHUNK, issue_granted_many
from jinsuan.vouchers.statements import Line, Statement
from jinsuan.vouchers.statements_kept import keep, kept_lines, of_json, to_json
from jinsuan.vouchers.subjects import Subject, access_subject

Clock = Callable[[], datetime]
EXPORT, ISSUE = "statement_export", "mass_issue"
PIECE = 2_000
"""So many lines are written between two commits: half a second."""
BEAT_EVERY = 1_000
SAID = 500
ISSUER = Actor.system("worker:longwork")


def ask_export(subject: Subject, period: Period, name: str, *, actor: Actor, now: datetime) -> Ref:
    """Have a statement written into a file (生成文件). The subject came through its door.

    Raises:
        BadInput: no such format, or none for this statement.
    """
    form = format_of(subject, name)
    first, last = subject.days(period)
    return ask(
        kind=EXPORT,
        title=f"对账单 {subject.name} {first} 至 {last}（{form.label}）",
        parameters={
            "kind": str(subject.kind),
            "key": subject.key,
            "start": period.start.isoformat(),
            "end": period.end.isoformat(),
            "format": name,
        },
        actor=actor,
        now=now,
    )


def ask_mass_issue(*, actor: Actor, now: datetime) -> Ref:
    """Issue all vouchers whose notice is over by now (批量发放).

    Raises:
        NotAllowed: no provincial officer.
    """
    if actor.role is not Role.PROVINCIAL_OFFICER:
        raise NotAllowed("批量发放", "省级经办")
    return ask(kind=ISSUE, title="批量发放公示期满的算力券", parameters={}, actor=actor, now=now)


def run_export(held: Held, now: Clock) -> None:
    """Put the lines aside, write them, finish."""
    said = held.parameters
    form = FORMATS[said["format"]]
    period = Period(datetime.fromisoformat(said["start"]), datetime.fromisoformat(said["end"]))
    if "head" not in held.place:
        # The door once more: what the asker may see may have changed while it waited.
        subject = access_subject(held.asker, said["kind"], said["key"])
        with one_snapshot(read_only=False), held.step(now=now()) as row:
            head = keep(held.id, subject, period, now=held.asked_at)
            row.total, row.place = head.totals.lines, {"head": to_json(head)}
    head = of_json(held.place["head"])
    place = files.place_of(held.id, held.fence)
    if form.pieces is None:
        with files.writing(place) as file:
            form.write(head, _beating(held, kept_lines(held.id), now), file)
            files.settle(file)
    else:
        try:
            _write_pieces(held, head, form.pieces, place, now)
        except FileNotFoundError:  # another machine's disk: the lines are still here
            held.place = {"head": held.place["head"]}
            _write_pieces(held, head, form.pieces, place, now)
    name = file_name(head.subject, head.period, form.name)
    finish(held, file=files.result(place, name=name, media=form.media_type), now=now())


def _beating(held: Held, lines: Iterator[Line], now: Clock) -> Iterator[Line]:
    """The lines of a file that can only be written whole; says on the way how far it is."""
    for number, line in enumerate(lines, start=1):
        yield line
        if number % BEAT_EVERY == 0:
            held.beat(number, now=now())


def _write_pieces(held: Held, head: Statement, pieces: Pieces, place: str, now: Clock) -> None:
    """Go on behind the last piece that was committed with its size and its balance."""
    at, balance = held.place.get("bytes", 0), Money(held.place.get("balance", head.opening.fen))
    done = held.place.get("lines", 0)
    with files.writing(place, goes_on=held.place.get("file", ""), at=at) as file:
        if not at:
            pieces.begin(head, file)
        while found := list(kept_lines(held.id, after=done, limit=PIECE)):
            pieces.more(head, found, balance, file)
            done, balance = done + len(found), balance + Money.total(x.amount for x in found)
            size = files.settle(file)
            with held.step(now=now()) as row:
                row.done = done
                row.place |= {"bytes": size, "lines": done, "balance": balance.fen, "file": place}
        assert done == head.totals.lines, (done, head.totals.lines)
        if pieces.end is not None:
            pieces.end(head, file)
        files.settle(file)


def run_mass_issue(held: Held, now: Clock) -> None:
    """Chunk by chunk; each is issued and counted in one transaction. The list is read anew after a
    kill: what was issued is no longer on it, and what was left is passed over.
    """
    if held.total is None:
        with held.step(now=now()) as row:
            row.total = len(cases_in_notice(now=now()))
    while True:
        passed = {UUID(text) for text in held.place.get("passed", ())}
        due = [case for case in cases_in_notice(now=now()) if case not in passed][:CHUNK]
        if not due:
            break
        with held.step(now=now()) as row:
            found = issue_granted_many(due, actor=ISSUER, now=now())
            # Whatever moved meanwhile was issued by the timer, or taken back by an officer.
            stayed = [x for x in found.left if x.code != MoveNotAllowed.code]
            row.done += len(found.issued) + len(found.ended)
            row.left_count += len(stayed)
            row.total = max(row.total or 0, row.done + row.left_count)
            more = [{"number": x.number, "code": x.code, "words": x.words} for x in stayed]
            row.left = [*row.left, *more][:SAID]
            row.place = {"passed": [*map(str, passed), *(str(x.case) for x in found.left)]}
    finish(held, now=now())


KINDS: Mapping[str, Callable[[Held, Clock], None]] = {EXPORT: run_export, ISSUE: run_mass_issue}
