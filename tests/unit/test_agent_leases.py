"""When the agent starts work, when never, and how it stops it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from jinsuan.protocol.states import AttemptState, EndCause
from tests.contracts.bench import STUBBORN
from tests.flows.desk import SETTLE_SECONDS, Desk, ask, lease, stop


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


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
