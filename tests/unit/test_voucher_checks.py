"""Each check on both sides of its threshold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.registry.relations import Link, code_key, connected, path_between
from jinsuan.vouchers.checks import DataLacking
from jinsuan.vouchers.checks.papers import (
    Paper,
    likeness_bps,
    near_copies,
    plain_number,
    same_contract,
    shingles,
    splitting,
)
from jinsuan.vouchers.checks.parties import Parties, related
from jinsuan.vouchers.checks.thresholds import thresholds
from jinsuan.vouchers.checks.use import (
    Charged,
    Quote,
    Series,
    after_end,
    over_contract,
    patterns,
    price_band,
)

AT = thresholds()
A, B, C, D = (UUID(int=number) for number in range(1, 5))
NAMES = {A: "甲", B: "乙", C: "丙", D: "丁"}
DAY = date(2025, 9, 1)
NOON = datetime(2025, 9, 1, 4, 0, tzinfo=UTC)


def link(who: UUID, kind: str, key: str, share: int | None = None) -> Link:
    return Link(organisation=who, kind=kind, key=key.encode(), share_bps=share)


def parties(*links: Link, declared: bool = False, **more: object) -> Parties:
    made = Parties(
        applicant=A,
        provider=B,
        declared=declared,
        links=links,
        own={f"code{n}".encode(): one for n, one in enumerate(NAMES)},
        names=NAMES,
        unknown=(),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def codes(found: list) -> list[str]:  # type: ignore[type-arg]
    return [one.code for one in found]


def test_strangers_are_not_related() -> None:
    assert related(parties(link(A, "phone", "1"), link(B, "phone", "2")), AT.related) == []


def test_one_shared_phone_is_one_hop() -> None:
    (doubt,) = related(parties(link(A, "phone", "1"), link(B, "phone", "1")), AT.related)

    assert doubt.code == "related"
    assert "联系电话相同" in doubt.detail
    assert {one.id for one in doubt.evidence} == {A, B}


def test_two_hops_count_and_three_do_not() -> None:
    near = [link(A, "phone", "1"), link(C, "phone", "1"), link(C, "address", "x")]
    two = [*near, link(B, "address", "x")]
    three = [*near, link(D, "address", "x"), link(D, "device", "d"), link(B, "device", "d")]

    (doubt,) = related(parties(*two), AT.related)

    assert "甲与丙" in doubt.detail
    assert "丙与乙" in doubt.detail
    assert related(parties(*three), AT.related) == []


@pytest.mark.parametrize(("share", "found"), [(499, []), (500, ["related"]), (None, ["related"])])
def test_a_share_connects_from_its_threshold_on(share: int | None, found: list[str]) -> None:
    held = parties(link(B, "shareholder", "code0", share))

    assert codes(related(held, AT.related)) == found


def test_a_share_connects_in_either_direction() -> None:
    assert codes(related(parties(link(A, "shareholder", "code1", 6_000)), AT.related)) == [
        "related"
    ]


def test_a_director_here_is_the_legal_person_there() -> None:
    (doubt,) = related(parties(link(A, "director", "p"), link(B, "legal_person", "p")), AT.related)

    assert "董监高" in doubt.detail
    assert "法定代表人" in doubt.detail


def test_who_says_so_is_believed() -> None:
    assert codes(related(parties(declared=True), AT.related)) == ["related_declared"]


def test_the_same_code_is_related() -> None:
    assert codes(related(parties(provider=A), AT.related)) == ["related"]


def test_without_a_register_nothing_is_said_to_be_clean() -> None:
    with pytest.raises(DataLacking, match="甲"):
        related(parties(unknown=(A,)), AT.related)


def test_the_way_is_the_shortest_and_the_same_every_time() -> None:
    links = [
        link(A, "phone", "1"), link(C, "phone", "1"), link(C, "address", "x"),
        link(B, "address", "x"), link(A, "device", "d"), link(B, "device", "d"),
    ]  # fmt: skip
    ways = [
        path_between(A, B, some, {}, hops=2, least_share_bps=0) for some in (links, links[::-1])
    ]

    assert ways[0] == ways[1]
    assert ways[0] is not None
    assert len(ways[0]) == 1
    assert connected(A, links, {}, hops=1, least_share_bps=0) == {A, B, C}


def test_codes_of_credit_are_told_apart() -> None:
    assert code_key("A") != code_key("B")


TEXT = (
    "购买智能算力用于山西方言语音识别大模型的预训练，数据来自十一个市的广播录音，"
    "计划训练三个月，产出模型用于政务热线的自动转写和质检。"
)


def paper(number: int, who: UUID = A, **more: object) -> Paper:
    made = Paper(
        case=Ref("case", UUID(int=100 + number)),
        number=f"2025-m09-{number:04d}",
        applicant=who,
        provider=B,
        group=who in (A, C),
        contract=f"HT-{number}",
        files=((bytes([number]), Ref("attachment", UUID(int=number))),),
        text=TEXT[number:] if number < 3 else "",
        amount=Money.yuan("100000"),
        on=DAY,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_contract_number_is_one_in_any_spelling() -> None:
    assert plain_number("ht（2025）－001") == plain_number("HT 2025-001")


def test_the_same_contract_number_of_two_applicants() -> None:
    other = paper(2, D, contract="ht 1")

    assert codes(same_contract(paper(1), [other])) == ["same_contract_number"]
    assert same_contract(paper(1), [replace(other, provider=C)]) == []
    assert same_contract(paper(1), [replace(other, contract="HT-11")]) == []


def test_the_same_scan_in_two_cases() -> None:
    twin = paper(2, files=((bytes([1]), Ref("attachment", UUID(int=2))),))

    assert codes(same_contract(paper(1), [twin])) == ["same_contract_file"]
    assert same_contract(paper(1), [paper(2)]) == []


def test_likeness_is_counted_in_whole_pieces() -> None:
    assert shingles("一、二三四", 3) == {"一二三", "二三四"}
    assert likeness_bps(frozenset("abcd"), frozenset("abcd")) == 10_000
    assert likeness_bps(frozenset("abc"), frozenset("bcd")) == 5_000
    assert likeness_bps(frozenset(), frozenset()) == 0


def test_near_copies_of_different_applicants() -> None:
    mine = paper(0)
    share = likeness_bps(shingles(TEXT, 3), shingles(TEXT[1:], 3))
    exact, above = replace(AT.copies, similar_bps=share), replace(AT.copies, similar_bps=share + 1)

    assert codes(near_copies(mine, [paper(1, D)], AT.copies)) == ["near_copy"]
    assert codes(near_copies(mine, [paper(1, D)], exact)) == ["near_copy"]
    assert near_copies(mine, [paper(1, D)], above) == []
    assert near_copies(mine, [paper(1, A)], AT.copies) == []  # its own words


def test_short_texts_are_alike_by_chance() -> None:
    short = TEXT[: AT.copies.least_shingles + 1]  # one piece too few
    pair = paper(1, text=short), [paper(2, D, text=short)]

    assert near_copies(*pair, AT.copies) == []
    assert near_copies(
        *pair, replace(AT.copies, least_shingles=AT.copies.least_shingles - 10)
    ) == near_copies(*pair, replace(AT.copies, least_shingles=1))


@pytest.mark.parametrize(
    ("yuan", "who", "days", "found"),
    [
        ("1000000", A, 30, ["splitting"]),
        ("1000000", C, -30, ["splitting"]),
        ("999999.99", A, 30, []),
        ("1000000", A, 31, []),
        ("1000000", D, 0, []),  # a stranger
        ("2000000", A, 0, []),  # goes over the limit openly
    ],
)
def test_pieces_of_one_contract(yuan: str, who: UUID, days: int, found: list[str]) -> None:
    mine = paper(1, amount=Money.yuan("1000000"))
    other = paper(2, who, amount=Money.yuan(yuan), on=DAY + timedelta(days=days))

    assert codes(splitting(mine, [other], AT.splitting)) == found


@pytest.mark.parametrize(
    ("third", "days", "found"),
    [
        ("1800000", 365, ["just_below"]),
        ("1799999.99", 365, []),
        ("1800000", 366, []),
        ("2000000", 365, []),
    ],
)
def test_many_just_below_the_limit(third: str, days: int, found: list[str]) -> None:
    near = Money.yuan("1800000")
    others = [
        paper(2, amount=near, on=DAY - timedelta(days=100)),
        paper(3, amount=Money.yuan(third), on=DAY + timedelta(days=days)),
    ]

    assert codes(splitting(paper(1, amount=near), others, AT.splitting)) == found


def quote(millifen: int, *others: int) -> Quote:
    return Quote(tariff=Ref("tariff", A), resource="card:T4", millifen=millifen, others=others)


@pytest.mark.parametrize(
    ("millifen", "found"),
    [(500, []), (2_000, []), (499, ["price_band"]), (2_001, ["price_band"])],
)
def test_a_price_outside_the_band(millifen: int, found: list[str]) -> None:
    assert codes(price_band([quote(millifen, 900, 1_000, 5_000)], AT.price)) == found
    assert codes(price_band([quote(millifen, 1, 900, 1_100, 9_000)], AT.price)) == found


def test_too_few_centres_give_no_band() -> None:
    with pytest.raises(DataLacking, match="2 个其他中心"):
        price_band([quote(1_000, 1_000, 1_000)], AT.price)


@pytest.mark.parametrize(("minutes", "found"), [(59, []), (60, ["after_end"])])
def test_use_after_the_end(minutes: int, found: list[str]) -> None:
    late = Charged(
        charge=Ref("charge", A), amount=Money(5), used_at=NOON + timedelta(minutes=minutes)
    )

    doubts = after_end([late], contract=Ref("contract", B), ends=NOON, at=AT.after_end)

    assert codes(doubts) == found


@pytest.mark.parametrize(
    ("metered", "gone", "found"),
    [
        (1_999, 81, ["over_contract"]),
        (2_000, 81, []),
        (1_999, 80, []),
        (0, 500, ["over_contract"]),
    ],
)
def test_a_contract_far_above_its_use(metered: int, gone: int, found: list[str]) -> None:
    doubts = over_contract(
        contract=Ref("contract", A),
        amount=Money(10_000),
        metered=Money(metered),
        starts_on=DAY,
        ends_on=DAY + timedelta(days=99),
        today=DAY + timedelta(days=gone - 1),
        at=AT.over_contract,
    )

    assert codes(doubts) == found


def test_a_contract_without_amount_cannot_be_compared() -> None:
    with pytest.raises(DataLacking):
        over_contract(
            contract=Ref("contract", A),
            amount=Money(0),
            metered=Money(0),
            starts_on=DAY,
            ends_on=DAY,
            today=DAY,
            at=AT.over_contract,
        )


def series(number: int, hours: int, *, points: int = 25, missing: int = 0) -> Series:
    """Readings in even steps over some hours, of one card held; the last one lacks something."""
    step = timedelta(hours=hours) / (points - 1)
    made = [(NOON + step * n, step * n // timedelta(milliseconds=1)) for n in range(points)]
    made[-1] = (made[-1][0], made[-1][1] - missing)
    return Series(
        attempt=Ref("attempt", UUID(int=number)),
        resource="card:T4",
        held_milli=1_000,
        points=tuple(made),
    )


def test_flat_for_a_week() -> None:
    assert codes(patterns([series(1, 168)], AT.pattern)) == ["constant_load"]
    assert patterns([series(1, 167)], AT.pattern) == []
    assert patterns([series(1, 168, missing=1)], AT.pattern) == []
    assert patterns([series(1, 168, points=23)], AT.pattern) == []
    assert codes(patterns([series(1, 168, points=24)], AT.pattern)) == []  # steps are not even
    assert codes(patterns([series(1, 184, points=24)], AT.pattern)) == ["constant_load"]


def test_the_very_same_series_again_and_again() -> None:
    same = [series(n, 2, points=3) for n in range(1, 6)]

    (doubt,) = patterns(same, AT.pattern)

    assert doubt.code == "repeated_use"
    assert len(doubt.evidence) == 5
    assert patterns(same[:4], AT.pattern) == []
    assert patterns([*same[:4], series(5, 2, points=3, missing=1)], AT.pattern) == []
    assert patterns([series(n, 2, points=2) for n in range(1, 6)], AT.pattern) == []
