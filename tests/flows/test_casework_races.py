"""Many at once, with threads and commits of their own: numbers without gaps, one claim, one move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
from django.db import connection, transaction

from jinsuan.casework.actions.cases import open_case
from jinsuan.casework.actions.evidence import claim_documents
from jinsuan.casework.documents import invoice
from jinsuan.casework.errors import DocumentClaimed
from jinsuan.casework.models import Case, CaseMove, ClaimedDocument
from jinsuan.kernel.errors import BadInput, DomainError
from tests.flows.casework_world import NOW, make_desk, state

pytestmark = pytest.mark.usefixtures("committed_db")
MANY = 12


def race(calls: list[Callable[[], object]]) -> list[object]:
    """Run every call at the same moment on its own thread; a refusal is an answer."""
    gate = Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        connection.ensure_connection()
        gate.wait(30)
        try:
            return call()
        except DomainError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_case_numbers_have_no_gaps_and_no_twins_even_when_some_are_refused() -> None:
    desk = make_desk()

    def give_up() -> None:
        with transaction.atomic():
            desk.open()
            raise BadInput("x", "y", "z")

    race([desk.open if n % 3 else give_up for n in range(MANY)])

    numbers = sorted(Case.objects.values_list("number", flat=True))
    assert numbers == [f"2025-m09-{n:04d}" for n in range(1, 1 + MANY - MANY // 3)]


def test_programmes_and_years_count_apart() -> None:
    desk = make_desk()
    later = NOW.replace(year=2026)
    for programme, now in (("m09", NOW), ("m10", NOW), ("m09", later), ("m09", later)):
        open_case(
            kind="voucher",
            programme=programme,
            title="x",
            body=desk.body,
            actor=desk.tenant,
            now=now,
        )

    assert sorted(Case.objects.values_list("number", flat=True)) == [
        "2025-m09-0001", "2025-m10-0001", "2026-m09-0001", "2026-m09-0002",
    ]  # fmt: skip


def test_of_many_claims_of_one_invoice_exactly_one_wins() -> None:
    desk = make_desk()
    papers = [invoice(f"2514200000123456789{n}") for n in range(3)]
    cases = [desk.open(desk.tenant if n % 2 else desk.rival) for n in range(MANY)]

    def claim(case: UUID, n: int) -> None:
        # In another order each time: the action sorts them, so nobody deadlocks.
        order = papers[n % 3 :] + papers[: n % 3]
        actor = desk.tenant if n % 2 else desk.rival
        claim_documents(case, order, actor=actor, now=NOW)

    answers = race([lambda c=case, n=n: claim(c, n) for n, case in enumerate(cases)])  # type: ignore[misc]

    assert Counter(type(one) for one in answers) == {type(None): 1, DocumentClaimed: MANY - 1}
    assert ClaimedDocument.objects.count() == len(papers)
    assert ClaimedDocument.objects.values("case").distinct().count() == 1


def test_two_officials_cannot_both_move_one_case() -> None:
    desk = make_desk()
    case = desk.to_province()

    answers = race(
        [
            lambda n=n: desk.move(case, "不予通过", (desk.officer, desk.second)[n % 2])  # type: ignore[misc]
            for n in range(6)
        ]
    )

    assert sum(isinstance(one, DomainError) for one in answers) == 5
    assert state(case) == "refused"
    assert CaseMove.objects.filter(case=case).count() == 4
