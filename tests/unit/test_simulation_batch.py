"""The simulator repeats what was published, and its small cases come out as worked by hand."""

from __future__ import annotations

import gzip
from pathlib import Path
from statistics import mean

import pytest

from benchmarks.lublin import PUBLISHED, guessed, play
from benchmarks.lublin_tuning import CARDS, FREE, LENGTH, STARTS, sequences
from jinsuan.dispatch.planning import our_order
from jinsuan.dispatch.queueing import FCFS, SJF, Backfill, Waiting
from jinsuan.simulation.batch import Run, TraceJob, quantile, read_swf


@pytest.fixture(scope="module")
def trace(shared_data: Path) -> list[TraceJob]:
    file = shared_data / "rlscheduler" / "lublin_256.swf.gz"
    if not file.is_file():
        pytest.skip(f"no trace at {file}")
    return read_swf(file)


def job(name: str, submitted: int, seconds: int, cards: int) -> TraceJob:
    return TraceJob(
        Waiting(id=name, submitted=submitted, seconds=seconds, cards=cards), runs=seconds
    )


@pytest.mark.parametrize("backfill", [Backfill.OFF, Backfill.BEFORE])
@pytest.mark.parametrize("name", ["FCFS", "SJF", "F1"])
def test_a_published_policy_comes_out_to_the_last_digit(
    trace: list[TraceJob], name: str, backfill: Backfill
) -> None:
    found = play([trace[start : start + LENGTH] for start in STARTS], name, backfill)

    assert round(mean(outcome.slowdown for outcome in found), 2) == PUBLISHED[name, backfill]


@pytest.mark.parametrize(
    ("backfill", "slowdowns"),
    [(Backfill.OFF, [313.8833, 203.7555]), (Backfill.BEFORE, [35.7828, 40.1814])],
)
def test_our_frozen_weights_give_what_they_gave_when_they_were_frozen(
    trace: list[TraceJob], backfill: Backfill, slowdowns: list[float]
) -> None:
    """A weight typed wrongly would show; the reported windows are left to the benchmark."""
    found = [outcome.slowdown for outcome in play(sequences(trace)[2:4], "ours", backfill)]

    assert found == pytest.approx(slowdowns, abs=0.01)


def test_no_job_of_the_tuning_lies_in_a_reported_window(trace: list[TraceJob]) -> None:
    reported = {i for start in STARTS for i in range(start, start + LENGTH)}

    assert not any(i in reported for first, end in FREE for i in range(first, end))
    first = sequences(trace)[:3]
    assert all(int(job.asked.id) - 1 not in reported for jobs in first for job in jobs)


@pytest.mark.parametrize("backfill", [Backfill.OFF, Backfill.BEFORE])
def test_our_order_sees_no_true_run_time(trace: list[TraceJob], backfill: Backfill) -> None:
    """Until the first job ends early, guessing badly changes nothing but what was asked for."""
    jobs = trace[:80]
    early = [TraceJob(j.asked, runs=max(1, j.runs // 2)) for j in jobs]
    told, lied = (
        list(Run(trial, cards=CARDS, chooser=our_order(CARDS, backfill), backfill=backfill).steps())
        for trial in (jobs, early)
    )
    first_end = min(j.asked.submitted + j.runs for j in early)

    before = [d for m, d in told if m.now < first_end]
    assert before == [d for m, d in lied if m.now < first_end]


def test_a_small_case_as_worked_by_hand() -> None:
    """4 cards. A takes 3 until 10; B wants 4 and waits; C (1 card, 5 s) ends before 10, D (8 s) not."""
    jobs = [job("a", 0, 10, 3), job("b", 1, 10, 4), job("c", 2, 5, 1), job("d", 3, 8, 1)]
    run = Run(jobs, cards=4, chooser=FCFS, backfill=Backfill.BEFORE)

    outcome = run.play()

    assert run.started == {"a": 0, "b": 10, "c": 2, "d": 20}
    assert outcome.waits == (0, 9, 0, 17)
    assert outcome.slowdowns == (1.0, 1.9, 1.0, 2.5)
    assert outcome.utilisation == (30 + 40 + 5 + 8) / (4 * 28)


def test_without_backfilling_the_head_blocks() -> None:
    jobs = [job("a", 0, 10, 3), job("b", 1, 10, 4), job("c", 2, 5, 1)]
    run = Run(jobs, cards=4, chooser=FCFS, backfill=Backfill.OFF)
    run.play()

    assert run.started == {"a": 0, "b": 10, "c": 20}


def test_the_platform_chooses_anew_where_the_experiment_keeps_the_head() -> None:
    jobs = [job("a", 0, 10, 4), job("b", 1, 9, 4), job("c", 2, 5, 4)]
    kept = Run(jobs, cards=4, chooser=SJF, backfill=Backfill.OFF)
    anew = Run(jobs, cards=4, chooser=SJF, backfill=Backfill.OFF, keeps_head=False)
    kept.play()
    anew.play()

    assert kept.started["b"] == 10
    assert anew.started["c"] == 10


def test_guesses_are_one_to_three_times_the_truth_and_the_same_for_a_seed() -> None:
    jobs = [job(str(i), i, 100, 1) for i in range(50)]

    asked = [j.asked.seconds for j in guessed(jobs, 1)]

    assert asked == [j.asked.seconds for j in guessed(jobs, 1)]
    assert min(asked) >= 100 and max(asked) <= 300 and len(set(asked)) > 20


def test_a_trace_is_read_with_and_without_gzip(tmp_path: Path) -> None:
    text = "; a comment\n7  100 -1  30  4 -1 -1\n\n8 120 -1 1 256 -1 -1\n"
    (tmp_path / "a.swf").write_text(text)
    with gzip.open(tmp_path / "a.swf.gz", "wt") as file:
        file.write(text)

    found = read_swf(tmp_path / "a.swf")

    assert found == read_swf(tmp_path / "a.swf.gz")
    assert [(j.asked.submitted, j.asked.seconds, j.asked.cards) for j in found] == [
        (100, 30, 4),
        (120, 1, 256),
    ]


def test_a_quantile_is_a_value_that_occurs() -> None:
    assert quantile([5, 1, 3, 2], 0.5) == 2
    assert quantile(range(1, 1001), 0.999) == 999
