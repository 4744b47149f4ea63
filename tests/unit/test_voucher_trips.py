"""Money that comes back: from the provider, from its people, from somebody unknown; and no bank data."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest

from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.vouchers.checks import DataLacking, Doubt
from jinsuan.vouchers.checks.thresholds import thresholds
from jinsuan.vouchers.checks.trips import (
    CHARGE,
    PAYMENT,
    PAYOUT,
    VOUCHER,
    Movement,
    check_told,
    round_trips,
)

A, B, C, D = (UUID(int=n) for n in range(1, 5))
DAY, AT = date(2025, 9, 16), thresholds()


def codes(found: list[Doubt]) -> list[str]:
    return [one.code for one in found]


def moved(
    payer: UUID | None, receiver: UUID, yuan: str, after: int = 0, kind: str = PAYMENT
) -> Movement:
    return Movement(
        ref=Ref("bankentry", new_id()),
        payer=payer,
        receiver=receiver,
        amount=Money.yuan(yuan),
        on=DAY + timedelta(days=after),
        kind=kind,
    )


@pytest.mark.parametrize(
    ("yuan", "days", "found"),
    [
        ("900", 30, ["round_trip"]),
        ("1100", 0, ["round_trip"]),
        ("899.99", 30, []),
        ("1100.01", 0, []),
        ("1000", 31, []),
        ("1000", -1, []),
    ],
)
def test_money_that_comes_back(yuan: str, days: int, found: list[str]) -> None:
    trip = [moved(A, B, "1000"), moved(B, C, yuan, days)]

    doubts = round_trips(trip, provider=B, group=frozenset({A, C}), at=AT.round_trip)

    assert codes(doubts) == found


def test_money_to_a_stranger_did_not_come_back() -> None:
    trip = [moved(A, B, "1000"), moved(B, D, "1000", 1)]

    assert round_trips(trip, provider=B, group=frozenset({A}), at=AT.round_trip) == []


def test_one_payment_back_answers_one_forth() -> None:
    trip = [moved(A, B, "1000"), moved(None, B, "1000"), moved(B, A, "1000", 1)]

    assert len(round_trips(trip, provider=B, group=frozenset({A}), at=AT.round_trip)) == 1


def test_it_comes_back_from_somebody_connected_with_the_provider() -> None:
    trip = [moved(A, B, "1000"), moved(C, A, "1000", 1)]

    caught = round_trips(
        trip, provider=B, group=frozenset({A}), circle=frozenset({C}), at=AT.round_trip
    )

    assert codes(caught) == ["round_trip"]
    assert "供给方的关联方付入" in caught[0].detail
    assert round_trips(trip, provider=B, group=frozenset({A}), at=AT.round_trip) == []


def test_who_pays_in_its_own_money_is_left_alone() -> None:
    trip = [moved(A, B, "1000"), moved(A, A, "1000", 1)]
    both = frozenset({A, C})

    assert round_trips(trip, provider=B, group=both, circle=both, at=AT.round_trip) == []


@pytest.mark.parametrize("kind", [CHARGE, VOUCHER])
def test_it_is_near_the_charge_or_the_voucher(kind: str) -> None:
    trip = [moved(A, B, "1000", kind=kind), moved(B, A, "1050", 30)]

    caught = round_trips(trip, provider=B, group=frozenset({A}), at=AT.round_trip)

    assert codes(caught) == ["round_trip"]
    assert f"{DAY} {kind} ¥1,000.00" in caught[0].detail


@pytest.mark.parametrize(
    ("kind", "yuan", "days", "found"),
    [
        (PAYOUT, "5000", 10, ["round_trip"]),  # what was paid out
        (PAYOUT, "1000", 10, ["round_trip"]),  # the charge of long before
        (PAYOUT, "1000", 31, []),
        (PAYOUT, "3000", 10, []),
        (PAYMENT, "5000", 10, []),
    ],
)
def test_somebody_unknown_pays_in_after_the_provider_was_paid(
    kind: str, yuan: str, days: int, found: list[str]
) -> None:
    trip = [
        moved(A, B, "1000", -90, CHARGE),
        moved(None, B, "5000", 0, kind),
        moved(None, A, yuan, days),
    ]

    assert codes(round_trips(trip, provider=B, group=frozenset({A}), at=AT.round_trip)) == found


def told(*days: int, out: tuple[int, ...] = (0,), today: int = 90) -> str:
    """What is said to be lacking; "" when the bank told of every time."""
    moves = [moved(A, B, "1", one) for one in out]
    lines = [DAY + timedelta(days=one) for one in days]
    try:
        check_told(
            moves,
            lines,
            provider=B,
            today=DAY + timedelta(days=today),
            at=AT.round_trip,
            found=[],
        )
    except DataLacking as error:
        return error.why
    return ""


def test_without_a_line_of_the_bank_nothing_is_said_to_be_clean() -> None:
    assert "自 2025-09-16 起没有登记任何银行流水" in told()
    assert "自 2025-09-16 起" in told(-1), "lines from before say nothing"
    assert "自 2025-09-16 起" in told(today=1), "nor is a day too short to have lines"
    assert told(0) == told(30) == ""
    assert told(today=1) == told(today=60), "the same lack in the same words"


def test_a_time_that_the_bank_does_not_tell_of() -> None:
    assert "2025-11-15 至 2025-12-25没有" in told(0, out=(0, 60, 70), today=101)
    assert told(0, out=(0, 60), today=90) == "", "that time is not over"
    assert told(0, 65, out=(0, 60), today=120) == ""


def test_where_nothing_was_paid_nothing_came_back() -> None:
    assert told(out=()) == ""
