"""Post for many callers in one transaction (合并记账), for accounts that everybody wants at once.

Every posting on a hot account waits for the commit of the one before, so more callers only wait
longer. Here the first caller becomes the leader: it posts for all who wait by then, in one call of
`post_calls` and one commit, and wakes them up; meanwhile the next ones gather. Each caller still
gets its own answer, the one it would have got alone.

One process, many threads. Callers in other processes queue at the database as ever.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Lock

from django.db import InterfaceError, OperationalError, connection, transaction

from jinsuan.kernel.ref import Actor
from jinsuan.ledger.accounts import kind_of
from jinsuan.ledger.actions import Call, Posting, post_calls
from jinsuan.ledger.steps import Step

MAX_CALLS = 200
"""One round serves so many; it bounds how long the first of them waits for the last."""


@dataclass(eq=False, slots=True)
class _Ticket:
    """A caller who waits: woken with an answer, or to lead the next round."""

    call: Call
    woken: Event = field(default_factory=Event)
    leads: bool = False
    error: BaseException | None = None


class _Queue:
    def __init__(self) -> None:
        self.lock = Lock()
        self.waiting: list[_Ticket] = []
        self.led = False  # somebody leads, or has been woken to


_queue = _Queue()


def _forget() -> None:
    """After a fork the threads that wait and lead are not ours."""
    global _queue  # noqa: PLW0603
    _queue = _Queue()


os.register_at_fork(after_in_child=_forget)


def post_grouped(postings: Sequence[Posting], *, actor: Actor, now: datetime) -> None:
    """What `post` does, committed when it returns, perhaps together with other callers' postings.

    Never inside a transaction: it could not be committed for the others, and locks that it holds
    could make the leader wait for ever.

    Raises:
        What `post` raises, and only for these postings. When the connection breaks, every caller
        of the round is told; as ever, a retry is harmless.
    """
    assert not connection.in_atomic_block, "post_grouped commits; call it outside of transactions"
    if not postings:
        return
    ticket = _Ticket(Call(postings=postings, actor=actor, now=now))
    queue = _queue
    with queue.lock:
        queue.waiting.append(ticket)
        ticket.leads = not queue.led
        queue.led = True
    if not ticket.leads:
        try:
            ticket.woken.wait()
        except BaseException:  # Ctrl-C: nobody may wait for a leader who has left
            _leave(queue, ticket)
            raise
    if ticket.leads:
        _lead(queue)
    if ticket.error is not None:
        raise ticket.error


def _lead(queue: _Queue) -> None:
    """One round. The leader stands first in the queue, so its own call is among those served."""
    with queue.lock:
        served = queue.waiting[:MAX_CALLS]
        del queue.waiting[:MAX_CALLS]
    try:
        _serve(served)
    except BaseException as error:
        for ticket in served:
            ticket.error = ticket.error or error
        raise
    finally:
        with queue.lock:
            _hand_over(queue)
        for ticket in served:
            ticket.woken.set()


def _hand_over(queue: _Queue) -> None:
    """Wake the next leader, if anybody waits. The caller holds the queue's lock."""
    queue.led = bool(queue.waiting)
    if queue.led:
        queue.waiting[0].leads = True
        queue.waiting[0].woken.set()


def _leave(queue: _Queue, ticket: _Ticket) -> None:
    with queue.lock:
        if ticket in queue.waiting:
            queue.waiting.remove(ticket)
            if ticket.leads:
                _hand_over(queue)


def _serve(tickets: list[_Ticket]) -> None:
    """Post for all; who is refused is found by halving, each half in a transaction of its own."""
    if len(tickets) > 1 and _lend(tickets):
        for ticket in tickets:
            _serve([ticket])
        return
    try:
        with transaction.atomic(durable=True):
            post_calls([ticket.call for ticket in tickets])
    except (OperationalError, InterfaceError) as error:
        for ticket in tickets:
            ticket.error = error
    except Exception as error:  # noqa: BLE001 - it is raised where it belongs
        if len(tickets) == 1:
            tickets[0].error = error
            return
        half = len(tickets) // 2
        _serve(tickets[:half])
        _serve(tickets[half:])


def _lend(tickets: list[_Ticket]) -> bool:
    """Whether one caller's money could pay for another's, which no order of single calls allows.

    `post` judges a whole call netted. So two callers with nothing, who pay each other, would both
    pass together and neither alone.
    """
    pays: Counter[str] = Counter()
    gets: Counter[str] = Counter()
    both: Counter[str] = Counter()
    for ticket in tickets:
        out = {p.debit for p in ticket.call.postings if p.step is not Step.VOID}
        into = {p.credit for p in ticket.call.postings if p.step.moves}
        into |= {p.debit for p in ticket.call.postings if p.step.resolves}
        pays.update(out)
        gets.update(into)
        both.update(out & into)
    return any(
        max(pays[code], gets[code]) > both[code] or both[code] > 1
        for code in pays
        if gets[code] and not kind_of(code).may_overdraw
    )
