"""The lists of states are closed, and time in them only goes forward."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from jinsuan.protocol.envelope import Envelope
from jinsuan.protocol.states import (
    ATTEMPT_ORDER,
    JOB_MOVES,
    JOB_STATE_ZH,
    OUTCOME_ZH,
    AttemptState,
    JobState,
    Outcome,
    is_later,
)


def test_every_job_state_has_its_moves_and_its_chinese_name() -> None:
    assert JOB_MOVES.keys() == set(JobState) == JOB_STATE_ZH.keys()
    assert OUTCOME_ZH.keys() == set(Outcome)
    assert len(set(JOB_STATE_ZH.values())) == len(JobState)
    assert len(set(OUTCOME_ZH.values())) == len(Outcome)


def test_only_settled_is_final_and_every_state_leads_there() -> None:
    assert [state for state, after in JOB_MOVES.items() if not after] == [JobState.SETTLED]
    for state in JobState:
        assert JobState.SETTLED in _reachable(state)


def test_every_job_state_can_be_reached_from_the_queue() -> None:
    assert _reachable(JobState.QUEUED) == set(JobState)


def test_a_job_that_has_run_never_queues_again() -> None:
    assert JobState.QUEUED not in _reachable(JobState.RUNNING)
    assert JobState.RUNNING not in _reachable(JobState.ENDED)


def test_the_order_of_attempts_holds_every_state_a_centre_can_report() -> None:
    assert set(ATTEMPT_ORDER) == set(AttemptState) - {AttemptState.UNREACHABLE}
    assert ATTEMPT_ORDER[-1] is AttemptState.ENDED


def test_a_report_moves_an_attempt_forward_only() -> None:
    for earlier, later in combinations(ATTEMPT_ORDER, 2):
        assert is_later(later, earlier)
        assert not is_later(earlier, later)
    for state in ATTEMPT_ORDER:
        assert not is_later(state, state)


def test_being_later_is_transitive() -> None:
    for a, b, c in product(ATTEMPT_ORDER, repeat=3):
        if is_later(c, b) and is_later(b, a):
            assert is_later(c, a)


def test_any_report_ends_unreachability_and_no_centre_reports_it() -> None:
    assert all(is_later(state, AttemptState.UNREACHABLE) for state in ATTEMPT_ORDER)
    with pytest.raises(AssertionError):
        is_later(AttemptState.UNREACHABLE, AttemptState.RUNNING)


def _reachable(start: JobState) -> set[JobState]:
    seen, todo = {start}, [start]
    while todo:
        new = JOB_MOVES[todo.pop()] - seen
        seen |= new
        todo += new
    return seen


def test_every_part_of_the_envelope_changes_what_is_signed() -> None:
    parts: dict[str, str | int] = {
        "method": "POST",
        "path": "/agent/v1/sync",
        "centre": "C01",
        "boot": 1,
        "sequence": 2,
        "time": 3,
    }
    signed = {Envelope(**parts).signing_bytes(body) for body in (b"", b"x")}  # type: ignore[arg-type]
    for name, value in parts.items():
        other = value + 1 if isinstance(value, int) else value + "x"
        signed.add(Envelope(**{**parts, name: other}).signing_bytes(b""))  # type: ignore[arg-type]

    assert len(signed) == 2 + len(parts)


def test_a_line_break_cannot_move_one_part_into_another() -> None:
    envelope = Envelope(method="POST", path="/a\nb", centre="C01", boot=1, sequence=1, time=1)

    with pytest.raises(AssertionError):
        envelope.signing_bytes(b"")
