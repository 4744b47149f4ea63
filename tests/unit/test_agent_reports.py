"""What the agent tells the platform, and for how long."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from jinsuan.agent.agent import LONGEST_INTERVAL_MS
from jinsuan.agent.errors import PlatformUnreachable, StateInUse
from jinsuan.protocol.messages import Ack
from jinsuan.protocol.states import AttemptState, EndCause
from tests.flows.desk import SETTLE_SECONDS, START, Desk, lease


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


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
