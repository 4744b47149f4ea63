"""The people of the voucher crash test, and what the books must say afterwards."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import InterfaceError, OperationalError, connection
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

from jinsuan.agent.config import write_config
from jinsuan.agent.engines.embedded import VirtualNode
from jinsuan.agent.http import enrol as enrol_agent
from jinsuan.agent.keys import make_key, save_key
from jinsuan.casework.errors import MoveNotAllowed
from jinsuan.casework.models import Case, CaseMove
from jinsuan.dispatch.models import Job
from jinsuan.entrypoints import clock
from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money, Rounding
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.models import Account, AuditRow, Transfer
from jinsuan.ledger.queries import balance, check_book
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.steps import Step
from jinsuan.metering.actions import set_tariff
from jinsuan.metering.rating import CPU, MEMORY, card
from jinsuan.registry.actions.agents import issue_enrolment_code, issue_token
from jinsuan.registry.actions.centres import register_centre
from jinsuan.registry.models import AgentChannel
from jinsuan.registry.queries import centre_id
from jinsuan.vouchers.actions import book_top_up
from jinsuan.vouchers.actions.check_settings import set_price_band
from jinsuan.vouchers.actions.grant import issue_granted
from jinsuan.vouchers.models import FundingSource, Voucher
from jinsuan.vouchers.reconcile import differences
from tests.flows.voucher_world import NOW, Cast, make_cast
from tests.flows.world import SYSTEM

if TYPE_CHECKING:
    from tests.flows.voucher_crash import VoucherScenario

MODEL = "T4-16GB"
PRICES = {card(MODEL): 360_000_000, CPU: 3_600_000, MEMORY: 360_000}
"""A card-second costs a yuan."""
PATIENCE = 60
state: dict[str, Any] = {}


def register(scenario: VoucherScenario, cases: int) -> str:
    """A centre, recommended cases, and a voucher on the contract signed last; returns a token."""
    cast = make_cast()
    world = cast.world
    AgentChannel.objects.filter(centre=world.centre_id).update(last_seen_at=None)
    ref = register_centre(
        code="K00",
        name="崩溃测试中心",
        owner=world.provider,
        adcode="140100",
        kind="智算",
        network="",
        industry="",
        effective_from=date(2025, 1, 1),
        actor=SYSTEM,
        now=NOW,
    )
    # A yuan a second is far outside what cards cost, so here the province's band says otherwise.
    set_price_band(
        card(MODEL),
        low_millifen=1,
        high_millifen=PRICES[card(MODEL)],
        effective_on=NOW.date(),
        source="测试",
        actor=SYSTEM,
        now=NOW,
    )
    set_tariff(ref.id, PRICES, effective_on=NOW.date(), reason="测试", actor=SYSTEM, now=NOW)
    waiting = []
    for number in range(cases):
        waiting.append(cast.apply(f"HT-{number}", "100000"))
        cast.recommend(waiting[-1])
    voucher = cast.grant("HT-LAST", "1000")
    state.update(cast=cast, waiting=waiting, voucher=voucher)
    assert world.researcher.person is not None
    return issue_token(
        person=world.researcher.person,
        organisation=world.tenant,
        role=Role.TENANT,
        scopes=["jobs:read", "jobs:write"],
        label="crash",
        expires_at=clock.now() + timedelta(days=1),
        actor=world.researcher,
        now=clock.now(),
    )


def enrol(folder: Path, url: str) -> None:
    nodes = [
        VirtualNode(name=f"k{n}", model=MODEL, cards=16, cpu_milli=64_000, memory_mib=131_072)
        for n in range(2)
    ]
    write_config(folder, server=url, centre="K00", nodes=nodes)
    centre = centre_id("K00")
    assert centre is not None
    code = issue_enrolment_code(centre, actor=SYSTEM, now=clock.now())
    key = make_key()
    enrol_agent(url, code, "K00", key=key, agent_version="crash")
    save_key(folder, key)


def until_done(act: Callable[[], Any]) -> Any:
    """Again and again while PostgreSQL is away."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except (OperationalError, InterfaceError, ConnectorException):
            assert time.monotonic() < deadline
            connection.close()
            time.sleep(0.05)


# ── who works in the storm ────────────────────────────────────────────────────────────────────────


def treasury(scenario: VoucherScenario) -> None:
    """Top-ups by the bank's number; every other one is booked twice."""
    cast: Cast = state["cast"]
    number = 0
    while not scenario.stopping.is_set():
        for _ in range(1 + number % 2):
            until_done(lambda n=number: top_up(cast, n))
        scenario.keys.append(f"topup:CRASH{number}")
        number += 1
        time.sleep(0.03)
    connection.close()


def top_up(cast: Cast, number: int) -> None:
    book_top_up(
        tenant=cast.world.tenant,
        amount=Money(100 + number),
        bank_reference=f"CRASH{number}",
        actor=cast.payer,
        now=clock.now(),
    )


def officer(scenario: VoucherScenario) -> None:
    """Approves cases as of the day of application, so that their notice is over at once."""
    cast: Cast = state["cast"]
    for case in state["waiting"]:
        with suppress(MoveNotAllowed):  # it was approved, and the answer was lost
            until_done(lambda c=case: cast.approve(c))
        scenario.approved.append(case)
        if scenario.stopping.wait(1.5):
            break
    connection.close()


def impatient(scenario: VoucherScenario) -> None:
    """Asks the worker for its turn on the cases more often than once a minute."""
    from jinsuan.entrypoints.worker.tasks import cases

    while not scenario.stopping.wait(0.7):
        turn(cases)
    connection.close()


def turn(task: Any) -> None:
    with suppress(AlreadyEnqueued):
        until_done(lambda: task.defer(timestamp=0))


# ── waiting ───────────────────────────────────────────────────────────────────────────────────────


def wait_for_progress(scenario: VoucherScenario, victim: str) -> None:
    """Until the victim did something since it was asked for: nobody is killed while idle."""

    def stands() -> int:
        if victim == "worker":
            return Transfer.objects.filter(reason=Reason.CAPTURE).count()
        return len(scenario.orders) if victim == "server" else Transfer.objects.count()

    before, deadline = until_done(stands), time.monotonic() + PATIENCE
    while until_done(stands) <= before:
        assert not scenario.failed, scenario.failed
        assert time.monotonic() < deadline, f"{victim}: nothing goes on"
        time.sleep(0.02)


def wait_for_rest(scenario: VoucherScenario) -> None:
    """Until all jobs are settled and all approved cases issued."""
    from jinsuan.entrypoints.worker.tasks import cases

    deadline = time.monotonic() + PATIENCE
    while True:
        turn(cases)
        open_jobs = until_done(lambda: Job.objects.exclude(state="settled").count())
        issued = until_done(lambda: Voucher.objects.exclude(id=state["voucher"].id).count())
        if not open_jobs and issued >= len(scenario.approved):
            return
        assert time.monotonic() < deadline, (open_jobs, issued, len(scenario.approved))
        time.sleep(0.3)


# ── what the books say ────────────────────────────────────────────────────────────────────────────


def books(scenario: VoucherScenario) -> dict[str, Any]:
    keys = Counter(Transfer.objects.values_list("key", flat=True))
    voucher = Voucher.objects.get(id=state["voucher"].id)
    sources = list(FundingSource.objects.select_related("funding").exclude(voucher=None))
    over = [
        str(s.funding_id)
        for s in sources
        if s.captured_fen > Money(s.funding.captured_fen).times(s.funding.rate, Rounding.DOWN).fen
    ]
    ends = Counter(CaseMove.objects.filter(name="公示期满").values_list("case", flat=True))
    tops = {key for key in keys if key.startswith("topup:CRASH")}
    left = balance(accounts.voucher(state["voucher"]))
    before = _all()
    again = _again(scenario)
    return {
        "orders": len(scenario.orders),
        "jobs": Job.objects.count(),
        "lost_orders": len(set(scenario.orders.values()) - {str(Ref("job", i)) for i in _ids(Job)}),
        "outcomes": sorted(set(Job.objects.values_list("outcome", flat=True))),
        "top_ups": len(scenario.keys),
        "lost": sorted(set(scenario.keys) - keys.keys())[:5],
        "unheard_top_ups": len(tops - set(scenario.keys)),
        "twice": [key for key, count in keys.items() if count > 1],
        "approved": len(scenario.approved),
        "issued": Voucher.objects.count() - 1,
        "issued_twice": [str(c) for c, n in ends.items() if n > 1],
        "not_issued": Case.objects.filter(id__in=scenario.approved, voucher__isnull=True).count(),
        "face_fen": voucher.face_fen,
        "voucher_paid_fen": sum(s.captured_fen for s in sources if s.voucher_id == voucher.id),
        "voucher_left_fen": left.available.fen,
        "over_its_share": over,
        "captures": Transfer.objects.filter(reason=Reason.CAPTURE).count(),
        "transfers": sum(keys.values()),
        "again": again,
        "changed_by_retries": before != _all(),
        "differences": [*check_book().differences, *map(str, differences())],
    }


def _ids(model: Any) -> list[Any]:
    return list(model.objects.values_list("id", flat=True))


def _all() -> list[Any]:
    """Everything a retry could change."""
    fields = ("code", "debits_fen", "credits_fen", "debits_pending_fen", "credits_pending_fen")
    return [
        list(Account.objects.order_by("code").values_list(*fields)),
        Transfer.objects.count(),
        AuditRow.objects.count(),
        Voucher.objects.count(),
    ]


def _again(scenario: VoucherScenario) -> dict[str, int]:
    """Post every transfer of the book, book every top-up and issue every case once more."""
    done: Counter[str] = Counter()
    rows = Transfer.objects.select_related("debit", "credit", "pending").order_by("number")
    for row in rows:
        posting = Posting(
            key=row.key,
            debit=row.debit.code,
            credit=row.credit.code,
            amount=Money(row.fen),
            reason=Reason(row.reason),
            cause=Ref.read(row.cause),
            occurred_at=clock.now(),
            step=Step(row.step),
            pending=row.pending.key if row.pending else "",
        )
        post([posting], actor=SYSTEM, now=clock.now())
        done["posted"] += 1
    for number in range(len(scenario.keys)):
        top_up(state["cast"], number)
    for case in scenario.approved:
        try:
            issue_granted(case, actor=SYSTEM, now=clock.now())
        except DomainError as refusal:
            done[refusal.code] += 1
    return dict(done)
