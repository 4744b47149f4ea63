"""A table of moves: every state is reached, ends are ends, a refusal says what is possible."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from jinsuan.casework.errors import MoveNotAllowed, SamePerson, SecondPersonMissing
from jinsuan.casework.moves import (
    LEVEL_OF,
    TABLES,
    VOUCHER,
    Acted,
    Level,
    Move,
    Need,
    State,
    Table,
    check_hands,
)
from jinsuan.kernel.ref import Role

ANNA, BO = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_in_use_has_no_problems(table: Table) -> None:
    assert table.problems() == []
    assert table.reachable() == {state.code for state in table.states}


def test_the_states_of_a_voucher_case_are_what_people_read() -> None:
    assert [state.label for state in VOUCHER.states] == [
        "待提交", "审核中", "市级复核", "省级审定", "公示中", "退回补正", "已发放", "不予通过", "已撤回",
    ]  # fmt: skip
    assert [s.label for s in VOUCHER.states if s.end] == ["已发放", "不予通过", "已撤回"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"states": (*VOUCHER.states, State("lost", "迷路"))}, "迷路 is never reached"),
        ({"states": (*VOUCHER.states, State("lost", "迷路"))}, "迷路 is no end and goes nowhere"),
        (
            {"moves": (*VOUCHER.moves, Move("再来", "issued", "draft", Role.TENANT))},
            "已发放 is an end and goes on",
        ),
        ({"moves": (*VOUCHER.moves, VOUCHER.moves[0])}, "move twice"),
        (
            {"moves": (*VOUCHER.moves, Move("走", "draft", "nowhere", Role.TENANT))},
            "走: no state nowhere",
        ),
        (
            {
                "moves": (
                    *VOUCHER.moves,
                    Move("直接给", "city", "notice", Role.RECOMMENDER, frozenset({Need.DECISION})),
                )
            },
            "直接给: one person alone would decide money",
        ),
    ],
)
def test_a_planted_fault_is_found(change: dict[str, object], complaint: str) -> None:
    broken = replace(VOUCHER, **change)  # type: ignore[arg-type]

    assert any(complaint in one for one in broken.problems()), broken.problems()


def test_buttons_are_what_the_role_can_do_now() -> None:
    def names(state: str, role: Role) -> list[str]:
        return [move.name for move in VOUCHER.moves_for(state, role)]

    assert names("draft", Role.TENANT) == ["提交", "撤回"]
    assert names("city", Role.RECOMMENDER) == ["推荐", "退回补正", "不予推荐"]
    assert names("city", Role.PROVINCIAL_OFFICER) == []
    assert names("province", Role.PROVINCIAL_OFFICER) == ["审定通过", "退回补正", "不予通过"]
    for role in (Role.EXPERT, Role.AUDITOR, Role.PLATFORM_OPERATOR):
        assert role not in LEVEL_OF
        assert all(not names(state.code, role) for state in VOUCHER.states)


def test_a_refusal_lists_what_is_possible_and_who_is_waited_for() -> None:
    with pytest.raises(MoveNotAllowed) as refusal:
        VOUCHER.take("city", "审定通过", Role.RECOMMENDER)
    assert refusal.value.possible == ("推荐", "退回补正", "不予推荐")
    assert "市级复核" in refusal.value.explain()

    with pytest.raises(MoveNotAllowed) as waiting:
        VOUCHER.take("province", "撤回", Role.TENANT)
    assert waiting.value.possible == ()
    assert waiting.value.others == ("省级",)


def test_papers_are_open_only_before_they_are_handed_in() -> None:
    open_in = [s.code for s in VOUCHER.states if VOUCHER.papers_open(s.code, Role.TENANT)]

    assert open_in == ["draft", "returned"]


GRANT = VOUCHER.take("province", "审定通过", Role.PROVINCIAL_OFFICER)
SUBMITTED = Acted(UUID(int=9), Level.APPLICANT, 1)
CHECKED = Acted(None, Level.PLATFORM, 2)


def test_two_people_at_two_levels_may_grant() -> None:
    check_hands(GRANT, ANNA, [SUBMITTED, CHECKED, Acted(BO, Level.CITY, 3)])


def test_one_person_never_acts_at_two_levels() -> None:
    with pytest.raises(SamePerson):
        check_hands(GRANT, BO, [SUBMITTED, CHECKED, Acted(BO, Level.CITY, 3)])
    with pytest.raises(SamePerson):
        check_hands(GRANT, UUID(int=9), [SUBMITTED, CHECKED, Acted(BO, Level.CITY, 3)])


@pytest.mark.parametrize(
    "past",
    [
        [SUBMITTED, CHECKED],
        [SUBMITTED, Acted(BO, Level.PROVINCE, 2)],
        [SUBMITTED, Acted(BO, Level.CITY, 2), Acted(UUID(int=9), Level.APPLICANT, 3)],
    ],
    ids=["nobody", "the same level", "on earlier papers"],
)
def test_one_person_alone_does_not_grant(past: list[Acted]) -> None:
    with pytest.raises(SecondPersonMissing):
        check_hands(GRANT, ANNA, past)
