"""Long work: progress, one of equal work, two workers, stopping, doors, files that expire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from jinsuan.casework.errors import FileDamaged
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.exports import make_file
from jinsuan.entrypoints.exports.errors import StatementTooLong
from jinsuan.entrypoints.longwork import kinds
from jinsuan.entrypoints.longwork.actions import LEASE, MOST_CLAIMS, Lost, claim, forget, stop
from jinsuan.entrypoints.longwork.errors import ResultExpired, WorkNotReady, WorkOver
from jinsuan.entrypoints.longwork.kinds import ask_export, ask_mass_issue
from jinsuan.entrypoints.longwork.models import LongWork
from jinsuan.entrypoints.longwork.queries import access_file, access_work, works_of
from jinsuan.entrypoints.longwork.run import run_next
from jinsuan.entrypoints.portal.views import statements as statement_page
from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.period import month
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.models import AuditRow
from jinsuan.registry.models import Person
from jinsuan.vouchers.models import KeptLine, Voucher
from jinsuan.vouchers.subjects import Subject, access_subject
from tests.flows.longwork_world import post_lines
from tests.flows.test_mass_issue import freeze, granted
from tests.flows.voucher_world import AFTER_NOTICE, NOW, Cast, make_cast
from tests.flows.world import organisation, person

pytestmark = pytest.mark.django_db
PERIOD = month("2025-09")
LINES = 120
LATER = AFTER_NOTICE + timedelta(seconds=5)


@pytest.fixture
def cast(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Cast:
    settings.FILES_FOLDER = str(tmp_path / "files")
    monkeypatch.setattr(kinds, "PIECE", 50)
    monkeypatch.setattr(kinds, "CHUNK", 2)
    monkeypatch.setattr(kinds, "BEAT_EVERY", 50)
    monkeypatch.setattr(clock, "now", lambda: LATER)
    cast = make_cast()
    post_lines(Ref("organisation", cast.world.tenant), LINES, now=NOW)
    return cast


def own(cast: Cast) -> Subject:
    return access_subject(cast.tenant, "")


def ask(cast: Cast, form: str = "csv", now: datetime = AFTER_NOTICE) -> str:
    return str(ask_export(own(cast), PERIOD, form, actor=cast.tenant, now=now))


def whole(cast: Cast, form: str) -> bytes:
    with make_file(own(cast), PERIOD, form, now=AFTER_NOTICE) as file:
        return file.read()


def fetched(cast: Cast, work: str) -> bytes:
    return access_file(cast.tenant, work, now=LATER).path.read_bytes()


@pytest.mark.parametrize("form", ["csv", "xlsx", "pdf", "focus"])
def test_the_file_is_what_it_would_have_been_at_once(cast: Cast, form: str) -> None:
    work = ask(cast, form)
    before = access_work(cast.tenant, work)
    assert (before.state, before.total, before.percent) == ("waiting", None, None)
    with pytest.raises(WorkNotReady):
        access_file(cast.tenant, work, now=LATER)
    assert run_next(clock.now) == 1
    after = access_work(cast.tenant, work)
    assert (after.state, after.total, after.percent) == ("done", LINES + 1, 100)
    assert fetched(cast, work) == whole(cast, form)
    assert KeptLine.objects.count() == 0
    assert run_next(clock.now) == 0


def test_progress_is_seen_while_it_goes_on(cast: Cast) -> None:
    work, seen = ask(cast), []

    def now() -> datetime:
        view = access_work(cast.tenant, work)
        seen.append((view.state, view.done, view.percent))
        return LATER

    run_next(now)
    assert ("running", 0, 0) in seen
    assert ("running", 50, 41) in seen
    assert ("running", 100, 82) in seen


def test_what_is_posted_meanwhile_is_not_in_it(cast: Cast) -> None:
    """The lines are read once; a worker that goes on has those lines and no others."""
    before = whole(cast, "csv")
    work = ask(cast)
    held = claim(now=AFTER_NOTICE)
    assert held is not None
    with pytest.raises(RuntimeError):
        kinds.run_export(held, dies_after(3))
    halfway = access_work(cast.tenant, work)
    assert 0 < halfway.done < LINES
    post_lines(Ref("organisation", cast.world.tenant), 7, now=NOW, name="late")
    assert run_next(lambda: LATER + LEASE) == 1
    assert fetched(cast, work) == before != whole(cast, "csv")


def dies_after(steps: int) -> Any:
    times = iter(range(steps))

    def now() -> datetime:
        if next(times, None) is None:
            raise RuntimeError("the worker died")
        return AFTER_NOTICE

    return now


def test_parts_on_a_disk_that_is_gone_are_written_anew(cast: Cast) -> None:
    work = ask(cast)
    held = claim(now=AFTER_NOTICE)
    assert held is not None
    with pytest.raises(RuntimeError):
        kinds.run_export(held, dies_after(3))
    from django.conf import settings

    for path in (Path(settings.FILES_FOLDER) / "longwork").iterdir():
        path.unlink()
    assert run_next(lambda: LATER + LEASE) == 1
    assert fetched(cast, work) == whole(cast, "csv")


def test_a_double_click_makes_one(cast: Cast) -> None:
    work = ask(cast)
    assert ask(cast) == work
    assert ask(cast, "xlsx") != work
    run_next(clock.now)
    assert ask(cast, now=LATER + timedelta(seconds=20)) == work
    assert ask(cast, now=LATER + timedelta(seconds=90)) != work


def test_two_workers_never_hold_the_same(cast: Cast) -> None:
    work = ask(cast)
    first = claim(now=AFTER_NOTICE)
    assert first is not None and claim(now=AFTER_NOTICE) is None
    second = claim(now=AFTER_NOTICE + LEASE)
    assert second is not None and second.fence == first.fence + 1
    # The first one wakes up: nothing of what it does stays.
    with pytest.raises(Lost):
        kinds.run_export(first, lambda: LATER)
    with pytest.raises(Lost):
        first.beat(1, now=LATER)
    kinds.run_export(second, lambda: LATER + LEASE)
    assert fetched(cast, work) == whole(cast, "csv")


def test_a_heartbeat_keeps_it(cast: Cast) -> None:
    ask(cast, "xlsx")
    held = claim(now=AFTER_NOTICE)
    assert held is not None
    held.beat(50, now=AFTER_NOTICE + LEASE / 2)
    assert claim(now=AFTER_NOTICE + LEASE) is None


def test_what_kills_every_worker_is_given_up(cast: Cast) -> None:
    work, now = ask(cast), AFTER_NOTICE
    for _ in range(MOST_CLAIMS):
        assert claim(now=now) is not None
        now += LEASE
    assert claim(now=now) is None
    view = access_work(cast.tenant, work)
    assert view.state == "failed" and str(MOST_CLAIMS) in view.error


def test_stopped_work_ends_at_its_next_step(cast: Cast) -> None:
    work = ask(cast)
    held = claim(now=AFTER_NOTICE)
    assert held is not None
    stop(work, actor=cast.tenant, now=AFTER_NOTICE)
    with pytest.raises(Lost):
        kinds.run_export(held, clock.now)
    assert access_work(cast.tenant, work).state == "stopped"
    with pytest.raises(WorkOver):
        stop(work, actor=cast.tenant, now=LATER)
    assert run_next(clock.now) == 0
    actions = AuditRow.objects.filter(subject=work).order_by("id").values_list("action", flat=True)
    assert list(actions) == ["longwork.ask", "longwork.stop"]


def test_only_who_asked_may_see_stop_or_fetch(cast: Cast) -> None:
    work = ask(cast)
    run_next(clock.now)
    other = person("stranger", organisation(19, "丁公司", NOW), Role.TENANT, NOW)
    same_house = Actor(cast.tenant.person, cast.tenant.organisation, Role.CENTRE_OPERATOR, "test")
    for viewer in (other, cast.provider, cast.officer, same_house):
        for act in (
            lambda v: access_work(v, work),
            lambda v: access_file(v, work, now=LATER),
            lambda v: stop(work, actor=v, now=LATER),
        ):
            with pytest.raises(NotFound):
                act(viewer)
        assert works_of(viewer, limit=9) == []
    for name in ("longwork_x", "", "job_1", work[:-4] + "0000"):
        with pytest.raises(NotFound):
            access_work(cast.tenant, name)


def test_a_file_is_kept_for_seven_days_and_never_given_out_damaged(cast: Cast) -> None:
    work = ask(cast)
    run_next(clock.now)
    path = access_file(cast.tenant, work, now=LATER).path
    assert path.stat().st_mode & 0o077 == 0
    assert forget(now=LATER + timedelta(days=6)) == 0
    with pytest.raises(ResultExpired):
        access_file(cast.tenant, work, now=LATER + timedelta(days=8))
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"x")
    with pytest.raises(FileDamaged):
        access_file(cast.tenant, work, now=LATER)
    path.write_bytes(data)
    assert forget(now=LATER + timedelta(days=8)) == 1
    assert not path.exists()
    with pytest.raises(ResultExpired):
        access_file(cast.tenant, work, now=LATER)


def test_a_refusal_while_it_runs_is_told(cast: Cast) -> None:
    work = ask(cast)
    LongWork.objects.update(parameters={**LongWork.objects.get().parameters, "key": "x"})
    assert run_next(clock.now) == 1
    view = access_work(cast.tenant, work)
    assert view.state == "failed" and "没有找到对账单" in view.error


def test_mass_issue_counts_and_leaves_the_bad_one(cast: Cast) -> None:
    cases = [granted(cast, f"HT-{n}") for n in range(4)]
    freeze(cases[2])
    with pytest.raises(NotAllowed):
        ask_mass_issue(actor=cast.tenant, now=AFTER_NOTICE)
    work = str(ask_mass_issue(actor=cast.officer, now=AFTER_NOTICE))
    assert run_next(clock.now) == 1
    view = access_work(cast.officer, work)
    assert (view.state, view.done, view.total, view.left_count) == ("done", 3, 4, 1)
    (left,) = view.left
    assert "关联关系存疑" in left.words
    assert Voucher.objects.filter(case__in=cases).count() == 3
    with pytest.raises(WorkNotReady):
        access_file(cast.officer, work, now=LATER)


def browser(actor: Actor) -> Client:
    client = Client()
    client.force_login(Person.objects.get(id=actor.person))
    return client


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A statement of a hundred lines counts as long."""
    from jinsuan.entrypoints.exports import answer

    monkeypatch.setattr(answer, "AT_ONCE_LINES", 100)
    monkeypatch.setattr(statement_page, "AT_ONCE_LINES", 100)
    return


@pytest.mark.usefixtures("long")
def test_the_page_asks_shows_and_gives(cast: Cast) -> None:
    client = browser(cast.tenant)
    text = client.get("/对账单?month=2025-09").content.decode()
    assert "生成 CSV" in text and 'name="what" value="export"' in text
    refused = client.get("/对账单/文件?month=2025-09&format=csv")
    assert refused.status_code == 422 and "长" in refused.content.decode()
    of = f"tenant:{own(cast).key}"
    form = {"what": "export", "of": of, "month": "2025-09", "format": "csv"}
    for _ in range(2):
        assert client.post("/长任务", form).status_code == 302
    row = LongWork.objects.get()
    live = client.get("/长任务/近况").content.decode()
    assert "every 2s" in live and "停止" in live
    run_next(clock.now)
    page = client.get("/长任务").content.decode()
    assert "every 2s" not in page and "下载" in page and ">100%<" in page
    file = client.get(f"/长任务/{Ref('longwork', row.id)}/文件")
    assert b"".join(file) == whole_at(cast, row.asked_at)  # type: ignore[arg-type]
    assert file["Cache-Control"] == "private, no-store"
    stranger = person("stranger", organisation(19, "丁公司", NOW), Role.TENANT, NOW)
    assert browser(stranger).get(f"/长任务/{Ref('longwork', row.id)}/文件").status_code == 404
    assert browser(stranger).post(f"/长任务/{Ref('longwork', row.id)}/停止").status_code == 404
    assert browser(stranger).post("/长任务", form).status_code == 404
    assert client.post("/长任务", {"what": "x"}).status_code == 422
    assert client.post("/长任务", {"what": "issue"}).status_code == 403


def whole_at(cast: Cast, when: datetime) -> bytes:
    with make_file(own(cast), PERIOD, "csv", now=when) as file:
        return file.read()


def test_the_page_stops(cast: Cast) -> None:
    client, work = browser(cast.tenant), ask(cast)
    assert client.post(f"/长任务/{work}/停止").status_code == 302
    assert "已停止" in client.get("/长任务").content.decode()
    assert client.post(f"/长任务/{work}/停止").status_code == 302


def test_few_lines_come_at_once_and_many_are_refused(cast: Cast) -> None:
    with pytest.raises(StatementTooLong):
        make_file(own(cast), PERIOD, "csv", now=NOW, most_lines=LINES)
    seen: list[tuple[int, int]] = []
    told = lambda done, total: seen.append((done, total))  # noqa: E731
    make_file(own(cast), PERIOD, "csv", now=NOW, most_lines=LINES + 1, told=told).close()
    assert seen == [(LINES + 1, LINES + 1)]
    with pytest.raises(BadInput):
        ask(cast, "docx")
