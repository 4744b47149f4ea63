"""Contracts that two parties register: refusals, the door, and which one use is metered under."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from jinsuan.dispatch import actions as dispatch
from jinsuan.kernel.errors import DomainError, NotAllowed, NotFound
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.queries import audit_of
from jinsuan.metering.actions import (
    ContractItem,
    Reading,
    charge,
    record,
    register_contract,
)
from jinsuan.metering.errors import ContractInvalid, ContractNumberTaken
from jinsuan.metering.models import Contract, Meter
from jinsuan.metering.queries_contracts import contract_view, contracts_of, metered
from jinsuan.metering.rating import card
from tests.flows.world import SYSTEM, World, make_world, organisation, person

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
TODAY = date(2025, 9, 16)
COMPUTE = ContractItem(category="compute", description="智算卡时", ceiling_fen=50_000_00)
pytestmark = pytest.mark.django_db


def register(world: World, number: str = "JS-2025-001", **other: Any) -> Ref:
    """A contract of the tenant and the provider, in force since this month."""
    values: dict[str, Any] = {
        "number": number,
        "tenant": world.tenant,
        "provider": world.provider,
        "signed_on": date(2025, 9, 1),
        "effective_from": date(2025, 9, 1),
        "effective_to": date(2026, 9, 1),
        "lines": [COMPUTE],
        "actor": world.researcher,
        "now": NOW,
    }
    return register_contract(**(values | other))


def run_a_job(world: World, key: str, now: datetime) -> UUID:
    """Place a job; the contract its attempt is metered under."""
    job = world.submit(key=key, now=now)
    dispatch.place_queued(now=now)
    return Meter.objects.get(job=job.id).contract_id


def test_use_is_metered_under_the_registered_contract() -> None:
    world = make_world(now=NOW)
    ref = register(world)
    assert run_a_job(world, "a", NOW) == ref.id
    assert not Contract.objects.filter(standard=True).exists()
    assert metered(ref) == Money(0)
    meter = Meter.objects.get()
    held = 3600 * 1000  # one card for one hour
    reading = Reading(
        attempt=meter.attempt, resource=card("T4"), milli_unit_seconds=held, occurred_at=NOW
    )
    later = NOW + timedelta(hours=2)
    assert record([reading], now=later) == 0
    charge([meter.attempt], now=later)
    assert metered(ref) == Money(350)


def test_the_latest_signed_in_force_that_buys_compute_goes_first() -> None:
    world = make_world(now=NOW)
    standard = run_a_job(world, "before any", NOW)
    assert Contract.objects.get(id=standard).standard
    older = register(world, "OLD", signed_on=date(2025, 7, 1))
    newer = register(world, "NEW", signed_on=date(2025, 8, 1))
    register(world, "OVER", signed_on=date(2025, 9, 2), effective_to=TODAY)
    register(world, "NOT YET", signed_on=TODAY, effective_from=TODAY + timedelta(days=1))
    racks = [ContractItem(category="rack", description="机架", ceiling_fen=1)]
    register(world, "RACKS", signed_on=TODAY, lines=racks)
    assert run_a_job(world, "now", NOW) == newer.id
    # A contract that was signed for another pair changes nothing here.
    other = organisation(7, "丁公司", NOW)
    register(world, "NEW", tenant=other, signed_on=TODAY, actor=world.officer)
    assert run_a_job(world, "again", NOW) == newer.id
    # The meter that was opened before stays where it was.
    assert Meter.objects.filter(contract=standard).count() == 1
    Contract.objects.filter(id=newer.id).update(effective_to=TODAY)
    assert run_a_job(world, "next", NOW) == older.id
    Contract.objects.filter(id=older.id).update(effective_to=TODAY)
    assert run_a_job(world, "last", NOW) == standard


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("没有填写", {"number": "  "}, "合同编号"),
    ("有 81 个字符", {"number": "X" * 81}, "合同编号"),
    ("在今天（2025-09-16）之后", {"signed_on": date(2025, 9, 17)}, "签订日"),
    ("不晚于生效日", {"effective_to": date(2025, 9, 1)}, "终止日"),
    (
        "不晚于签订日",
        {"effective_from": date(2025, 1, 1), "effective_to": date(2025, 9, 1)},
        "终止日",
    ),
    ("一行也没有", {"lines": []}, "合同明细"),
    (
        "没有“lunch”这个类别",
        {"lines": [COMPUTE, ContractItem(category="lunch", description="x", ceiling_fen=1)]},
        "合同明细第 2 行",
    ),
    (
        "含税金额 0 分",
        {"lines": [ContractItem(category="compute", description="x", ceiling_fen=0)]},
        "合同明细第 1 行",
    ),
    (
        "含税金额 -5 分",
        {"lines": [ContractItem(category="compute", description="x", ceiling_fen=-5)]},
        "合同明细第 1 行",
    ),
    (
        "内容有 0 个字符",
        {"lines": [ContractItem(category="compute", description=" ", ceiling_fen=5)]},
        "合同明细第 1 行",
    ),
]


@pytest.mark.parametrize(("said", "values", "field"), WRONG)
def test_what_cannot_be_is_refused_by_field(said: str, values: dict[str, Any], field: str) -> None:
    world = make_world(now=NOW)
    with pytest.raises(ContractInvalid) as refused:
        register(world, **values)
    assert refused.value.field == field
    assert said in refused.value.explain()
    assert not Contract.objects.exists()


def test_parties_and_numbers() -> None:
    world = make_world(now=NOW)
    with pytest.raises(ContractInvalid, match="同一家机构"):
        register(world, provider=world.tenant)
    with pytest.raises(NotFound):
        register(world, provider=new_id())
    first = register(world)
    with pytest.raises(ContractNumberTaken) as taken:
        register(world, signed_on=date(2025, 9, 3))
    assert taken.value.contract == first
    assert "2025-09-16" in taken.value.explain()
    # Strangers number their contracts as they like.
    other = organisation(7, "丁公司", NOW)
    register(world, tenant=other, actor=world.officer)


def test_who_may_register_and_who_may_look() -> None:
    world = make_world(now=NOW)
    stranger = person("stranger", organisation(8, "戊公司", NOW), Role.TENANT, NOW)
    operator = person("operator", world.provider, Role.CENTRE_OPERATOR, NOW)
    posing = person("posing", world.provider, Role.TENANT, NOW)
    refusals: list[Actor] = [stranger, posing, world.treasury, world.auditor]
    for actor in refusals:
        with pytest.raises(NotAllowed):
            register(world, actor=actor)
    ref = register(world, actor=operator, text_digest=b"\x01" * 32)
    (row,) = audit_of(ref)
    assert row.action == "contract.register"
    for viewer in (world.researcher, operator, world.officer, world.auditor, SYSTEM):
        view = contract_view(viewer, ref)
        assert (view.number, view.tenant_name, view.provider_name) == (
            "JS-2025-001",
            "乙大学",
            "甲算力",
        )
        assert view.lines[0].category_name == "算力使用"
        assert view.ceiling_of("compute") == Money(50_000_00)
    doors: list[Callable[[], object]] = [
        lambda: contract_view(stranger, ref),
        lambda: contract_view(posing, ref),
        lambda: contract_view(world.officer, Ref("job", ref.id)),
        lambda: contract_view(world.officer, Ref("contract", new_id())),
    ]
    for door in doors:
        with pytest.raises(DomainError) as shut:
            door()
        assert shut.value.code == "not_found"
    assert [view.ref for view in contracts_of(world.tenant)] == [ref]
    assert [view.ref for view in contracts_of(world.provider)] == [ref]
    assert stranger.organisation is not None
    assert contracts_of(stranger.organisation) == []
