"""Random walks: whatever is tried in whatever order, two levels and a decision stand behind money."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings, strategies as st

from jinsuan.casework.actions.cases import move_case
from jinsuan.casework.actions.notices import decide_objection, publish_notice, record_objection
from jinsuan.casework.models import Case, CaseMove, Decision, Hand
from jinsuan.casework.moves import TABLES, Level
from jinsuan.casework.queries import replay
from jinsuan.kernel.errors import DomainError
from jinsuan.policy.decide import Dates
from tests.flows.casework_world import NOW, Desk, known, make_desk
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db
PEOPLE = ("tenant", "rival", "city", "other_city", "officer", "second", "payer", "system")
NAMES = sorted({move.name for table in TABLES.values() for move in table.moves})
STEPS = st.one_of(
    # Mostly the way forward, so that walks get far; then anything by anybody.
    st.just(("forward", "")),
    st.sampled_from([("decide", "officer"), ("notice", "system"), ("objection", "city")]),
    st.tuples(st.sampled_from(NAMES), st.sampled_from(PEOPLE)),
)
FORWARD = {
    "draft": ("提交", "tenant"),
    "returned": ("补正", "tenant"),
    "checking": ("初核通过", "system"),
    "city": ("推荐", "city"),
    "province": ("审定通过", "officer"),
    "notice": ("公示期满", "system"),
}
END = NOW.replace(day=30)


def step(desk: Desk, case: Case, act: str, who: str) -> None:
    actor = SYSTEM if who == "system" else getattr(desk, who, SYSTEM)
    if act == "forward" and case.state == "notice" and not case.notices.exists():
        step(desk, case, "notice", "system")
    elif act == "forward":
        step(desk, case, *FORWARD.get(case.state, ("提交", "tenant")))
    elif act == "decide":
        desk.decide(case.id)
    elif act == "notice":
        publish_notice(case.id, from_day=date(2025, 9, 17), working_days=3, actor=actor, now=NOW)
    elif act == "objection":
        ref = record_objection(
            case.id, text="有异议", received_on=date(2025, 9, 18), actor=actor, now=END
        )
        decide_objection(ref.id, upheld=True, reason="属实", actor=desk.second, now=END)
    else:
        move_case(case.id, act, reason="理由", actor=actor, now=END)


@given(steps=st.lists(STEPS, max_size=40))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_random_walk_keeps_every_invariant(steps: list[tuple[str, str]]) -> None:
    with transaction.atomic():
        desk = make_desk()
        pk = desk.open()
        for act, who in steps:
            with suppress(DomainError), transaction.atomic():
                step(desk, Case.objects.get(id=pk), act, who)
        _check(pk)
        transaction.set_rollback(True)


def _check(pk: object) -> None:
    case = Case.objects.get(id=pk)
    table = TABLES[case.kind]
    moves = list(CaseMove.objects.filter(case=case).order_by("number"))
    assert [move.number for move in moves] == list(range(1, case.moves_made + 1))
    at = table.start.code
    for move in moves:
        assert move.source == at
        at = move.target
    assert case.state == at
    assert (case.closed_at is not None) == table.state(at).end
    for move in moves:
        hands = Hand.objects.filter(case=case, person=move.person)
        assert move.person is None or [hand.level for hand in hands] == [move.level]
    for n, move in enumerate(moves):
        if move.name == "审定通过":
            judged = Decision.objects.filter(case=case, moves_made=move.number - 1)
            assert judged.filter(outcome="eligible", amount_fen__gt=0).exists()
            last_papers = max(i for i in range(n) if moves[i].level == Level.APPLICANT)
            others = {moves[i].person for i in range(last_papers, n) if moves[i].level == "city"}
            assert others and move.person not in others
    if case.state == "issued":
        assert moves[-2].name == "审定通过"
        assert case.notices.filter(moves_made=moves[-2].number).exists()


FACT = st.fixed_dictionaries(
    {},
    optional={
        "g_dishonest": st.booleans(),
        "m09_user_kind": st.integers(0, 3),
        "m09_contract": st.integers(0, 10**11),
        "m09_develops_model": st.booleans(),
        "m09_received": st.integers(0, 3 * 10**8),
    },
)


@given(changes=FACT, day=st.dates(date(2024, 1, 1), date(2027, 6, 1)))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_stored_decision_always_replays(changes: dict[str, int], day: date) -> None:
    with transaction.atomic():
        desk = make_desk()
        case = desk.to_province()
        facts = known(**{name: int(value) for name, value in changes.items()})
        ref = desk.decide(case, facts=facts, dates=Dates(application=day))

        found = replay(ref.id)
        assert found.same, found.differences
        transaction.set_rollback(True)
