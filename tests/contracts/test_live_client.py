"""The client and keyed requests against a platform that runs: real threads, real connections."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from jinsuan.client.api import Client
from jinsuan.dispatch.models import Job
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api.models import KeptAnswer
from tests.contracts.api_world import SPEC, give_token
from tests.flows.world import make_world


@pytest.fixture
def token(platform: str) -> str:
    """Of somebody with money."""
    return give_token(make_world(now=clock.now()).researcher, now=clock.now())


def at_once(number: int, act: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
    """Do it in many threads at one moment; what each got."""
    answers: list[dict[str, Any]] = []
    start = threading.Barrier(number)

    def run() -> None:
        start.wait()
        answers.append(act())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_eight_equal_orders_at_one_moment_are_one_job(platform: str, token: str) -> None:
    def order() -> dict[str, Any]:
        with Client(platform, token) as client:
            return client.submit(SPEC, idempotency_key="race")

    answers = at_once(8, order)

    assert len(answers) == 8
    assert all(answer == answers[0] for answer in answers)
    assert (Job.objects.count(), KeptAnswer.objects.count()) == (1, 1)


def test_equal_stops_at_one_moment_are_one_stop(platform: str, token: str) -> None:
    with Client(platform, token) as client:
        job = client.submit(SPEC)["id"]

    def stop() -> dict[str, Any]:
        with Client(platform, token) as client:
            return client.cancel(job, "够了", idempotency_key="stop")

    answers = at_once(6, stop)

    assert len(answers) == 6
    assert all(answer == answers[0] for answer in answers)


def test_the_client_reads_all_pages_and_every_fen(platform: str, token: str) -> None:
    with Client(platform, token) as client:
        ids = [client.submit({**SPEC, "name": f"n{i}"})["id"] for i in range(3)]
        assert [job["id"] for job in client.each_job(limit=1)] == ids[::-1]
        assert [centre["code"] for centre in client.each_centre()] == ["T01"]
        (voucher,) = client.each_voucher()
        assert client.voucher(voucher["id"]) == voucher
        assert list(client.each_charge(ids[0])) == []
        assert [line["amount"] for line in client.each_line()] == ["100000.00"]
        assert client.attempts(ids[0])["items"] == []
