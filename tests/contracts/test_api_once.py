"""A keyed request is carried out once: repeated, confused, refused and raced."""

from __future__ import annotations

from typing import Any

import pytest

from jinsuan.dispatch.models import Job
from jinsuan.entrypoints.api.models import KeptAnswer
from jinsuan.entrypoints.api.once import KEEP, forget
from tests.contracts.api_world import SPEC, Province
from tests.contracts.test_api_doors import DOCUMENT, is_problem


def test_every_address_that_changes_something_asks_for_a_key() -> None:
    # They change nothing: a dry run may be repeated as it is.
    free = {"/api/v1/jobs/plan", "/api/v1/policy/packs/{pack_id}/decide"}
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            named = {p["name"] for p in operation["parameters"] if p.get("required")}
            asks = "Idempotency-Key" in named
            assert asks == (method != "get" and path not in free), (method, path)


@pytest.mark.parametrize("key", [None, "", " ", "x" * 121, "键", "a\tb"])
def test_without_a_usable_key_nothing_is_done(province: Province, key: str | None) -> None:
    found = is_problem(province.mine.post("/jobs", SPEC, key), 400)

    assert found["code"] == "api.idempotency_key_missing"
    assert not Job.objects.exists()


def test_the_same_request_gets_the_same_answer(province: Province) -> None:
    first = province.mine.post("/jobs", SPEC, "k")
    province.lease()
    turned = dict(reversed(SPEC.items()))
    again = province.mine.post("/jobs", turned, "k")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content, "the answer of then, though the job has moved on"
    assert ("Idempotency-Replayed" in first, again["Idempotency-Replayed"]) == (False, "true")
    assert Job.objects.count() == 1


def test_a_key_stands_for_one_request_only(province: Province) -> None:
    job = province.order("k")

    other = is_problem(province.mine.post("/jobs", {**SPEC, "name": "b"}, "k"), 409)
    stop = is_problem(province.mine.post(f"/jobs/{job}/cancel", {"reason": "x"}, "k"), 409)

    assert other["code"] == stop["code"] == "api.idempotency_key_reused"
    assert Job.objects.get().cancel_requested_at is None


def test_a_key_belongs_to_its_organisation(province: Province) -> None:
    from jinsuan.kernel.money import Money
    from jinsuan.vouchers.actions import book_top_up

    assert province.stranger.organisation is not None
    book_top_up(
        tenant=province.stranger.organisation,
        amount=Money.yuan("100"),
        bank_reference="B2",
        actor=province.world.treasury,
        now=province.clock.now,
    )
    mine = province.mine.post("/jobs", SPEC, "k")
    theirs = province.theirs.post("/jobs", SPEC, "k")
    colleague = province.caller(province.world.researcher)

    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["id"] != theirs.json()["id"]
    assert colleague.post("/jobs", SPEC, "k").content == mine.content


def test_stopping_twice_with_one_key_is_stopping_once(province: Province) -> None:
    job = province.order()

    answers = [province.mine.post(f"/jobs/{job}/cancel", {"reason": "x"}, "c") for _ in range(2)]
    fresh = is_problem(province.mine.post(f"/jobs/{job}/cancel", {"reason": "x"}, "d"), 409)

    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert fresh["code"] == "dispatch.job_over"


def test_a_refusal_does_not_use_the_key_up(province: Province) -> None:
    is_problem(province.theirs.post("/jobs", SPEC, "k"), 409)
    assert not KeptAnswer.objects.exists()
    test_a_key_belongs_to_its_organisation(province)


def test_answers_are_kept_for_thirty_days_and_orders_for_ever(province: Province) -> None:
    job = province.order("k")
    assert forget(now=province.clock.now + KEEP) == 0
    province.clock.now += KEEP
    province.clock.pass_by(1)
    assert forget(now=province.clock.now) == 1
    fresh = province.caller(province.world.researcher)

    again: Any = fresh.post("/jobs", {**SPEC, "name": "k"}, "k")

    assert (again.status_code, again.json()["id"]) == (201, job)
    assert Job.objects.count() == 1


def test_a_database_that_is_away_is_told_as_passing(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    def away(*_: object, **__: object) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr("jinsuan.dispatch.actions.submit", away)

    answer = province.mine.post("/jobs", SPEC, "k")

    found = is_problem(answer, 503)
    assert "closed" not in found["detail"]
    assert int(answer["Retry-After"]) > 0


def test_a_bug_is_a_problem_document_without_its_inside(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise AssertionError("secret figures")

    monkeypatch.setattr("jinsuan.dispatch.actions.submit", broken)

    found = is_problem(province.mine.post("/jobs", SPEC, "k"), 500)

    assert "secret" not in str(found)
    assert not KeptAnswer.objects.exists()
