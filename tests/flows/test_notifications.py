"""Notifications follow the seal: in order, to whom it concerns, once, through kills and races."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Barrier
from urllib.parse import unquote, urlsplit, urlunsplit

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client

from jinsuan.casework.actions.cases import move_case
from jinsuan.casework.actions.evidence import open_finding
from jinsuan.casework.actions.notices import record_objection
from jinsuan.casework.actions.payments import BankAnswer, confirm_batch, record_answers, send_batch
from jinsuan.casework.models import Case, PaymentBatch
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.worker import ticks
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.audit import seal_status
from jinsuan.ledger.delivery import (
    NOTIFY,
    NotificationView,
    deliver,
    mark_all_read,
    mark_read,
    notifications_of,
    unread_count,
)
from jinsuan.ledger.models import Notification, Reader
from jinsuan.ledger.seal import seal_all
from jinsuan.registry.actions.agents import issue_token
from jinsuan.registry.actions.people import end_membership
from jinsuan.registry.models import Membership, Person
from jinsuan.vouchers.actions import revoke, suspend, warn_expiring
from jinsuan.vouchers.actions.clawback import confirm_clawback, propose_clawback
from jinsuan.vouchers.actions.grant import pass_checks
from jinsuan.vouchers.actions.pay import retry_payment
from jinsuan.vouchers.letters import letters
from tests.flows.paid_world import LATE, make_paid
from tests.flows.voucher_world import AFTER_NOTICE, NOW, Cast, make_cast
from tests.flows.world import SYSTEM

ROOT = Path(__file__).parents[2]


def told(actor: Actor) -> list[NotificationView]:
    """What somebody was told, the oldest first."""
    return notifications_of(actor, limit=500)[::-1]


def kinds(actor: Actor) -> list[str]:
    """Of what kinds; the platform's own checks leave findings that these tests are not about."""
    return [one.kind for one in told(actor) if one.kind != "finding.opened"]


def go(now: datetime = NOW) -> None:
    """Seal and notify as the worker does."""
    seal_all(signer=None, now=now)
    ticks.notify(lambda: now)
    assert Reader.objects.get(name=NOTIFY).position == seal_status().rows


@pytest.mark.django_db
def test_the_whole_life_of_a_voucher_is_told_in_order_to_whom_it_concerns() -> None:
    paid = make_paid()
    go(LATE)
    cast = paid.cast

    assert kinds(cast.tenant) == [
        "case.checked",
        "case.recommended",
        "case.approved",
        "notice.published",
        "voucher.issued",
    ]
    assert kinds(cast.provider) == ["redemption.checked", "redemption.approved", "redemption.paid"]
    assert kinds(cast.city) == ["case.checked.next", "notice.published"]
    # The officer approved both by their own hand; what waits for them was told.
    assert kinds(cast.officer) == ["case.recommended.next", "redemption.checked.next"]
    # The payer made the batch and is not told of it; the checker is.
    assert kinds(cast.payer) == ["redemption.approved.next", "payment.confirmed"]
    assert kinds(cast.checker) == ["redemption.approved.next", "payment.made"]
    assert kinds(cast.world.auditor) == []
    issued = told(cast.tenant)[-1]
    assert issued.subject == paid.voucher
    assert "2,000.00" in issued.words or "2000.00" in issued.words
    assert "BK77" in told(cast.provider)[-1].words
    positions = [one.position for one in told(cast.tenant)]
    assert positions == sorted(set(positions))


@pytest.mark.django_db
def test_every_event_of_the_list_reaches_somebody() -> None:
    cast = make_cast()
    case = cast.apply()
    assert pass_checks(case, actor=SYSTEM, now=NOW)
    move_case(case, "退回补正", reason="合同缺页", actor=cast.city, now=NOW)
    other = cast.apply("HT-2")
    cast.recommend(other)
    cast.approve(other)
    later = datetime(2025, 9, 18, 1, tzinfo=NOW.tzinfo)
    day = later.date()
    record_objection(other, text="不是本地单位", received_on=day, actor=cast.second, now=later)
    third = cast.apply("HT-3")
    open_finding(
        third,
        code="x",
        title="两份合同同一天签",
        blocking=True,
        evidence=[Ref("case", other)],
        detail="",
        owner=Role.PROVINCIAL_OFFICER,
        actor=SYSTEM,
        now=NOW,
    )
    go()

    returned = next(one for one in told(cast.tenant) if one.kind == "case.returned")
    assert (returned.title, returned.number) == ("退回补正", Case.objects.get(id=case).number)
    assert "合同缺页" in returned.words
    assert "objection.recorded" in kinds(cast.tenant)
    assert "objection.recorded" in kinds(cast.officer)
    assert "objection.recorded" not in kinds(cast.second)  # recorded it
    assert all("不是本地单位" not in one.words for one in told(cast.tenant))
    # The applicant learns that it is frozen, and not by what.
    frozen = next(one for one in told(cast.tenant) if one.kind == "case.frozen")
    assert "两份合同" not in frozen.words
    assert any("两份合同" in one.words for one in told(cast.officer))
    assert kinds(cast.provider) == []


@pytest.mark.django_db
def test_the_ends_of_vouchers_and_of_payments_are_told() -> None:
    paid = make_paid()
    cast = paid.cast
    voucher = paid.voucher.id
    suspend(voucher, reason="核实中", actor=cast.officer, now=LATE)
    revoke(voucher, reason="查实造假", actor=cast.officer, now=LATE)
    asked = propose_clawback(
        voucher, amount=Money.yuan("10"), reason="查实造假", actor=cast.officer, now=LATE
    )
    confirm_clawback(asked.id, actor=cast.second, now=LATE)
    go(LATE)

    assert kinds(cast.tenant)[-2:] == ["voucher.suspended", "voucher.revoked"]
    assert "clawback.proposed" in kinds(cast.second)
    assert "clawback.proposed" not in kinds(cast.officer)
    demanded = told(cast.provider)[-1]
    assert demanded.kind == "clawback.demanded"
    assert "10.00" in demanded.words


@pytest.mark.django_db
def test_a_voucher_that_will_expire_is_told_once() -> None:
    cast = make_cast()
    voucher = cast.grant()
    soon = datetime(2025, 12, 20, 1, tzinfo=NOW.tzinfo)
    assert warn_expiring(actor=SYSTEM, now=soon) == 1
    go(soon)
    assert warn_expiring(actor=SYSTEM, now=soon) == 0
    go(soon)
    warned = [one for one in told(cast.tenant) if one.kind == "voucher.expires_soon"]
    assert [one.subject for one in warned] == [voucher]


@pytest.mark.django_db
def test_the_bank_sends_a_line_back_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second answer of the same batch tells only what is new in it."""
    from jinsuan.vouchers.actions.pay import make_redemption_batch
    from tests.flows import paid_world

    def stop(*_: object, **__: object) -> int:
        return 1

    monkeypatch.setattr(paid_world, "book_paid_lines", stop)
    monkeypatch.setattr(paid_world, "record_answers", stop)
    paid = make_paid()
    cast = paid.cast
    line = PaymentBatch.objects.get(id=paid.batch.id).lines.get()
    back = BankAnswer(
        line=line.id, accepted=False, reason="账号不符", answered_on=date(2025, 10, 6)
    )
    record_answers(paid.batch.id, [back], actor=cast.payer, now=LATE)
    go(LATE)
    rejected = [one for one in told(cast.provider) if one.kind == "redemption.rejected"]
    assert len(rejected) == 1
    assert "账号不符" in rejected[0].words
    assert kinds(cast.checker).count("payment.rejected") == 1
    again = retry_payment(line.id, actor=cast.checker, now=LATE)
    confirm_batch(again.id, actor=cast.payer, now=LATE)
    send_batch(again.id, actor=cast.payer, now=LATE)
    go(LATE)
    assert kinds(cast.provider).count("redemption.rejected") == 1
    assert kinds(cast.payer)[-1] == "payment.made"
    assert make_redemption_batch is not None


@pytest.mark.django_db
def test_a_difference_is_told_to_who_may_clear_it() -> None:
    from jinsuan.vouchers.actions import book_differences
    from jinsuan.vouchers.reconcile import differences

    cast = make_cast()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_account DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE ledger_account SET credits_fen = credits_fen + 1 WHERE kind = 'pool'"
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE ledger_account ENABLE TRIGGER USER")
    assert book_differences(differences({}), actor=SYSTEM, now=NOW)
    go()
    for actor in (cast.officer, cast.second, cast.payer, cast.checker, cast.world.auditor):
        assert "difference.found" in kinds(actor)
    assert kinds(cast.tenant) == []


@pytest.mark.django_db
def test_who_left_is_not_told_and_nobody_reads_or_marks_for_another() -> None:
    cast = make_cast()
    case = cast.apply()
    gone = Membership.objects.get(person=cast.second.person)
    end_membership(gone.id, effective_to=NOW.date(), reason="调离", actor=SYSTEM, now=NOW)
    cast.recommend(case)
    go()
    assert kinds(cast.second) == []
    first = told(cast.officer)[-1]
    for stranger in (cast.second, cast.tenant, cast.city, SYSTEM):
        with pytest.raises(NotFound):
            mark_read(first.ref.id, actor=stranger, now=NOW)
    other_role = Actor(
        person=cast.officer.person,
        organisation=cast.officer.organisation,
        role=Role.AUDITOR,
        via="test",
    )
    assert notifications_of(other_role) == []
    before = unread_count(cast.officer)
    mark_read(first.ref.id, actor=cast.officer, now=NOW)
    mark_read(first.ref.id, actor=cast.officer, now=AFTER_NOTICE)
    assert told(cast.officer)[-1].read_at == NOW
    assert unread_count(cast.officer) == before - 1


@pytest.mark.django_db
def test_marking_all_read_leaves_what_came_after_the_page() -> None:
    cast = make_cast()
    first = cast.apply()
    cast.recommend(first)
    go()
    seen = told(cast.tenant)[-1].position
    cast.approve(first)
    go()
    assert mark_all_read(through=seen, actor=cast.tenant, now=NOW) == 2
    assert {one.kind for one in notifications_of(cast.tenant, unread=True)} == {
        "case.approved",
        "notice.published",
    }
    whole = notifications_of(cast.tenant, limit=9)
    pages: list[NotificationView] = []
    while more := notifications_of(
        cast.tenant, before=pages[-1].position if pages else None, limit=1
    ):
        pages += more
    assert pages == whole


def write(cast: Cast, case: Ref, moves: int) -> None:
    """A row that concerns the applicant, as a return does."""
    side = {"kind": "voucher", "state": "city", "moves_made": moves}
    note = Note(
        action="case.move", subject=case, reason="补", before=side,
        after={**side, "state": "returned"},
    )  # fmt: skip
    record([note], actor=SYSTEM, now=NOW)


@pytest.fixture
def cast(committed_db: None) -> Cast:
    return make_cast()


def closed(act: object) -> object:
    try:
        return act()  # type: ignore[operator]
    finally:
        connection.close()


def test_a_row_with_a_lower_id_that_commits_later_is_told_later_and_not_lost(cast: Cast) -> None:
    case = Ref("case", cast.apply())
    go()
    before = kinds(cast.tenant)
    with transaction.atomic():
        write(cast, case, 1)  # has its id, and is not committed
        with ThreadPoolExecutor(1) as pool:
            pool.submit(closed, lambda: write(cast, case, 2)).result(30)
            pool.submit(closed, go).result(30)
            assert len(kinds(cast.tenant)) == len(before) + 1
    go()
    assert kinds(cast.tenant) == [*before, "case.returned", "case.returned"]


def test_workers_at_once_tell_each_recipient_once(cast: Cast) -> None:
    case = Ref("case", cast.apply())
    for number in range(40):
        write(cast, case, number)
    seal_all(signer=None, now=NOW, most=7)
    gate = Barrier(4)

    def run(_: int) -> int:
        def act() -> int:
            connection.ensure_connection()
            gate.wait(30)
            return sum(
                deliver(NOTIFY, lambda rows: letters(rows, now=NOW), now=NOW, limit=3)
                for _ in range(100)
            )

        return int(str(closed(act)))

    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(run, range(4)))
    go()
    assert sum(read) <= seal_status().rows
    assert kinds(cast.tenant) == ["case.returned"] * 40
    positions = list(Notification.objects.values_list("position", flat=True))
    assert len(positions) == len(set(positions)) == 40


KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from jinsuan.entrypoints.site.boot import boot
boot()
from jinsuan.ledger import delivery
from jinsuan.ledger.models import Reader
from jinsuan.vouchers.letters import letters
now = datetime(2025, 9, 16, 1, tzinfo=UTC)
if sys.argv[1] == "before":
    save = Reader.save
    def die(self, *a, **k):
        save(self, *a, **k)
        os.kill(os.getpid(), signal.SIGKILL)
    Reader.save = die
delivery.deliver("notify", lambda rows: letters(rows, now=now), now=now, limit=5)
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(when: str) -> None:
    """A process that is killed with everything written, before its commit or after it."""
    given = urlsplit(os.environ["DATABASE_URL"])
    url = urlunsplit(given._replace(path=f"/{connection.settings_dict['NAME']}"))
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, when], env=environment, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL


def test_a_kill_before_the_commit_doubles_nothing_and_after_it_loses_nothing(cast: Cast) -> None:
    case = Ref("case", cast.apply())
    go()
    start = Reader.objects.get(name=NOTIFY).position
    for number in range(12):
        write(cast, case, number)
    seal_all(signer=None, now=NOW)
    killed("before")
    assert Reader.objects.get(name=NOTIFY).position == start
    assert kinds(cast.tenant) == []
    killed("after")
    assert Reader.objects.get(name=NOTIFY).position == start + 5
    killed("before")
    go()
    assert kinds(cast.tenant) == ["case.returned"] * 12


def test_a_letter_that_cannot_be_made_moves_nothing(cast: Cast) -> None:
    case = Ref("case", cast.apply())
    write(cast, case, 1)
    seal_all(signer=None, now=NOW)

    def broken(rows: Sequence[object]) -> list[object]:
        raise AssertionError(len(rows))

    with pytest.raises(AssertionError):
        deliver(NOTIFY, broken, now=NOW)  # type: ignore[arg-type]
    assert not Reader.objects.filter(name=NOTIFY).exists()
    go()
    assert kinds(cast.tenant) == ["case.returned"]


def as_(actor: Actor) -> Client:
    client = Client()
    client.force_login(Person.objects.get(id=actor.person))
    return client


def text(answer: HttpResponse) -> str:
    assert answer.status_code == 200, answer.content.decode()[:300]
    return answer.content.decode()


@pytest.mark.django_db
def test_the_page_counts_leads_on_and_marks_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: LATE)
    paid = make_paid()
    go(LATE)
    cast = paid.cast
    tenant = as_(cast.tenant)
    assert 'class="count">5<' in text(tenant.get("/"))
    page = text(tenant.get("/通知"))
    assert page.index("算力券已发放") < page.index("开始公示") < page.index("初核通过")
    approved = next(one for one in told(cast.tenant) if one.kind == "case.approved")
    went = tenant.post(f"/通知/{approved.ref}", {"go": "1"})
    number = Case.objects.get(id=paid.case).number
    assert unquote(went["Location"]) == f"/算力券/申领/{number}"
    assert tenant.get(went["Location"]).status_code == 200
    assert 'class="count">4<' in text(tenant.get("/"))
    assert "审定通过" not in text(tenant.get("/通知?unread=1"))
    # Everybody can open what they are told of.
    for actor in (cast.tenant, cast.provider, cast.city, cast.officer, cast.payer, cast.checker):
        client = as_(actor)
        for one in told(actor):
            where = client.post(f"/通知/{one.ref}", {"go": "1"})
            assert where.status_code == 302
            assert client.get(where["Location"]).status_code == 200, (actor.role, one.kind)
        assert unread_count(actor) == 0
        assert 'class="count"' not in text(client.get("/"))
    stranger = as_(cast.provider)
    for which in (approved.ref, "notification_x", "case_x"):
        assert stranger.post(f"/通知/{which}", {"go": "1"}).status_code == 404
    assert tenant.get(f"/通知/{approved.ref}").status_code == 405


@pytest.mark.django_db
def test_all_read_marks_what_the_page_showed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    cast = make_cast()
    case = cast.apply()
    cast.recommend(case)
    go()
    tenant = as_(cast.tenant)
    _, _, rest = text(tenant.get("/通知")).partition('name="through" value="')
    through = rest.partition('"')[0]
    cast.approve(case)
    go()
    assert tenant.post("/通知", {"through": through}).status_code == 302
    assert unread_count(cast.tenant) == 2
    assert tenant.post("/通知", {"through": "x"}).status_code == 302
    assert unread_count(cast.tenant) == 2


@pytest.mark.django_db
def test_programs_read_the_same_page_by_page_and_only_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "now", lambda: LATE)
    cast = make_paid().cast
    go(LATE)

    def ask(actor: Actor, query: str = "") -> list[dict[str, object]]:
        assert actor.person is not None and actor.organisation is not None
        secret = issue_token(
            person=actor.person,
            organisation=actor.organisation,
            role=actor.role,
            scopes=["account:read"],
            label="t",
            expires_at=LATE + timedelta(days=1),
            actor=actor,
            now=LATE,
        )
        found: list[dict[str, object]] = []
        cursor = ""
        while True:
            answer = Client().get(
                f"/api/v1/notifications?limit=2{cursor}{query}",
                headers={"authorization": f"Bearer {secret}"},
            )
            assert answer.status_code == 200, answer.content
            found += answer.json()["items"]
            if (at := answer.json()["next_cursor"]) is None:
                return found
            cursor = f"&cursor={at}"

    for actor in (cast.tenant, cast.provider, cast.payer):
        assert [one["id"] for one in ask(actor)] == [
            str(one.ref) for one in notifications_of(actor)
        ]
    mark_all_read(through=10**9, actor=cast.tenant, now=LATE)
    assert ask(cast.tenant, "&unread=true") == []
