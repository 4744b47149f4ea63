"""The agent against an engine in memory and a platform that says what a test tells it to say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jinsuan.agent.agent import LONGEST_INTERVAL_MS, Agent
from jinsuan.agent.errors import PlatformUnreachable, StateInUse
from jinsuan.protocol.messages import (
    Ack,
    Ask,
    AttemptReport,
    Cancel,
    Lease,
    SyncRequest,
    SyncResponse,
)
from jinsuan.protocol.states import AttemptState, EndCause
from tests.contracts.engine import CLUSTER, NODES, STUBBORN, lease as make_lease
from tests.contracts.memory import MemoryEngine

START = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
SETTLE_SECONDS = 30


class Desk:
    """One centre: a clock, an engine, an agent, and a platform that only remembers and answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds = 0.0
        self.clock_error = 0
        self.engine = MemoryEngine(NODES, now=self.now, cluster=CLUSTER)
        self.requests: list[SyncRequest] = []
        self.before_answer: Callable[[], None] = lambda: None
        self.answer: dict[str, Any] = {}
        self.acking = True
        self.log_kept: dict[str, bytes] = {}
        self.agent = self.make_agent()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds + self.clock_error)

    def make_agent(self) -> Agent:
        return Agent(
            self.folder,
            self.engine,
            self,
            self.now,
            lambda: self.seconds,
            settle_seconds=SETTLE_SECONDS,
        )

    def restart(self) -> None:
        self.agent.close()
        self.agent = self.make_agent()

    def sync(self, request: SyncRequest) -> SyncResponse:
        """The platform: acknowledge everything, keep logs without gaps, say what the test says."""
        self.requests.append(request)
        self.before_answer()
        for chunk in request.logs:
            kept = self.log_kept.get(chunk.attempt, b"")
            if chunk.offset <= len(kept):
                self.log_kept[chunk.attempt] = kept[: chunk.offset] + chunk.data
        names = {r.attempt: r.revision for r in request.reports}
        names |= {c.attempt: 0 for c in request.logs if c.attempt not in names}
        acks = tuple(
            Ack(attempt=name, revision=revision, log_bytes=len(self.log_kept.get(name, b"")))
            for name, revision in names.items()
        )
        values = {"acks": acks if self.acking else (), "interval_ms": 1000, **self.answer}
        return SyncResponse(now=self.now(), usage_interval_ms=10_000, **values)

    def step(self, seconds: float = 0, **answer: Any) -> tuple[AttemptReport, ...]:
        """Let time pass, then one round with this answer; what the agent reported in it."""
        self.seconds += seconds
        self.answer = answer
        self.agent.step()
        self.answer = {}
        return self.requests[-1].reports

    def last(self, name: str) -> AttemptReport:
        """What was last reported of an attempt, whenever that was."""
        found = [r for q in self.requests for r in q.reports if r.attempt == f"attempt_{name}"]
        return found[-1]

    def heard(self, seconds: float = 0) -> dict[str, AttemptReport]:
        """The reports of one more round."""
        return {report.attempt: report for report in self.step(seconds)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def lease(
    key: str, run: str = "sleep 600", *, fencing: int = 1, job: str = "", **more: Any
) -> Lease:
    made = make_lease(key, run, **more)
    values = {f: getattr(made, f) for f in made.__dataclass_fields__}
    return Lease(**values | {"fencing": fencing, "number": fencing, "job": job or made.job})


def ask(key: str, fencing: int = 1) -> Ask:
    return Ask(attempt=f"attempt_{key}", fencing=fencing, engine_key=key)


def stop(key: str, *, grace: int = 5, fencing: int = 1) -> Cancel:
    return Cancel(attempt=f"attempt_{key}", fencing=fencing, grace_seconds=grace, reason="不要了")


# ── leases ────────────────────────────────────────────────────────────────────────────────────


def test_a_lease_is_started_at_once_and_reported(desk: Desk) -> None:
    desk.step(leases=(lease("a"),))
    assert desk.engine.starts == {"a": 1}
    report = desk.heard()["attempt_a"]
    assert (report.state, report.fencing) == (AttemptState.RUNNING, 1)
    assert report.allocation[0].node == "c0"


def test_the_same_answer_again_changes_nothing(desk: Desk) -> None:
    for _ in range(3):
        desk.step(leases=(lease("a"),), cancels=())
    desk.restart()
    desk.step(leases=(lease("a"),))
    assert desk.engine.starts == {"a": 1}


def test_a_settled_attempt_that_is_leased_again_is_only_reported_again(desk: Desk) -> None:
    desk.step(leases=(lease("a", "exit 4"),))
    assert desk.heard()["attempt_a"].exit_code == 4
    desk.step()
    assert not desk.agent.busy
    assert desk.heard() == {}
    desk.step(leases=(lease("a", "exit 4"),))
    assert desk.heard()["attempt_a"].exit_code == 4
    assert desk.engine.starts == {"a": 1}


def test_a_lease_that_ran_out_while_the_engine_was_away_is_never_started(desk: Desk) -> None:
    desk.engine.away = True
    desk.step(leases=(lease("a"),))
    desk.seconds += 61
    desk.engine.away = False
    for seconds in (0, SETTLE_SECONDS, 1):
        desk.step(seconds)
    assert desk.last("a").cause is EndCause.NEVER_STARTED
    desk.step(leases=(lease("a"),))
    desk.step(100)
    assert not desk.engine.starts


def test_a_slow_answer_does_not_lengthen_a_lease(desk: Desk) -> None:
    def slowly() -> None:
        desk.seconds += 60

    desk.before_answer = slowly
    desk.step(leases=(lease("a"),))
    desk.before_answer = lambda: None
    assert not desk.engine.starts
    assert desk.heard()["attempt_a"].cause is EndCause.NEVER_STARTED


def test_after_a_restart_only_the_platform_can_renew_a_lease(desk: Desk) -> None:
    desk.engine.away = True
    desk.step(leases=(lease("a"), lease("b")))
    desk.restart()
    desk.engine.away = False
    desk.agent.look()
    assert not desk.engine.starts, "nobody has said in this boot that the lease still holds"
    assert desk.step(1, leases=(lease("b"),)) == (), "said now, it would keep the lease away"
    assert desk.engine.starts == {"b": 1}
    desk.step(SETTLE_SECONDS)
    desk.step(1)
    assert desk.last("a").cause is EndCause.NEVER_STARTED


def test_a_late_submit_is_waited_for_before_it_is_called_never_started(desk: Desk) -> None:
    """The engine was first asked long ago; what counts is the last submit, not the first look."""
    desk.engine.late_seconds = 10
    desk.step(leases=(lease("a"),))
    desk.engine.late_seconds = 20
    desk.engine._late.clear()
    desk.step(50)
    desk.seconds += 11
    desk.agent.look()
    assert not any(a.ended for a in desk.agent._book)
    desk.step(12)
    assert desk.engine.starts == {"a": 1}
    desk.step()
    assert desk.last("a").state is AttemptState.RUNNING


def test_what_the_engine_refuses_is_reported_and_not_tried_again(desk: Desk) -> None:
    desk.step(leases=(lease("a", cards=3),))
    report = desk.heard()["attempt_a"]
    assert (report.state, report.cause) == (AttemptState.ENDED, EndCause.ENGINE_REFUSED)
    assert report.message
    assert report.started_at is None
    assert report.usage == ()


# ── fencing ───────────────────────────────────────────────────────────────────────────────────


def test_a_lease_older_than_one_seen_is_ignored(desk: Desk) -> None:
    desk.step(leases=(lease("new", "exit 0", fencing=2, job="job_1"),))
    desk.step(leases=(lease("old", fencing=1, job="job_1"),))
    desk.step()
    assert desk.engine.starts == {"new": 1}
    desk.restart()
    desk.step(leases=(lease("old", fencing=1, job="job_1"),))
    assert desk.engine.starts == {"new": 1}, "the journal forgets no token"


def test_a_newer_lease_waits_until_the_older_attempt_has_ended(desk: Desk) -> None:
    desk.step(leases=(lease("old", fencing=1, job="job_1"),))
    desk.step(leases=(lease("new", fencing=2, job="job_1"),))
    assert desk.engine.running() == ["old"]
    desk.engine.lose("old")
    desk.step(1)
    assert desk.engine.running() == ["new"]


def test_stops_and_questions_with_an_older_token_are_ignored(desk: Desk) -> None:
    desk.step(leases=(lease("a", fencing=3),))
    desk.step(cancels=(stop("a", fencing=2),), asks=(ask("a", fencing=2),))
    desk.step(20)
    assert desk.engine.running() == ["a"]


# ── ask ───────────────────────────────────────────────────────────────────────────────────────


def test_a_question_about_the_unknown_is_a_fence_and_then_an_answer(desk: Desk) -> None:
    desk.step(asks=(ask("a"),))
    assert desk.heard(SETTLE_SECONDS - 1) == {}, "a submit of a lost agent may be on its way"
    desk.agent.look()
    report = desk.heard(2)["attempt_a"]
    assert (report.state, report.cause) == (AttemptState.ENDED, EndCause.NEVER_STARTED)
    desk.restart()
    desk.step(leases=(lease("a"),))
    desk.step(1)
    assert not desk.engine.starts


def test_the_fence_is_on_the_disk_before_the_answer(desk: Desk) -> None:
    desk.engine.away = True
    desk.step(leases=(lease("a"),), asks=(ask("a"),))
    desk.restart()
    desk.engine.away = False
    desk.step(leases=(lease("a"),))
    desk.step(leases=(lease("a"),))
    assert not desk.engine.starts


def test_a_question_about_running_work_gets_what_the_engine_knows(desk: Desk) -> None:
    desk.step(leases=(lease("a"),))
    desk.step()
    assert desk.heard() == {}
    desk.step(asks=(ask("a"),))
    assert desk.heard()["attempt_a"].state is AttemptState.RUNNING
    assert desk.engine.running() == ["a"]


def test_work_of_a_lost_folder_is_found_by_its_key_and_charged_with_its_cards(
    desk: Desk, tmp_path: Path
) -> None:
    desk.step(leases=(lease("a", cards=2),))
    desk.agent.close()
    desk.folder = tmp_path / "fresh"
    desk.agent = desk.make_agent()
    desk.step(100, asks=(ask("a"),))
    report = desk.heard()["attempt_a"]
    assert report.state is AttemptState.RUNNING
    assert {u.resource: u.milli_unit_seconds for u in report.usage} == {
        "card:T4": 2 * 1000 * 100,
        "cpu_core": 100 * 100,
        "memory_gib": 16 * 1000 // 1024 * 100,
    }
    desk.step(cancels=(stop("a", grace=0),))
    assert desk.heard()["attempt_a"].cause is EndCause.CANCELLED


# ── cancel ────────────────────────────────────────────────────────────────────────────────────


def test_work_that_does_not_listen_gets_its_grace_and_no_more(desk: Desk) -> None:
    desk.step(leases=(lease("a", STUBBORN),))
    desk.step(10, cancels=(stop("a", grace=15),))
    assert desk.engine.running() == ["a"]
    desk.step(14, cancels=(stop("a", grace=15),))
    assert desk.engine.running() == ["a"], "the same stop again does not begin a new grace"
    report = desk.heard(2)["attempt_a"]
    assert (report.cause, report.message) == (EndCause.CANCELLED, "不要了")
    assert report.started_at is not None
    assert report.ended_at == report.started_at + timedelta(seconds=25)


def test_a_stop_survives_an_engine_that_is_away_and_a_restart(desk: Desk) -> None:
    desk.step(leases=(lease("a"),))
    desk.engine.away = True
    desk.step(cancels=(stop("a"),))
    desk.restart()
    desk.engine.away = False
    desk.step(1)
    assert desk.engine.running() == []


def test_work_that_was_not_handed_over_is_stopped_without_a_start(desk: Desk) -> None:
    desk.engine.away = True
    desk.step(leases=(lease("a"),))
    desk.step(cancels=(stop("a"),))
    desk.engine.away = False
    desk.step(SETTLE_SECONDS)
    report = desk.heard(SETTLE_SECONDS)["attempt_a"]
    assert (report.cause, report.started_at) == (EndCause.CANCELLED, None)
    assert not desk.engine.starts


# ── reports, acknowledgements ─────────────────────────────────────────────────────────────────


def test_a_report_is_repeated_until_it_is_acknowledged(desk: Desk) -> None:
    desk.step(leases=(lease("a"),))
    desk.acking = False
    first = desk.heard()["attempt_a"]
    assert desk.heard(1)["attempt_a"] == first, "the same revision says the same"
    desk.acking = True
    assert desk.heard(1)["attempt_a"] == first
    assert desk.heard(1) == {}


def test_an_older_acknowledgement_does_not_silence_a_newer_report(desk: Desk) -> None:
    desk.step(leases=(lease("a", "sleep 5"),))
    first = desk.heard()["attempt_a"]
    old = (Ack(attempt="attempt_a", revision=first.revision),)
    ended = [report for report in desk.step(6, acks=old) if report.attempt == "attempt_a"]
    assert ended[0].state is AttemptState.ENDED
    assert desk.heard()["attempt_a"] == ended[0]


def test_an_acknowledgement_of_what_was_never_said_is_not_believed(desk: Desk) -> None:
    desk.step(leases=(lease("a", "sleep 5"),))
    desk.step(acks=(Ack(attempt="attempt_a", revision=10**9),))
    assert desk.heard(6)["attempt_a"].state is AttemptState.ENDED


def test_when_an_answer_is_lost_the_next_round_says_the_same(desk: Desk) -> None:
    desk.step(leases=(lease("a", "exit 0"),))

    def lose() -> None:
        raise PlatformUnreachable("platform", "答复丢了")

    desk.before_answer = lose
    with pytest.raises(PlatformUnreachable):
        desk.agent.step()
    said = desk.requests[-1].reports
    desk.before_answer = lambda: None
    assert desk.step(1) == said
    assert said[0].exit_code == 0


def test_nothing_is_said_of_open_work_before_the_engine_was_seen_in_this_boot(desk: Desk) -> None:
    desk.step(leases=(lease("a"),))
    desk.restart()
    desk.engine.away = True
    assert desk.heard(1) == {}
    desk.engine.away = False
    assert desk.heard(1)["attempt_a"].state is AttemptState.RUNNING


def test_the_journal_outlives_the_agent(desk: Desk) -> None:
    desk.step(leases=(lease("a", "sleep 50\nexit 6", cards=1),))
    desk.step(1)
    boot = desk.agent.boot
    desk.seconds += 100
    desk.restart()
    assert desk.agent.boot == boot + 1
    report = desk.heard()["attempt_a"]
    assert (report.state, report.exit_code, report.cause) == (
        AttemptState.ENDED,
        6,
        EndCause.EXITED,
    )
    assert report.ended_at == START + timedelta(seconds=50)


def test_work_that_the_engine_forgot_is_lost_when_it_was_last_seen(desk: Desk) -> None:
    desk.step(leases=(lease("a"),))
    desk.step(40)
    del desk.engine.keys["a"]
    desk.step(1)
    report = desk.heard(SETTLE_SECONDS + 1)["attempt_a"]
    assert report.cause is EndCause.ENGINE_LOST
    assert report.ended_at == START + timedelta(seconds=40)
    assert {u.occurred_at for u in report.usage} == {report.ended_at}


# ── logs and use ──────────────────────────────────────────────────────────────────────────────


def test_logs_go_on_where_the_platform_says_even_after_a_gap(desk: Desk) -> None:
    run = "echo one\nsleep 10\necho two\nsleep 10\necho three"
    desk.step(leases=(lease("a", run),))
    desk.step(1)
    assert desk.log_kept["attempt_a"] == b"one\n"
    desk.log_kept["attempt_a"] = b""  # the platform came back from a backup
    desk.step(11)
    assert desk.log_kept["attempt_a"] == b"", "a piece behind a gap is not kept"
    desk.step(1)
    assert desk.log_kept["attempt_a"] == b"one\ntwo\n"
    for _ in range(3):
        desk.step(10)
    assert desk.log_kept["attempt_a"] == b"one\ntwo\nthree\n"
    assert len(desk.agent._book) == 0


def test_an_attempt_is_not_settled_before_its_log_is_kept(desk: Desk) -> None:
    desk.acking = False
    desk.step(leases=(lease("a", "echo word\nexit 0"),))
    desk.step(1)
    desk.step(1)
    assert len(desk.agent._book) == 1
    desk.restart()
    desk.acking = True
    for _ in range(3):
        desk.step(1)
    assert len(desk.agent._book) == 0
    assert desk.log_kept["attempt_a"] == b"word\n"


def test_readings_only_grow_even_when_the_clock_is_set_back(desk: Desk) -> None:
    desk.step(leases=(lease("a", cards=1),))
    seen: list[int] = []
    for error in (0, 0, -300, -300, 0, 100, 0):
        desk.clock_error = error
        for report in desk.step(20):
            seen += [u.milli_unit_seconds for u in report.usage if u.resource == "card:T4"]
    desk.restart()
    desk.clock_error = -10_000
    desk.step(20)
    for report in desk.step(20):
        seen += [u.milli_unit_seconds for u in report.usage if u.resource == "card:T4"]
    assert len(seen) > 4
    assert seen == sorted(seen)


def test_use_is_not_counted_while_nobody_sees_the_engine(desk: Desk) -> None:
    desk.step(leases=(lease("a", cards=1),))
    desk.step(10)
    desk.engine.away = True
    for _ in range(5):
        for report in desk.step(20):
            assert all(u.occurred_at <= START + timedelta(seconds=10) for u in report.usage)


# ── the rest ──────────────────────────────────────────────────────────────────────────────────


def test_offers_are_told_when_they_change(desk: Desk) -> None:
    desk.step()
    assert desk.requests[-1].offers is not None
    desk.step(1)
    assert desk.requests[-1].offers is None
    desk.step(1, leases=(lease("a", cards=1),))
    desk.step(1)
    offers = desk.requests[-1].offers
    assert offers is not None
    assert sum(sum(n.cards_free_milli) for n in offers[0].nodes) == 3000
    desk.step(901)
    assert desk.requests[-1].offers is not None


def test_offers_of_a_request_that_was_lost_are_told_again(desk: Desk) -> None:
    def lose() -> None:
        raise PlatformUnreachable("platform", "没有到")

    desk.before_answer = lose
    with pytest.raises(PlatformUnreachable):
        desk.agent.step()
    desk.before_answer = lambda: None
    desk.step(1)
    assert desk.requests[-1].offers is not None


@pytest.mark.parametrize(("said", "taken"), [(1, 100), (3000, 3000), (10**12, LONGEST_INTERVAL_MS)])
def test_the_interval_is_the_platforms_within_reason(desk: Desk, said: int, taken: int) -> None:
    desk.step(interval_ms=said)
    assert desk.agent.interval_ms == taken


def test_two_agents_cannot_have_one_folder(desk: Desk) -> None:
    with pytest.raises(StateInUse, match="正由另一个代理使用"):
        desk.make_agent()


def test_the_journal_is_for_its_owner_only(desk: Desk) -> None:
    assert (desk.folder / "agent.db").stat().st_mode & 0o077 == 0
